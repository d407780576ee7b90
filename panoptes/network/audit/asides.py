"""What lies in `incoming` and in `quarantine`, and entries that belong to no observation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cache, partial
from typing import Any
from urllib.parse import unquote

from panoptes.network.audit.entries import as_entry, entry_findings, is_reopened
from panoptes.network.audit.finding import Finding, Kind, Repair, Waiting
from panoptes.network.audit.inventory import pages, stands
from panoptes.network.audit.scope import Scope
from panoptes.network.catalog.catalog import Query, Stored
from panoptes.network.documents import File
from panoptes.network.errors import BadInput
from panoptes.network.ingest.allowance import is_spent
from panoptes.network.ingest.lease import is_held
from panoptes.network.ingest.ledger import now, readable_entry
from panoptes.network.ingest.listing import source_of
from panoptes.network.ingest.removing import why_it_stays
from panoptes.network.names import display_name, document_key, parse_sequence_id, parse_upload
from panoptes.network.site import Site
from panoptes.network.upload import Source

_CLOSED = ("archived", "filed", "quarantined")
_OPEN = (
    Query("files", where=[("returns", "==", 0)]),
    Query("files", where=[("code", ">", "")]),
)
"""Among what these find are the entries without an outcome that belong to no observation: no
attempt has come to an end, or the last one did with a code. No catalog can be asked for what
lacks a field."""
_KEPT = re.compile(r"(?P<name>.+)@\d+(-\d+)?", re.DOTALL)


def waiting_findings(site: Site, scope: Scope, *, overdue_after: float) -> Iterator[Finding]:
    """Uploads that nobody took for so many seconds, or that were left behind when done."""
    spent = cache(partial(is_spent, site))
    for info in site.store("incoming").list(scope.name_prefix):
        source = source_of(info)
        if not scope.holds(site, source.name):
            continue
        finding = waiting_finding(site, source, overdue_after)
        if finding is None or (finding.sequence_id and is_held(site.catalog, finding.sequence_id)):
            continue
        if finding.kind is Kind.OVERDUE and source.upload and spent(source.upload.sequence.unit_id):
            continue  # it waits for another day
        again = waiting_finding(site, source, overdue_after)
        if finding == again and stands(site, "incoming", source.name):
            yield finding


def waiting_finding(site: Site, source: Source, overdue_after: float) -> Finding | None:
    """What is wrong with a file that lies in `incoming`."""
    entry = readable_entry(site, source)
    name, age = display_name(source.name), now() - source.arrived
    if entry is not None and entry.generation == source.generation:
        if entry.outcome in _CLOSED:
            if site.settings.keep_incoming or (
                entry.outcome == "quarantined" and entry.path is None
            ):
                return None
            if (why := why_it_stays(site, source, entry)) is not None:
                return _stuck(site, source, f"{name} is {entry.outcome}", why)
            if source.upload is None and _is_recent(site, entry.closed):
                return None  # nobody holds a lease on it: a run may be about to take it away
            sentence = f"{name} is {entry.outcome}, but it still lies in incoming."
            return _told(Kind.LEFT_BEHIND, source, sentence)
        if entry.outcome == "failed" and entry.failures >= site.settings.failure_limit:
            return None  # said of its entry
        is_open = entry.outcome is None and not is_reopened(entry)
        if is_open and source.upload is not None:
            return None  # said of its entry
        if is_open and not _is_recent(site, entry.opened):
            return _told(Kind.ENTRY_STUCK, source, f"{name} was begun and never finished.")
    if age <= timedelta(seconds=overdue_after):
        return None
    hours = age.total_seconds() / 3600
    sentence = f"{name} has waited in incoming for {hours:.1f} hours, and nobody took it."
    return _told(Kind.OVERDUE, source, sentence)


def _stuck(site: Site, source: Source, said: str, why: str) -> Finding:
    finding = _told(
        Kind.LEFT_BEHIND, source, f"{said}, but it cannot be removed from incoming: {why}."
    )
    is_seen = site.store("incoming").hindrance(source.name) is not None
    return replace(finding, repair=None) if is_seen else finding  # else trying again may help


def _is_recent(site: Site, moment: datetime | None) -> bool:
    """Whether the run that wrote this may still be at work."""
    return moment is not None and now() - moment <= timedelta(seconds=site.settings.lease_seconds)


def waiting_now(site: Site, scope: Scope) -> Waiting:
    """How many uploads lie in `incoming` and are not done yet, and since when."""
    found = Waiting()
    for info in site.store("incoming").list(scope.name_prefix):
        if not scope.holds(site, info.name):
            continue
        if site.settings.keep_incoming or site.store("incoming").hindrance(info.name):
            entry = readable_entry(site, source_of(info))
            if entry and entry.generation == info.generation and entry.outcome in _CLOSED:
                continue
        age = max(0.0, (now() - info.updated).total_seconds())
        found = Waiting(found.files + 1, max(found.oldest_seconds, age))
    return found


def lease_findings(site: Site, scope: Scope, *, overdue_after: float) -> Iterator[Finding]:
    """Observations whose run died before it settled them, and that no run has taken since."""
    long_ago = now() - timedelta(seconds=overdue_after)
    for stored in pages(site.catalog, Query("leases", where=[("expires", "<=", long_ago)])):
        try:
            sequence = parse_sequence_id(stored.key)
        except ValueError:
            continue
        if scope.holds(site, f"{sequence.folder}.mp4"):
            yield Finding(
                Kind.LEASE_LEFT, "catalog", f"leases/{stored.key}",
                f"A run of {stored.key} died, and no other has settled it since.",
                stored.key, Repair.SETTLE,
            )  # fmt: skip


def _told(kind: Kind, source: Source, sentence: str) -> Finding:
    sequence_id = source.upload.sequence_id if source.upload else None
    return Finding(kind, "incoming", source.name, sentence, sequence_id, Repair.INGEST, source.name)


def quarantine_findings(site: Site, scope: Scope) -> Iterator[Finding]:
    """Objects in quarantine of which no document speaks.

    A copy of which the ledger has a later word stays as history.
    """
    prefixes = [scope.name_prefix]
    if scope.name_prefix:
        prefixes.append(f"unnamed/{scope.name_prefix}")
    for prefix in prefixes:
        for info in site.store("quarantine").list(prefix):
            found = _KEPT.fullmatch(info.name)
            name = found["name"] if found and not info.name.startswith("unnamed/") else None
            is_unnamed = prefix.startswith("unnamed/") and scope.night is None
            meant = is_unnamed or scope.holds(site, name or info.name)
            if not meant or is_explained(site, info.name, name):
                continue
            sentence = f"{info.name} lies in quarantine, and nobody wrote down why."
            returned = name is not None and not site.settings.keep_incoming
            yield Finding(
                Kind.QUARANTINE_ORPHANED, "quarantine", info.name, sentence,
                _sequence_id(name), Repair.RETURN if returned else None, name,
            )  # fmt: skip


def is_explained(site: Site, path: str, name: str | None) -> bool:
    if name is not None and site.catalog.get("files", document_key(name)) is not None:
        return True
    query = Query("files", where=[("path", "==", path), ("location", "==", "quarantine")], limit=1)
    return next(iter(site.catalog.query(query)), None) is not None


def unroutable_findings(site: Site, scope: Scope, *, deep: bool) -> Iterator[Finding]:
    """Ledger entries whose names belong to no observation; none of a single night."""
    if scope.night is not None:
        return
    for query in _queries(scope):
        for stored in pages(site.catalog, query):
            if stored.fields.get("sequence_id") is not None:
                continue
            if query in _OPEN and not _is_left_open(site, scope, stored):
                continue
            entry = as_entry(stored)
            if isinstance(entry, Finding):
                yield entry
            else:
                yield from lone_entry_findings(site, stored.key, entry, deep=deep)


def _queries(scope: Scope) -> Iterator[Query]:
    for outcome in ("quarantined", "failed"):
        where: list[Any] = [("outcome", "==", outcome)]
        if prefix := scope.name_prefix:
            behind = f"{prefix[:-1]}{chr(ord(prefix[-1]) + 1)}"
            where += [("name", ">=", prefix), ("name", "<", behind)]
        yield Query("files", where=where)
    yield from _OPEN


def _is_left_open(site: Site, scope: Scope, stored: Stored) -> bool:
    """Whether the file has no outcome, and no upload that could still be given one.

    What waits is said of `incoming`. The entry is read once more: a run may have closed it
    and then taken the upload away.
    """
    if stored.fields.get("outcome") is not None:
        return False
    name = str(stored.fields.get("name"))
    if not name.startswith(scope.name_prefix) or stands(site, "incoming", _raw(stored.key, name)):
        return False
    still = site.catalog.get("files", stored.key)
    return still is not None and still.fields.get("outcome") is None


def _raw(key: str, name: str) -> str:
    """The name as it was uploaded, of the entry with this key and readable name."""
    raw = unquote(key, errors="surrogateescape")
    return raw if document_key(raw) == key else name


def lone_entry_findings(site: Site, key: str, entry: File, *, deep: bool) -> list[Finding]:
    """What is wrong with an entry that belongs to no observation."""
    name = _raw(key, entry.name)
    found = entry_findings(site, entry, lambda _: stands(site, "incoming", name), deep=deep)
    return [
        replace(
            finding,
            name=f"files/{key}" if finding.location == "catalog" else finding.name,
            subject=name,
        )
        for finding in found
    ]


def _sequence_id(name: str | None) -> str | None:
    try:
        return parse_upload(name or "").sequence_id
    except BadInput:
        return None
