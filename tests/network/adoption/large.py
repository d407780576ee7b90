"""A large catalogue taken over, killed in the middle, and compared document by document.

    python -m tests.network.adoption.large FOLDER --flat 10000 --nested 10000 --images 250

Not a test of every day: it takes minutes, and says what it took. With ``--nested 0`` it is on
SQLite, else on Firestore's emulator, which needs seconds for the counts of each observation.
"""

from __future__ import annotations

import argparse
import os
import resource
import signal
import time
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path

from panoptes.network.adoption import adopt
from panoptes.network.adoption.taken import Tally
from panoptes.network.audit import audit
from panoptes.network.catalog.catalog import Fields, Query
from panoptes.network.settings import NetworkSettings
from panoptes.network.site import Site
from tests.emulators.servers import Emulators
from tests.network.adoption import earlier
from tests.patience import be_patient

PROJECT = "adoption-large"


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    for name in ("flat", "nested", "files"):
        parser.add_argument(f"--{name}", type=int, default=1000)
    parser.add_argument("--images", type=int, default=20, help="of an observation")
    given = parser.parse_args()
    earlier.IMAGES = given.images
    be_patient()
    with ExitStack() as stack:
        settings = NetworkSettings.in_folder(given.folder, rest_seconds=0, lease_seconds=5)
        if given.nested:
            logs = given.folder / "logs"
            logs.mkdir(parents=True)
            address = stack.enter_context(Emulators(logs)).firestore(megabytes=4096)
            os.environ["FIRESTORE_EMULATOR_HOST"] = address
            settings = settings.model_copy(update={"catalog": f"firestore://{PROJECT}"})
        run(settings, given.flat, given.nested, given.files)


def run(settings: NetworkSettings, flat: int, nested: int, files: int) -> None:
    site = Site(settings)
    site.check()
    if nested:
        before = dict(earlier.flat(flat))
        earlier.write_batches(PROJECT, before)
    else:
        before = earlier.write_flat(site, flat)
    theirs = earlier.write_nested(PROJECT, nested) if nested else {}
    kept = earlier.read_nested(PROJECT) if nested else {}
    written = earlier.write_archive(site, earlier.OLD, flat, all_but=max(0, flat - files))
    print(
        f"written: {len(before)} flat, {len(theirs)} nested documents, {written} files", flush=True
    )
    site.catalog.close()

    half = (flat + nested) // 2
    in_child("broken off among documents", settings, stop_after=half)
    in_child("broken off among files", settings, stop_after=half + files // 2)
    in_child("to the end", settings)
    in_child("once more", settings)

    site = Site(settings)
    compare(site, before, theirs, flat + nested)
    if nested:
        assert earlier.read_nested(PROJECT) == kept
        print("every nested document is as it was", flush=True)
    begun = time.monotonic()
    missing = sum(1 for _ in audit(site))
    print(f"audit: {missing} findings, {time.monotonic() - begun:.0f} s", flush=True)
    assert missing == flat + nested - written


def in_child(what: str, settings: NetworkSettings, stop_after: int | None = None) -> None:
    """One run in a process of its own, which kills itself after so many.

    A fresh interpreter and no fork: the client of Firestore has threads, which a fork loses.
    """
    begun = time.monotonic()
    child = get_context("spawn").Process(target=_adopt, args=(settings, stop_after))
    child.start()
    child.join()
    assert child.exitcode == (0 if stop_after is None else -signal.SIGKILL), child.exitcode
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    print(f"{what}: {time.monotonic() - begun:.0f} s, at most {peak:.0f} MB", flush=True)


def _adopt(settings: NetworkSettings, stop_after: int | None) -> None:
    be_patient()
    tally = Tally()
    for count, taken in enumerate(adopt(Site(settings), dry_run=False), 1):
        tally.add(taken)
        if count == stop_after:
            os.kill(os.getpid(), signal.SIGKILL)
    print(f"  {tally.sentence}", flush=True)


def compare(site: Site, flat: dict[str, Fields], nested: dict[str, Fields], images: int) -> None:
    """Nothing of theirs is lost, and each has a document of ours with what it said."""
    now = {
        f"{collection}/{stored.key}": stored.fields
        for collection in ("units", "observations", "images")
        for stored in site.catalog.query(Query(collection))
    }
    for path, fields in flat.items():
        ours = now[path] | now[path]["adopted"]["said"]
        assert {name: ours.get(name) for name in fields} == fields, path
    for path, fields in nested.items():
        parts = path.split("/")
        ours = now["/".join(parts[-2:])]
        if len(parts) == 2:
            assert {name: (ours | ours["adopted"]["said"]).get(name) for name in fields} == fields
            continue
        assert ours["adopted"]["document"] == path
        assert ours["status"] == fields["status"]
        assert ours["time"] == earlier.moment(parts[-1]), path
        if parts[-2] == "images":
            assert (ours["uid"], ours["exptime"]) == (fields["uid"], 120.0)
            assert ours["healpix"] is not None
    counted = sum(f["num_images"] for p, f in now.items() if p.startswith("observations/"))
    units = sum(f["num_images"] for p, f in now.items() if p.startswith("units/"))
    assert counted == units == images
    print(
        f"{len(flat)} flat and {len(nested)} nested documents compared, {len(now)} now", flush=True
    )


if __name__ == "__main__":
    main()
