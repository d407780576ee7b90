"""A long observation over a Dask cluster, of which a worker is killed: ``python -m
benchmarks.clusters``.

On emulators of Cloud Storage and Firestore, with frames of a few pixels: what is tried is that
each is catalogued once, and what the way there costs beside the frames' own work. The figures are
in docs/scale.md.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from datetime import datetime, timedelta
from pathlib import Path

from benchmarks.measure import require
from benchmarks.scale import Load, cpu_seconds, servers
from panoptes.network.catalog.catalog import Query
from panoptes.network.site import Site
from tests import sites
from tests.clusters import dask_cluster
from tests.emulators.demo import on_emulators
from tests.files import SEQUENCE, SEQUENCE_ID, tiny_fits


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.clusters", description=__doc__)
    parser.add_argument("--frames", type=int, default=1000)
    parser.add_argument("--workers", type=int, default=4)
    given = parser.parse_args()
    for name in [n for n in os.environ if n.startswith(("PREFECT_", "PANOPTES_"))]:
        del os.environ[name]
    with ExitStack() as opened:
        root = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="panoptes-cluster-")))
        os.environ["PREFECT_HOME"] = str(root / "flow")
        site = opened.enter_context(on_emulators(root))
        (url,), load = opened.enter_context(servers(root, 1, None))
        os.environ["PREFECT_API_URL"] = url
        _upload(site, given.frames)
        (root / "cluster").mkdir()
        names = [f"worker-{number}" for number in range(given.workers)]
        address, processes = opened.enter_context(
            dask_cluster(root / "cluster", dict.fromkeys(names, ""))
        )
        workers = Load(processes, names, Path())
        killed = threading.Thread(
            target=_kill, args=[site, given.frames // 4, processes.process_id(names[0])]
        )
        killed.start()
        before = load.seconds()["server-0"]
        begun, used = time.monotonic(), time.process_time()
        message = _ingest(site, address)
        took, used = time.monotonic() - begun, time.process_time() - used
        killed.join()
        require(processes.status(names[0], within=60) == -9, "no worker was killed")
        print(f"{message}, in {took:.0f} s; load of the machine {os.getloadavg()[0]:.1f}")
        print(f"the flow's process: {used:.0f} CPU s")
        print(f"Prefect's server: {load.seconds()['server-0'] - before:.0f} CPU s")
        for name in workers.names[1:]:
            print(f"{name}: {cpu_seconds(processes.process_id(name)):.0f} CPU s")
        _judge(site, given.frames)


def _upload(site: Site, frames: int) -> None:
    start, data = datetime(2018, 2, 16, 11), tiny_fits()
    for number in range(frames):
        moment = start + timedelta(seconds=10 * number)
        site.store("incoming").put(f"{SEQUENCE}/{moment:%Y%m%dT%H%M%S}.fits", data)


def _ingest(site: Site, address: str) -> str:
    from blocks.network import PanoptesNetwork
    from flows.ingest_observation import ingest_observation

    changed = PanoptesNetwork.of(site).changed(task_runner=address, previews_wanted=False)
    changed.save("trial", overwrite=True)
    state = ingest_observation(SEQUENCE_ID, network="trial", return_state=True)
    return str(state.message)


def _kill(site: Site, after: int, process: int) -> None:
    while site.catalog.aggregate(Query("images"))["count"] < after:
        time.sleep(0.2)
    os.kill(process, signal.SIGKILL)


def _judge(site: Site, frames: int) -> None:
    """Every frame once, and nothing left."""
    require(not sites.waiting(site), "files are left in incoming")
    stored = len(list(site.store("images").list()))
    require(stored == frames, f"{stored} objects in place of {frames}")
    images = list(site.catalog.query(Query("images", where=[("status", "==", "uploaded")])))
    require(len(images) == frames, f"{len(images)} images in place of {frames}")
    counted = sites.document(site, "observations", SEQUENCE_ID)["num_images"]
    require(counted == frames, f"{counted} images are counted in place of {frames}")
    entries = list(site.catalog.query(Query("files", where=[("outcome", "==", "archived")])))
    again = sum(entry.fields["attempts"] > 1 for entry in entries)
    require(len(entries) == frames, f"{len(entries)} files are closed in place of {frames}")
    sys.stdout.write(f"all {frames} catalogued once; {again} of them in a second attempt\n")


if __name__ == "__main__":
    main()
