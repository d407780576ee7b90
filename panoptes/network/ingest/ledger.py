"""The ledger: one document an uploaded file that says what became of it.

An attempt is counted before anything decodes the file, and its return is counted when the
attempt ends in any word at all. Where attempts run ahead of returns, a run died with the
file in its hands, and the file is decoded in a child process from then on.
"""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum, auto
from functools import cache

from pydantic import ValidationError

from panoptes.network.catalog.catalog import Fields, modify
from panoptes.network.documents import File, Outcome, Stays
from panoptes.network.errors import BadInput
from panoptes.network.ingest.cases import case_id_of, with_history
from panoptes.network.ingest.lag import NO_RUN, RunTimes
from panoptes.network.ingest.outcome import Derived
from panoptes.network.ingest.reading_back import checksum_of, holds, read_back
from panoptes.network.names import display_name, document_key, unit_of
from panoptes.network.safe_text import safe_log
from panoptes.network.site import Site
from panoptes.network.storage.checksums import crc32c
from panoptes.network.storage.store import Unreadable
from panoptes.network.upload import Source

log = safe_log(__name__)

JUDGEMENT = ("code", "reason", "next_step", "conflicts_with", "announced", "rescue")
"""The fields that say why a file could not be taken, and what was done about it."""
READABLE = "Let the network's user read the file and the folders above it; it is then taken."


class Verdict(Enum):
    """What the ledger says of a file that lies in `incoming`."""

    WORK = auto()
    """Take it on: it is new, or an earlier attempt did not finish."""
    DONE = auto()
    """It is archived or filed, and what was made of it stands."""
    QUARANTINED = auto()
    """This generation is in quarantine."""
    GIVEN_UP = auto()
    """It failed too often for reasons of ours; an operator has to look."""
    GONE = auto()
    """A newer generation has taken its place since it was listed."""


@dataclass(frozen=True)
class Opened:
    """The entry of a file at the moment it was taken up."""

    verdict: Verdict
    entry: File
    guarded: bool = False
    stays: str | None = None
    """Why a file that is done cannot be removed from `incoming`, as far as a look tells."""


@cache
def code_version() -> str:
    return f"panoptes-network {importlib.metadata.version('panoptes-network')}"


def now() -> datetime:
    return datetime.now(UTC)


def read_entry(site: Site, name: str) -> File | None:
    """The ledger's entry of a file, if it has one."""
    stored = site.catalog.get("files", document_key(name))
    return None if stored is None else File.model_validate(stored.fields)


def readable_entry(site: Site, source: Source) -> File | None:
    """The ledger's entry; where it cannot be read, none, and word in the log.

    One bad entry must not hold up every other file of a sweep or a backfill.
    """
    try:
        return read_entry(site, source.name)
    except ValidationError as error:
        log.warning("the ledger's entry of %s cannot be read: %s", source.label, error)
        return None


def open_entry(site: Site, source: Source) -> Opened:
    """Take up a file: count an attempt, unless the ledger already has the answer."""
    opened = Opened(Verdict.WORK, _new_entry(source))

    def change(before: Fields | None) -> Fields | None:
        nonlocal opened
        opened = _take_up(site, source, before)
        if opened.verdict is Verdict.DONE:
            # The same bytes under a new generation are compared once, however often they are met.
            moved = opened.entry.generation != source.generation
            return {"generation": source.generation} if moved else None
        if opened.verdict is not Verdict.WORK:
            return None
        cleared = dict.fromkeys(k for k in before or () if k in File.model_fields)
        return cleared | opened.entry.fields()

    modify(site.catalog, "files", document_key(source.name), change)
    return opened


def _take_up(site: Site, source: Source, before: Fields | None) -> Opened:
    """What is to be done, by the entry there is; one that cannot be read is kept in a new one.

    It may have been the word of runs that died of the file: it is decoded in a child process.
    """
    try:
        return _decide(site, source, File.model_validate(before) if before else None)
    except ValidationError as error:
        log.warning("the ledger's entry of %s is set aside: %s", source.label, error)
        kept = {name: value for name, value in (before or {}).items() if name in File.model_fields}
        fresh = _new_entry(source).model_copy(update={"unreadable": kept})
        return Opened(Verdict.WORK, fresh, guarded=True)


