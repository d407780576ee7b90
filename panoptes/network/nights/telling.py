"""What a unit said of itself while it was dark: why it could not observe, and the clouds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from panoptes.network.catalog.catalog import Catalog, Fields
from panoptes.network.nights.unit_night import Said, Span
from panoptes.network.safe_text import one_line
from panoptes.network.units.telemetry import (
    HISTORY,
    NoHistory,
    history,
    moment_of,
    safety_of,
    said_at,
    telemetry_of,
)

MOST_RECORDS = 1000
"""Of one night, the newest: a unit that says something every minute says less in the dark."""
_MOST_WORD = 40


@dataclass(frozen=True)
class Telling:
    """A unit's word about a span of time."""

    said: tuple[Said, ...]
    """Why it was not safe, in the order in which it was said first."""
    cloud: str | None
    records: int
    """How many there are; 0: it said nothing, or nobody kept it."""
    is_kept: bool
    """Whether the catalogue keeps what units said before their last word."""


@dataclass(frozen=True)
class _Record:
    moment: datetime
    kind: str
    fields: Fields


def telling(catalog: Catalog, unit_id: str, unit: Fields, span: Span, *, now: datetime) -> Telling:
    """What a unit said in `span`: by its history, or else by its last word in its document."""
    try:
        records, is_kept = list(_kept(catalog, unit_id, span, now)), True
    except NoHistory:
        records, is_kept = list(_last(unit, span, now)), False
    records.sort(key=lambda record: record.moment)
    return Telling(_reasons(records), _cloud(records), len(records), is_kept)


def _kept(catalog: Catalog, unit_id: str, span: Span, now: datetime) -> Iterator[_Record]:
    found = history(catalog, unit_id, limit=MOST_RECORDS, since=span.start, before=span.end)
    for fields in found:
        moment = moment_of(fields.get("received_time"), now)
        kind = fields.get("record_type")
        if moment is not None and isinstance(kind, str):
            yield _Record(moment, kind, fields)


def _last(unit: Fields, span: Span, now: datetime) -> Iterator[_Record]:
    for kind, fields in telemetry_of(unit).items():
        moment = said_at(unit, kind, now)
        if moment is not None and span.start <= moment < span.end:
            yield _Record(moment, kind, {**fields, "received_time": moment})


def _reasons(records: list[_Record]) -> tuple[Said, ...]:
    """What each record made of the unit's safety, with those that were still in force."""
    latest: dict[str, Any] = {}
    found: dict[str, Said] = {}
    for record in records:
        latest[record.kind] = record.fields
        for reason in safety_of({HISTORY: latest}, record.moment).reasons:
            before = found.get(reason) or Said(reason, record.moment, record.moment, 0)
            found[reason] = Said(reason, before.first, record.moment, before.times + 1)
    return tuple(found.values())


def _cloud(records: list[_Record]) -> str | None:
    words = [
        one_line(word.strip().lower(), most=_MOST_WORD)
        for record in records
        if record.kind == "weather"
        and isinstance(word := record.fields.get("cloud_condition"), str)
        and word.strip()
    ]
    if not words:
        return None
    counted = Counter(words).most_common()
    if len(counted) == 1:
        return counted[0][0]
    return ", ".join(f"{word} ({100 * times / len(words):.0f} %)" for word, times in counted[:4])
