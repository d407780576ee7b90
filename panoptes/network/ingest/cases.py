"""Cases: files in quarantine and files given up, and how each was judged before."""

from __future__ import annotations

import hashlib
import re
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from panoptes.network.addresses import place_of
from panoptes.network.catalog.catalog import Query, Stored
from panoptes.network.documents import Case, File, Rescue
from panoptes.network.errors import ADVICE, BadInput
from panoptes.network.names import document_key, parse_time, parse_upload
from panoptes.network.nighttime import night_of
from panoptes.network.safe_text import safe_log
from panoptes.network.site import Site

log = safe_log(__name__)

CODES = (*ADVICE, "unexpected-error", "unreadable", "passing-trouble")
"""What a case can be: refused, or given up through no fault of the file."""
QUARANTINED = "panoptes.file.quarantined"
"""The event with which a run tells Prefect of a case."""
MOST_HISTORY = 50
"""Judgements that a document keeps; older ones are dropped."""
_EVENTS = uuid.UUID("6a0b5b0c-3f5e-4d0a-9e53-5b1c8a2f7d11")

Kind = Literal["quarantined", "given-up", "closed"]


def case_id_of(key: str) -> str:
    """The id of the case of a file, by the key of its ledger entry: ``Q`` and 12 hex digits.

    Earlier ids were the first 8 of these digits.
    """
    return "Q" + hashlib.sha256(key.encode()).hexdigest()[:12]


def event_id(key: str, entry: File) -> uuid.UUID:
    """The id of the event about a case as it was judged now; the same however often it is sent."""
    judged = f"{key}|{entry.generation}|{len(entry.history or ())}"
    return uuid.uuid5(_EVENTS, judged)


def with_history(entry: File, rescued: Rescue | None = None) -> list[Case] | None:
    """The history of a file with the entry's own judgement, if it was a case; None if empty."""
    history = list(entry.history or ())
    if entry.outcome in ("quarantined", "failed") and (entry.outcome == "quarantined" or rescued):
        history.append(
            Case(
                outcome=entry.outcome,
                code=entry.code,
                reason=entry.reason,
                generation=entry.generation,
                size=entry.size,
                crc32c=entry.crc32c,
                path=entry.path if entry.outcome == "quarantined" else None,
                arrived=entry.arrived,
                closed=entry.closed,
                rescued=rescued or entry.rescue,
            )
        )
    return history[-MOST_HISTORY:] or None


class CaseReport(BaseModel):
    """One case, as it is listed and shown."""

    model_config = ConfigDict(frozen=True)
    id: str
    file: str
    kind: Kind = Field(
        description="given-up: it failed too often through no fault of its own; closed: it is "
        "no case any more"
    )
    code: str | None = None
    sentence: str = Field(description="for volunteers: what is wrong")
    next_step: str = Field(description="what to do next; empty if nothing")
    unit_id: str | None = None
    sequence_id: str | None = None
    night: str = Field(description="YYYY-MM-DD, of the observation or else of the arrival")
    size: int = Field(description="bytes")
    arrived: AwareDatetime
    closed: AwareDatetime | None = None
    kept_as: str | None = Field(None, description="the copy in the quarantine location")
    rescue: Rescue | None = Field(None, description="put back, and not judged again yet")
    history: list[Case] = Field(default_factory=list)

    @property
    def is_misnamed(self) -> bool:
        """Whether its name alone is refused, and would be again: only another name helps."""
        if self.kind != "quarantined" or self.code not in ("unroutable-name", "unknown-suffix"):
            return False
        try:
            parse_upload(self.file)
        except BadInput:
            return True
        return False


GIVEN_UP = (
    "The network failed at this file {failures} times, through no fault of the file: {reason}"
)
GIVEN_UP_STEP = (
    "Mend what the reason says, then run `panoptes-network quarantine rescue {case_id}`."
)


def report_case(key: str, entry: File, *, longitude: float | None = None) -> CaseReport:
    """What there is to say of a case. `longitude` is the unit's: degrees, east positive."""
    case_id = entry.case_id or case_id_of(key)
    kind: Kind = "quarantined"
    sentence, step = entry.reason or "", entry.next_step or ""
    if entry.outcome == "failed":
        kind = "given-up"
        sentence = GIVEN_UP.format(failures=entry.failures, reason=entry.reason)
        step = GIVEN_UP_STEP.format(case_id=case_id)
    elif entry.outcome != "quarantined":
        kind = "closed"
        sentence = f"It is {entry.outcome or 'being worked on'}."
        step = ""
    return CaseReport(
        id=case_id,
        file=entry.name,
        kind=kind,
        code=entry.code,
        sentence=sentence,
        next_step=step,
        unit_id=entry.unit_id,
        sequence_id=entry.sequence_id,
        night=night_of(_moment(entry), longitude),
        size=entry.size,
        arrived=entry.arrived,
        closed=entry.closed,
        kept_as=entry.path if entry.outcome == "quarantined" else None,
        rescue=entry.rescue,
        history=list(entry.history or ()),
    )


