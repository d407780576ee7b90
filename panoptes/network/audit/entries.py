"""The ledger's own word: what became of each upload, and whether that can be."""

from __future__ import annotations

from datetime import timedelta

from pydantic import ValidationError

from panoptes.network.audit.claims import Waits
from panoptes.network.audit.finding import Finding, Kind, Repair
from panoptes.network.catalog.catalog import Stored
from panoptes.network.documents import File
from panoptes.network.errors import ADVICE, first_fault
from panoptes.network.ingest.ledger import now
from panoptes.network.ingest.reading_back import read_back
from panoptes.network.names import document_key
from panoptes.network.site import Site

_SWEPT = timedelta(minutes=15)
"""In which a sweep has taken up what is ripe: they come every five minutes."""


def as_entry(stored: Stored) -> File | Finding:
    """An entry of the ledger, or the finding that it cannot be read."""
    try:
        return File.model_validate(stored.fields)
    except ValidationError as error:
        sentence = f"The ledger's entry {stored.key} cannot be read: {first_fault(error)}."
        return Finding(
            Kind.DOCUMENT_UNREADABLE, "catalog", f"files/{stored.key}", sentence,
            stored.fields.get("sequence_id"),
        )  # fmt: skip


def entry_findings(site: Site, entry: File, waits: Waits, *, deep: bool) -> list[Finding]:
    """What is wrong with one entry, its outputs left aside. No run may be at work on it."""
    found = _by_outcome(site, entry, waits, deep=deep)
    if entry.unreadable is not None:
        found.append(
            _finding(
                entry, Kind.DOCUMENT_UNREADABLE,
                f"An earlier entry of {entry.name} could not be read; what it said is kept in "
                "the field `unreadable`. Remove the field once you have looked.",
            )
        )  # fmt: skip
    return found


def _by_outcome(site: Site, entry: File, waits: Waits, *, deep: bool) -> list[Finding]:
    match entry.outcome:
        case None:
            return _open(site, entry, waits)
        case "failed":
            return _failed(site, entry, waits)
        case "quarantined":
            return _quarantined(site, entry, waits, deep=deep)
        case _ if not entry.outputs:
            return [
                _finding(
                    entry, Kind.ENTRY_WRONG,
                    f"{entry.name} is said to be {entry.outcome}, but not where.",
                    Repair.INGEST if waits(entry.name) else None,
                )
            ]  # fmt: skip
    return []


def _open(site: Site, entry: File, waits: Waits) -> list[Finding]:
    if not waits(entry.name):
        return [_gone(site, entry)]
    if is_reopened(entry) or _may_be_arriving(site, entry):
        return []
    sentence = f"{entry.name} was begun and never finished; no run is at work on it."
    return [_finding(entry, Kind.ENTRY_STUCK, sentence, Repair.INGEST)]


def is_reopened(entry: File) -> bool:
    """Whether it was rescued and waits for its next run, as any upload does."""
    return entry.outcome is None and entry.attempts == 0


def _may_be_arriving(site: Site, entry: File) -> bool:
    """Whether its upload is left to be finished, or to come to rest, by who writes it.

    One that a run has looked at and found incomplete is judged by the first sweep after it has
    not changed for `incomplete_seconds`. A newer version is said of `incoming`, as any upload.
    """
    info = site.stat("incoming", entry.name)
    if info is None or info.generation != entry.generation:
        return True
    if entry.code is None or entry.closed is None or entry.attempts > entry.returns:
        return False
    return now() - entry.closed <= timedelta(seconds=site.settings.incomplete_seconds) + _SWEPT


def _gone(site: Site, entry: File) -> Finding:
    if _is_kept(site, entry):
        sentence = (
            f"{entry.name} was to be judged again and never was; its copy is in quarantine as "
            f"{entry.path}."
        )
        repair = None if site.settings.keep_incoming else Repair.RETURN
        return _finding(entry, Kind.ENTRY_STUCK, sentence, repair)
    return _finding(
        entry, Kind.UPLOAD_LOST,
        f"{entry.name} was never taken to its end, and it is no longer in incoming. "
        "Upload it again from the unit.",
    )  # fmt: skip


def _is_kept(site: Site, entry: File) -> bool:
    """Whether quarantine has this very generation of the file.

    A newer one and one that failed keep the path of an older judgement, but not its code.
    """
    if entry.code not in ADVICE or entry.location != "quarantine" or entry.path is None:
        return False
    kept = site.stat("quarantine", entry.path)
    return kept is not None and kept.size == entry.size


def _failed(site: Site, entry: File, waits: Waits) -> list[Finding]:
    if not waits(entry.name):
        return [_gone(site, entry)]
    if entry.failures < site.settings.failure_limit:
        return []  # the next run tries it again
    sentence = (
        f"{entry.name} failed {entry.failures} times and waits for an operator: {entry.reason}. "
        "Mend the cause, then have it tried again."
    )
    return [_finding(entry, Kind.GIVEN_UP, sentence)]


def _quarantined(site: Site, entry: File, waits: Waits, *, deep: bool) -> list[Finding]:
    found = []
    there = entry.path is not None and entry.location == "quarantine"
    if entry.code not in ADVICE or not entry.reason:
        repair = Repair.RETURN if there and not site.settings.keep_incoming else None
        found.append(
            _finding(
                entry, Kind.QUARANTINE_UNEXPLAINED,
                f"{entry.name} is in quarantine, and nobody wrote down why.",
                Repair.INGEST if waits(entry.name) else repair,
            )
        )  # fmt: skip
    if not there:
        return found  # a pipe, a dangling link: it stays where it is
    assert entry.path is not None
    again = Repair.INGEST if waits(entry.name) else None
    step = "" if again else " Upload the file again from the unit, or restore it from a backup."
    info = site.stat("quarantine", entry.path)
    if info is None:
        sentence = f"{entry.name} was put into quarantine, but it is not there.{step}"
        return [_finding(entry, Kind.QUARANTINE_MISSING, sentence, again, kept=entry.path)]
    checksum = read_back(site, "quarantine", info) if deep else info.crc32c
    if info.size != entry.size or (
        None not in (checksum, entry.crc32c) and checksum != entry.crc32c
    ):
        sentence = (
            f"The bytes of {entry.path} in quarantine are not those that were put there.{step}"
        )
        found.append(_finding(entry, Kind.OBJECT_DAMAGED, sentence, again, kept=entry.path))
    return found


def _finding(
    entry: File, kind: Kind, sentence: str, repair: Repair | None = None, *, kept: str | None = None
) -> Finding:
    """About the entry, or the copy `kept` in quarantine."""
    name = kept or f"files/{document_key(entry.name)}"
    return Finding(
        kind, "quarantine" if kept else "catalog", name, sentence,
        entry.sequence_id, repair, entry.name,
    )  # fmt: skip