def _decide(site: Site, source: Source, before: File | None) -> Opened:
    if before is None:
        return Opened(Verdict.WORK, _new_entry(source))
    stays = None if site.settings.keep_incoming else site.store("incoming").hindrance(source.name)
    if before.generation != source.generation:
        if not site.has(source):  # a stalled run may have listed it long ago
            return Opened(Verdict.GONE, before)
        if _same_bytes(site, source, before) and outputs_stand(site, before, closely=True):
            return Opened(Verdict.DONE, before, stays=stays)
        fresh = _new_entry(source)
        sent_before = before.taken_bytes if before.taken_on == fresh.taken_on else None
        kept = {
            "arrived": before.arrived if _is_put_back(site, source, before) else source.arrived,
            "taken_bytes": source.size + (sent_before or 0),
            "outputs": before.outputs,
            "location": before.location,
            "path": before.path,
            "duplicate_of": before.duplicate_of,
            "unfinished": before.unfinished or before.outcome is None or None,
            "adopted": before.adopted,
            "case_id": before.case_id,
            "history": with_history(before),
            "removed": before.removed,
            "unreadable": before.unreadable,
        }
        return Opened(Verdict.WORK, fresh.model_copy(update=kept))
    closely = not (site.settings.keep_incoming or stays)
    if before.outcome == "quarantined" and _quarantine_stands(site, before, closely=closely):
        return Opened(Verdict.QUARANTINED, before, stays=stays)
    is_done = before.outcome in ("archived", "filed")
    if is_done and outputs_stand(site, before, closely=closely):
        return Opened(Verdict.DONE, before, stays=stays)
    if before.failures >= site.settings.failure_limit:
        return Opened(Verdict.GIVEN_UP, before)
    again = before.model_copy(
        update={"attempts": before.attempts + 1, "opened": now(), "outcome": None}
    )
    return Opened(Verdict.WORK, again, guarded=before.attempts > before.returns)


def _new_entry(source: Source) -> File:
    upload = source.upload
    return File(
        name=display_name(source.name),
        file_type=upload.file_type.value if upload else None,
        unit_id=upload.sequence.unit_id if upload else unit_of(source.name),
        camera_id=upload.sequence.camera_id if upload else None,
        sequence_id=upload.sequence_id if upload else None,
        image_id=upload.image_id if upload else None,
        generation=source.generation,
        crc32c=source.crc32c,
        size=source.size,
        arrived=source.arrived,
        attempts=1,
        returns=0,
        failures=0,
        code_version=code_version(),
        opened=now(),
        # What was there before nobody sent today.
        taken_on=None if source.adopted else now().date().isoformat(),
        taken_bytes=None if source.adopted else source.size,
        adopted=source.adopted or None,
    )


def _same_bytes(site: Site, source: Source, before: File) -> bool:
    """Whether a newer generation is but the same file once more; not if it cannot be read."""
    if before.outcome not in ("archived", "filed") or before.size != source.size:
        return False
    with suppress(Unreadable):
        return before.crc32c == (source.crc32c or crc32c(site.read(source)))
    return False


def _is_put_back(site: Site, source: Source, before: File) -> bool:
    """Whether a newer generation is the copy that a rescue put back: its unit sent nothing."""
    if before.outcome != "quarantined" or before.rescue is None or before.path is None:
        return False
    kept, put = site.stat("quarantine", before.path), site.stat("incoming", source.name)
    if kept is None or put is None or kept.size != put.size:
        return False
    copied = kept.crc32c or read_back(site, "quarantine", kept)
    return copied == (put.crc32c or read_back(site, "incoming", put))


def outputs_stand(site: Site, entry: File, *, closely: bool) -> bool:
    """Whether everything that was made of the file is still where it was put.

    `closely`: by their very bytes, for an upload that will be removed because of them.
    """
    for output in entry.outputs or ():
        found = site.stat(output.location, output.path)
        if found is None:
            return False
        if output.role == "preview":
            continue  # another file of the image may have made a better one
        if found.generation != output.generation and found.crc32c != output.crc32c:
            return False
        if closely and not holds(site, output, found):
            return False
    return bool(entry.outputs)


def _quarantine_stands(site: Site, entry: File, *, closely: bool) -> bool:
    """Whether quarantine still has the file, and what it conflicted with is still there.

    `closely`: by its very bytes, for an upload that will be removed because of the copy.
    """
    if entry.conflicts_with is not None:
        found = site.stat(entry.conflicts_with.location, entry.conflicts_with.path)
        if found is None or found.generation != entry.conflicts_with.generation:
            return False
    if entry.path is None:
        return True
    found = site.stat("quarantine", entry.path)
    if found is None:
        return False
    written = found.crc32c or entry.crc32c
    return not closely or written in (None, checksum_of(site, "quarantine", found))


