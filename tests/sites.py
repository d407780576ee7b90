"""Whole networks on folders of their own: running them, looking at them, breaking them."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from typing import Any, cast

from panoptes.network.catalog.catalog import Catalog, Query
from panoptes.network.documents import File, Location
from panoptes.network.ingest.folder import files_in, ingest_folder
from panoptes.network.ingest.ledger import read_entry
from panoptes.network.ingest.listing import everything_waiting
from panoptes.network.ingest.observation import ingest_observation
from panoptes.network.ingest.outcome import FileResult
from panoptes.network.ingest.take import Calls, Watch, take_all
from panoptes.network.names import parse_sequence_id
from panoptes.network.settings import LOCATIONS
from panoptes.network.site import Site
from panoptes.network.storage.store import ObjectStore
from panoptes.network.upload import Source

COLLECTIONS = ("units", "cameras", "observations", "images", "files", "leases")
VOLATILE = {"attempts", "returns", "opened", "closed", "recorded", "taken_on"}
VOLATILE |= {"run_made", "run_begun", "derived"}
"""Fields that say when and how often, not what."""

AT_ONCE: dict[str, Any] = {
    "rest_seconds": 0,
    "incomplete_seconds": 0,
    "least_free_percent": 0,  # how full this machine's disk is says nothing of us
}
"""Policies of a network that takes files which were written just now."""


def kept(folder: Path, **policies: Any) -> Site:
    """Takes from the kept source ``folder/night`` into ``folder/data``."""
    (folder / "night").mkdir(parents=True, exist_ok=True)
    return _checked(
        Site.in_folder(folder / "data", incoming=folder / "night", **(AT_ONCE | policies))
    )


def drained(folder: Path, **policies: Any) -> Site:
    """Takes from ``folder/data/incoming``, which it drains, into ``folder/data``."""
    return _checked(Site.in_folder(folder / "data", **(AT_ONCE | policies)))


def _checked(site: Site) -> Site:
    site.check()
    return site


def incoming(site: Site) -> Path:
    return Path(site.settings.incoming)


def run(site: Site) -> dict[str, FileResult]:
    """Ingest everything that waits; what became of each file, by name."""
    sources = files_in(site, Path(site.settings.images).parent)
    return {r.name: r for r in ingest_folder(site, sources, watch=Watch())}


def ingest_all(site: Site) -> list[FileResult]:
    """Take up everything that waits, on any backends, as a sweep and its runs do."""
    site.check()
    waiting = list(everything_waiting(site))
    unroutable = [source for source in waiting if source.upload is None]
    results = list(take_all(unroutable, steps=Calls(site), watch=Watch()).values())
    for sequence_id in sorted({s.upload.sequence_id for s in waiting if s.upload}):
        sequence = parse_sequence_id(sequence_id)
        results += ingest_observation(site, sequence)[0]
    return results


def outcomes(results: dict[str, FileResult]) -> dict[str, str]:
    """Outcome by name, with the code where there is one."""
    return {n: f"{r.became}: {r.code}" if r.code else r.became for n, r in results.items()}


def waiting(site: Site) -> list[str]:
    return [source.name for source in everything_waiting(site)]


def source_named(site: Site, name: str) -> Source:
    return next(source for source in everything_waiting(site) if source.name == name)


def entry_of(site: Site, name: str) -> File:
    """The ledger's entry, which must be there."""
    entry = read_entry(site, name)
    assert entry is not None
    return entry


def objects(site: Site, *locations: Location) -> dict[str, bytes]:
    """Every object but the uploads, or those of some locations."""
    wanted = locations or tuple(location for location in LOCATIONS if location != "incoming")
    return {
        f"{location}/{info.name}": site.store(location).read(info.name)[0]
        for location in wanted
        for info in site.store(location).list()
    }


def document(site: Site, collection: str, key: str) -> dict[str, Any]:
    """A document's fields; it must be there."""
    stored = site.catalog.get(collection, key)
    assert stored is not None
    return stored.fields


def documents(site: Site) -> dict[str, Any]:
    """Every document, without what differs from one run to the next."""
    return {
        f"{collection}/{stored.key}": _steady(stored.fields)
        for collection in COLLECTIONS
        for stored in site.catalog.query(Query(collection))
    }


def _steady(value: Any) -> Any:
    """Without volatile fields, and without the generations that we gave to our own objects."""
    if isinstance(value, dict):
        dropped = VOLATILE | ({"generation"} if "role" in value else set())
        return {k: _steady(v) for k, v in value.items() if k not in dropped and v is not None}
    if isinstance(value, list):
        return [_steady(item) for item in value]
    return value


def picture_of(folder: Path) -> dict[str, tuple[int, int, bytes | str]]:
    """Everything in a folder: kind and mode, modification time, bytes or target of the link."""
    found: dict[str, tuple[int, int, bytes | str]] = {}
    for path in sorted([folder, *folder.rglob("*")]):
        seen = path.lstat()
        content: bytes | str = ""
        if path.is_symlink():
            content = str(path.readlink())
        elif path.is_file():
            content = path.read_bytes()
        found[str(path)] = (seen.st_mode, seen.st_mtime_ns, content)
    return found


class _Watched:
    """A store or catalog, each of whose calls is told of before it is made and after."""

    def __init__(self, target: object, name: str, tell: Callable[[str], None]) -> None:
        self._target, self._name, self._tell = target, name, tell

    def __getattr__(self, method: str) -> Any:
        found = getattr(self._target, method)
        if not callable(found):
            return found

        def call(*arguments: Any, **options: Any) -> Any:
            self._tell(f"before {self._name}.{method}")
            result = found(*map(_bucket_itself, arguments), **options)
            self._tell(f"after {self._name}.{method}")
            return result

        return call


def _bucket_itself(argument: object) -> object:
    """Buckets copy among themselves, and must know each other for one."""
    if isinstance(argument, _Watched) and hasattr(argument._target, "bucket"):
        return argument._target
    return argument


def watched(site: Site, tell: Callable[[str], None]) -> Site:
    """The site, telling of every call to a store or the catalog in this process.

    `tell` may raise, or end the process. A child process that decodes a file tells nothing.
    """
    stores = {location: _Watched(site.store(location), location, tell) for location in LOCATIONS}
    site._stores = cast(dict[Location, ObjectStore], stores)
    site._catalog = cast(Catalog, _Watched(site.catalog, "catalog", tell))
    return site


def count_calls(make: Callable[[], Site]) -> list[str]:
    """The calls to stores and catalog of one whole run."""
    calls: list[str] = []
    run(watched(make(), calls.append))
    return calls


def run_and_die(
    make: Callable[[], Site],
    at: int,
    *,
    work: Callable[[Site], object] = run,
) -> bool:
    """Run in a process of its own that kills itself at the `at`-th telling of `watched`.

    `work` is what is done instead of a whole run. Gives whether the process died; False if
    it came to its end before.
    """
    child = os.fork()
    if child == 0:
        told = 0

        def tell(call: str) -> None:
            nonlocal told
            told += 1
            if told == at:
                os.kill(os.getpid(), signal.SIGKILL)

        try:
            work(watched(make(), tell))
        finally:
            os._exit(0)
    _, status = os.waitpid(child, 0)
    return os.WIFSIGNALED(status)


def spread(count: int, most: int) -> Iterable[int]:
    """Up to `most` numbers from 1 to `count`, evenly."""
    return sorted({1 + i * (count - 1) // max(1, most - 1) for i in range(min(count, most))})


def age(path: Path, moment: datetime) -> None:
    os.utime(path, (moment.timestamp(), moment.timestamp()))