def kept_at(site: Site, report: CaseReport) -> str | None:
    """Where the copy in quarantine lies: a path of the network's machine, or ``gs://``."""
    if report.kept_as is None:
        return None
    return f"{place_of(site.settings.quarantine)}/{report.kept_as}"


def _moment(entry: File) -> datetime:
    """When the file was taken, as far as its name says; else when it arrived."""
    try:
        return parse_time((entry.sequence_id or "").rpartition("_")[2])
    except ValueError:  # none, or one that was taken before such times were refused
        return entry.arrived


class NoSuchCase(LookupError):
    """Nothing that waits goes by this id or name; the message says so."""


@dataclass(frozen=True)
class Found:
    """A case with the ledger entry that it is about."""

    key: str
    entry: File
    report: CaseReport


def cases(
    site: Site,
    *,
    unit: str | None = None,
    night: str | None = None,
    code: str | None = None,
) -> Iterator[Found]:
    """The cases that wait, of a unit, a night (``YYYY-MM-DD``) or a code.

    An entry of the ledger that cannot be read is told of in the log and left out.

    A file whose name says no observation belongs to no unit, and to the night in which it
    arrived. Costs by the cases that the catalog finds by unit and code.
    """
    longitude = cache(site.longitude)
    for outcome in ("quarantined", "failed"):
        asked = {"outcome": outcome, "unit_id": unit, "code": code}
        query = Query("files", where=[(n, "==", v) for n, v in asked.items() if v is not None])
        for stored in site.catalog.query(query):
            found = _found(site, stored, longitude)
            if found is not None and night in (None, found.report.night):
                yield found


def find_case(site: Site, wanted: str) -> Found:
    """The case of this id, or of the file of this name.

    Raises NoSuchCase, also for an id that more than one file has: it names them.

    A file that is no longer a case is found as well, as long as it has a history.
    """
    longitude = cache(site.longitude)
    by_name = site.catalog.get("files", document_key(wanted)) if wanted else None
    if by_name is not None and (named := _found(site, by_name, longitude, any_outcome=True)):
        return named
    answers = site.catalog.query(_by_id(wanted))
    found = [_found(site, stored, longitude, any_outcome=True) for stored in answers]
    matches = [each for each in found if each is not None]
    if not matches:  # judged before cases had ids, or a name that is no clean text
        matches = [
            each
            for each in cases(site)
            if wanted == each.entry.name or _is_id(wanted, each.report.id)
        ]
    if len(matches) > 1:
        names = ", ".join(sorted(each.entry.name for each in matches))
        raise NoSuchCase(f"{wanted!r} is the case of more than one file; name the file: {names}")
    if not matches:
        raise NoSuchCase(
            f"there is no case {wanted!r}: `panoptes-network quarantine list` shows all"
        )
    return matches[0]


_SHORT = re.compile(r"Q[0-9a-f]{8}", re.ASCII)
"""An id as it was given out when ids were shorter."""


def _is_id(wanted: str, case_id: str) -> bool:
    return wanted == case_id or bool(_SHORT.fullmatch(wanted) and case_id.startswith(wanted))


def _by_id(wanted: str) -> Query:
    if _SHORT.fullmatch(wanted):
        return Query("files", where=[("case_id", ">=", wanted), ("case_id", "<", f"{wanted}~")])
    return Query("files", where=[("case_id", "==", wanted)])


def _found(
    site: Site,
    stored: Stored,
    longitude: Callable[[str], float | None],
    *,
    any_outcome: bool = False,
) -> Found | None:
    try:
        entry = File.model_validate(stored.fields)
    except ValidationError as error:
        log.warning("the ledger's entry %s cannot be read: %s", stored.key, error)
        return None
    given_up = entry.outcome == "failed" and entry.failures >= site.settings.failure_limit
    is_case = entry.outcome == "quarantined" or given_up
    if not is_case and not (any_outcome and entry.history):
        return None
    east = None if entry.unit_id is None else longitude(entry.unit_id)
    return Found(stored.key, entry, report_case(stored.key, entry, longitude=east))