def note_that_it_stays(site: Site, source: Source, why: str) -> None:
    """Write down why a file that is done could not be removed from `incoming`."""
    stays = Stays(at=now(), why=why).model_dump()

    def change(fields: Fields | None) -> Fields | None:
        is_ours = fields is not None and fields.get("generation") == source.generation
        return {"stays": stays} if is_ours else None

    modify(site.catalog, "files", document_key(source.name), change)


def count_attempt(site: Site, source: Source) -> int:
    """Count one more attempt at decoding; gives how many have not returned so far."""
    count = 0

    def change(fields: Fields | None) -> Fields | None:
        nonlocal count
        if fields is None or fields.get("generation") != source.generation:
            return None
        count = fields.get("attempts", 0) + 1 - fields.get("returns", 0)
        return {"attempts": fields.get("attempts", 0) + 1}

    modify(site.catalog, "files", document_key(source.name), change)
    return count


def close_entry(
    site: Site,
    source: Source,
    outcome: Outcome,
    derived: Derived,
    *,
    run: RunTimes = NO_RUN,
    verified: datetime | None = None,
) -> File:
    """Write down what was made of a file, by which run, and when all was verified."""
    first = derived.outputs[0]
    made = {
        "outcome": outcome,
        "location": first.location,
        "path": first.path,
        "outputs": [output.model_dump() for output in derived.outputs],
        "duplicate_of": derived.duplicate_of,
        "crc32c": derived.crc32c,
        "failures": 0,
        "unfinished": None,
        "run_made": run.made,
        "run_begun": run.begun,
        "derived": verified,
    }
    return _close(site, source, lambda before: dict.fromkeys(JUDGEMENT) | made)


def close_quarantined(
    site: Site, source: Source, bad: BadInput, path: str | None, checksum: str | None
) -> File:
    """Write down why a file could not be taken, and where it is kept."""
    return _close(
        site,
        source,
        lambda before: {
            "outcome": "quarantined",
            "code": bad.code,
            "reason": bad.reason,
            "next_step": bad.next_step,
            "location": "quarantine",
            "path": path,
            "crc32c": checksum,
            "conflicts_with": bad.conflicts_with,
            "case_id": case_id_of(document_key(source.name)),
            # Another run that comes to the same end has nothing new to tell.
            "announced": before.get("outcome") == "quarantined"
            and before.get("code") == bad.code
            and before.get("announced") is True,
            "rescue": None,
        },
    )


def close_failed(site: Site, source: Source, error: BaseException, *, passing: bool) -> File:
    """Write down that a file could not be taken this time, through no fault of its own.

    Passing trouble does not count towards the limit after which an operator is needed. What
    another run, or this one before the trouble, brought to its end stays as it is.
    """

    unreadable = isinstance(error, Unreadable)
    code = "unreadable" if unreadable else "unexpected-error"

    def outcome(before: Fields) -> Fields | None:
        if before.get("outcome") in ("archived", "filed", "quarantined"):
            return None
        return {
            "outcome": "failed",
            "code": "passing-trouble" if passing else code,
            "reason": str(error) if unreadable else f"{type(error).__name__}: {error}",
            "next_step": READABLE if unreadable else None,
            "failures": before.get("failures", 0) + (0 if passing else 1),
        }

    return _close(site, source, outcome)


def close_unfinished(site: Site, source: Source, bad: BadInput | None = None) -> File:
    """Write down that a file has changed, or looked incomplete, which is no judgement."""
    judged = (
        f"It is judged once it has not changed for {site.settings.incomplete_seconds:g} seconds."
    )
    seen = {
        "outcome": None,
        "code": bad and bad.code,
        "reason": bad and bad.reason,
        "next_step": bad and judged,
    }
    return _close(site, source, lambda before: seen)


def _close(site: Site, source: Source, outcome: Callable[[Fields], Fields | None]) -> File:
    def change(fields: Fields | None) -> Fields | None:
        before = _new_entry(source).fields() if fields is None else fields
        if before["generation"] != source.generation:
            return None  # a newer generation has been taken up meanwhile
        became = outcome(before)
        if became is None:
            return None
        known = {"returns": before.get("attempts", 0)}
        base = before if fields is None else {}
        return base | known | {"closed": now(), "code_version": code_version()} | became

    stored = modify(site.catalog, "files", document_key(source.name), change)
    return File.model_validate(stored)
