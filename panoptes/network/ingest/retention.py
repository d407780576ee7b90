"""What is kept no longer: copies of quarantined files, and entries about what is gone.

Both are kept for ever unless the network's settings say otherwise. Never removed is

- the copy of a file that somebody has put back and that is not judged yet, or of which an
  upload waits in `incoming`;
- an entry of the ledger that protects something: an upload that is not drained, an archived
  file, a copy in quarantine.

A copy is first struck from the ledger, under compare-and-set, so that no rescue and no run
counts on it from then on, and then removed. Who is killed in between leaves the copy's name in
the entry, and the next time removes it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import unquote

from pydantic import ValidationError

from panoptes.network.catalog.catalog import Conflict, Fields, Query, Stored, modify
from panoptes.network.documents import File, Removed
from panoptes.network.ingest.ledger import now
from panoptes.network.ingest.watchdog import progressing
from panoptes.network.names import document_key
from panoptes.network.safe_text import safe_log
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound

RETAINING = "apply-retention"
"""The lease of who removes."""

log = safe_log(__name__)


@dataclass(frozen=True)
class Expired:
    """Something that is removed, or would be."""

    what: Literal["copy in quarantine", "ledger entry"]
    name: str
    size: int = 0
    """Bytes."""


def expire(
    site: Site, *, dry_run: bool = False, moment: datetime | None = None
) -> Iterator[Expired]:
    """Remove what is older than the network's settings keep it; safe to break off and repeat.

    Gives each thing once it is removed, or with `dry_run` all that would be. Costs by the
    files that were ever quarantined. Raises TransientError.
    """
    settings = site.settings
    if not settings.quarantine_days:
        return
    moment = moment or now()
    seen: set[str] = set()
    for query in (
        Query("files", where=[("outcome", "==", "quarantined")]),
        Query("files", where=[("case_id", ">", "")]),
    ):
        for stored in progressing(site.catalog.query(query)):
            if stored.key not in seen:
                seen.add(stored.key)
                yield from _expire_copies(site, stored, moment, dry_run=dry_run)
                yield from _expire_entry(site, stored.key, moment, dry_run=dry_run)


def _expire_copies(
    site: Site, stored: Stored, moment: datetime, *, dry_run: bool
) -> Iterator[Expired]:
    cutoff = moment - timedelta(days=site.settings.quarantine_days)
    entry = _entry(stored.key, stored.fields)
    if entry is None:
        return
    paths = _expired_paths(entry, cutoff)
    if paths and not _waits(site, stored.key, entry):
        if not dry_run:
            paths = _strike(site, stored.key, cutoff, moment)
    else:
        paths = []
    owed = entry.removed.paths if entry.removed else []
    for path in dict.fromkeys([*owed, *paths]):
        found = site.stat("quarantine", path)
        if found is None:
            continue
        if not dry_run:
            with suppress(NotFound):
                site.store("quarantine").delete(path, if_generation=found.generation)
        yield Expired("copy in quarantine", path, found.size)
    if (owed or paths) and not dry_run:
        modify(site.catalog, "files", stored.key, _all_gone)


def _expired_paths(entry: File, cutoff: datetime) -> list[str]:
    """Copies that nobody has asked for since they were judged before `cutoff`."""
    if entry.outcome not in ("quarantined", "archived", "filed") or entry.rescue is not None:
        return []
    history = {
        case.path: None
        for case in entry.history or ()
        if case.path is not None and case.closed is not None and case.closed < cutoff
    }
    if entry.outcome == "quarantined" and entry.path is not None:
        if entry.closed is None or entry.closed >= cutoff:
            history.pop(entry.path, None)
        else:
            history[entry.path] = None
    return list(history)


def _strike(site: Site, key: str, cutoff: datetime, moment: datetime) -> list[str]:
    """Take what is expired out of an entry, as it is by then; gives the copies' names."""
    struck: list[str] = []

    def change(fields: Fields | None) -> Fields | None:
        nonlocal struck
        entry = None if fields is None else _entry(key, fields)
        struck = _expired_paths(entry, cutoff) if entry else []
        if entry is None or not struck:
            return None
        owed = entry.removed.paths if entry.removed else []
        changed: Fields = {
            "removed": Removed(at=moment, paths=[*owed, *struck]).model_dump(),
            "history": [
                case.model_copy(update={"path": None} if case.path in struck else {}).model_dump(
                    exclude_none=True
                )
                for case in entry.history or ()
            ]
            or None,
        }
        if entry.outcome == "quarantined" and entry.path in struck:
            changed["path"] = None
        return changed

    modify(site.catalog, "files", key, change)
    return struck


def _all_gone(fields: Fields | None) -> Fields | None:
    removed: Any = (fields or {}).get("removed")
    return {"removed": removed | {"paths": []}} if removed else None


def _expire_entry(site: Site, key: str, moment: datetime, *, dry_run: bool) -> Iterator[Expired]:
    days = site.settings.ledger_days
    stored = site.catalog.get("files", key) if days else None
    entry = stored and _entry(key, stored.fields)
    if stored is None or not entry or not _protects_nothing(entry):
        return
    assert entry.removed is not None
    last = max(entry.removed.at, entry.closed or entry.removed.at)
    if last >= moment - timedelta(days=days) or _waits(site, key, entry):
        return
    if not dry_run:
        try:
            site.catalog.delete("files", key, version=stored.version)
        except Conflict:
            return  # it has come again
    yield Expired("ledger entry", entry.name)


def _protects_nothing(entry: File) -> bool:
    return (
        entry.outcome == "quarantined"
        and entry.removed is not None
        and not entry.removed.paths
        and entry.path is None
        and not entry.outputs  # what an earlier file of the name became
        and entry.rescue is None
        and entry.unreadable is None
        and entry.unfinished is None
        and not any(case.path for case in entry.history or ())
    )


def _waits(site: Site, key: str, entry: File) -> bool:
    """Whether `incoming` has an upload of the name, in any generation."""
    name = unquote(key, errors="surrogateescape")
    try:
        return site.stat("incoming", name if document_key(name) == key else entry.name) is not None
    except ValueError:  # it is the name of nothing
        return False


def _entry(key: str, fields: Fields) -> File | None:
    try:
        return File.model_validate(fields)
    except ValidationError as error:
        log.warning("the ledger's entry %s cannot be read, and is kept: %s", key, error)
        return None
