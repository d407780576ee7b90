"""Cases: files that could not be taken, as operators see them, and how they were judged before."""

from __future__ import annotations

import hashlib
import uuid
from datetime import datetime
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from panoptes.network.documents import Case, File, Rescue, night_of
from panoptes.network.names import parse_time

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


def _moment(entry: File) -> datetime:
    """When the file was taken, as far as its name says; else when it arrived."""
    try:
        return parse_time((entry.sequence_id or "").rpartition("_")[2])
    except ValueError:  # none, or one that was taken before such times were refused
        return entry.arrived
