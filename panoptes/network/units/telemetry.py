"""What a unit says of itself: weather, power and safety, as its control software writes them.

POCS merges each of its records into the field `metadata` of the document ``units/UNIT``, by the
record's type, and adds it to the collection ``units/UNIT/metadata`` (`pocs network
upload-metadata`). Whatever is not of the kind that is expected says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, Protocol, runtime_checkable

from panoptes.network.catalog.catalog import Catalog, Fields, Stored
from panoptes.network.safe_text import one_line

HISTORY = "metadata"
"""The collection below a unit, and the field of its document."""
STALE = timedelta(hours=1)
"""What was said before that does not tell whether the unit is safe now."""
CLOCKS = timedelta(minutes=10)
"""The unit's clock may be ahead by so much; what is later still is no time that can be."""

_WEATHER = ("cloud", "wind", "rain")
_MOST_WORD = 40


@dataclass(frozen=True)
class Safety:
    """Whether a unit may observe, by its own word. `is_safe` is None where nobody knows."""

    is_safe: bool | None
    reasons: tuple[str, ...]
    """In words, why it is not safe."""
    said: datetime | None
    """When the oldest of what this rests on was said."""


@runtime_checkable
class HasHistory(Protocol):
    """A catalogue in which other software keeps collections below documents."""

    def newest_below(
        self,
        collection: str,
        key: str,
        below: str,
        *,
        order: str,
        limit: int,
        since: datetime | None = None,
        before: datetime | None = None,
    ) -> list[Stored]: ...


class NoHistory(Exception):
    """This catalogue keeps no history of what units said."""


def telemetry_of(fields: Fields) -> dict[str, dict[str, Any]]:
    """The latest record of each type, from a unit's document."""
    written = fields.get(HISTORY)
    if not isinstance(written, Mapping):
        return {}
    return {kind: dict(said) for kind, said in written.items() if isinstance(said, Mapping)}


def last_said(fields: Fields, now: datetime) -> datetime | None:
    """When a unit last told of itself."""
    records = telemetry_of(fields)
    moments = [moment_of(fields.get("last_updated"), now)]
    moments += [said_at(fields, kind, now) for kind in records]
    return max(filter(None, moments), default=None)


def said_at(fields: Fields, kind: str, now: datetime) -> datetime | None:
    """When the record of this type was said: by the receiver's clock, or else the unit's."""
    written = fields.get(HISTORY)
    record = telemetry_of(fields).get(kind, {})
    beside = written.get("received_time") if isinstance(written, Mapping) else None
    said = (record.get("received_time"), record.get("date"), beside)
    return next(filter(None, (moment_of(each, now) for each in said)), None)


def safety_of(fields: Fields, now: datetime) -> Safety:
    """Whether a unit may observe, from its records of the last hour."""
    records, moments = telemetry_of(fields), []
    fresh: dict[str, dict[str, Any]] = {}
    for kind in ("safety", "weather", "power"):
        moment = said_at(fields, kind, now)
        if kind in records and moment is not None and now - moment <= STALE:
            fresh[kind] = records[kind]
            moments.append(moment)
    safety, weather, power = (fresh.get(kind, {}) for kind in ("safety", "weather", "power"))
    reasons = dict.fromkeys(chain(_power(safety, power), _night(safety), _weather(safety, weather)))
    reasons |= dict.fromkeys(_disks(safety))
    says_safe = _flag(weather.get("is_safe")) or any(_flag(each) for each in safety.values())
    is_safe = False if reasons else True if says_safe else None
    return Safety(is_safe, tuple(reasons), min(moments, default=None))


def history(
    catalog: Catalog,
    unit_id: str,
    *,
    limit: int,
    since: datetime | None = None,
    before: datetime | None = None,
) -> list[Fields]:
    """What a unit said, the newest first; received from `since` up to `before`, if given.

    Raises NoHistory where the catalogue has none: units write it to Firestore alone.
    """
    if not isinstance(catalog, HasHistory):
        raise NoHistory(
            "there is no history: units write theirs to Firestore, and this catalogue is a file"
        )
    found = catalog.newest_below(
        "units",
        unit_id,
        HISTORY,
        order="received_time",
        limit=limit,
        since=since,
        before=before,
    )
    return [each.fields for each in found]


def _power(safety: Fields, power: Fields) -> Iterator[str]:
    if _is_false(safety.get("ac_power")) or _is_false(power.get("ac_ok")):
        yield "it has no mains power"
    if _flag(power.get("battery_low")):
        yield "its battery is low"


def _night(safety: Fields) -> Iterator[str]:
    if _is_false(safety.get("is_dark")):
        yield "it is not dark"


def _weather(safety: Fields, weather: Fields) -> Iterator[str]:
    found = []
    for what in _WEATHER:
        if _is_false(weather.get(f"{what}_safe")):
            condition = weather.get(f"{what}_condition")
            shown = one_line(condition, most=_MOST_WORD) if isinstance(condition, str) else ""
            found.append(f"{what}: {shown}" if shown else what)
    is_bad = any(
        map(_is_false, (safety.get("good_weather"), weather.get("is_safe"), weather.get("safe")))
    )
    if found:
        yield f"the weather is not safe ({', '.join(found)})"
    elif is_bad:
        yield "the weather is not safe"


def _disks(safety: Fields) -> Iterator[str]:
    if _is_false(safety.get("free_space_root")):
        yield "its system disk is nearly full"
    if _is_false(safety.get("free_space_images")):
        yield "its disk for images is nearly full"


def _flag(value: object) -> bool | None:
    """Relays and older software write numbers for truth."""
    return bool(value) if isinstance(value, bool | int | float) else None


def _is_false(value: object) -> bool:
    return _flag(value) is False


def moment_of(value: object, now: datetime) -> datetime | None:
    """A time, or one written as text; None for what is none, or lies ahead."""
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            return None
    if not isinstance(value, datetime):
        return None
    try:
        aware = value.replace(tzinfo=UTC) if value.utcoffset() is None else value.astimezone(UTC)
    except OverflowError:
        return None
    return aware if aware <= now + CLOCKS else None
