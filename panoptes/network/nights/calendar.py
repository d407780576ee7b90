"""Which nights there are: rows for a calendar."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import groupby
from operator import attrgetter

from panoptes.network.audit.scope import Scope, read_night
from panoptes.network.catalog.catalog import Condition, Query, Stored
from panoptes.network.catalog.values import number, text
from panoptes.network.nighttime import night_of
from panoptes.network.site import Site

_BATCH = 500
_READ = ("night", "num_images", "time", "total_exptime", "unit_id")


@dataclass(frozen=True)
class NightRow:
    """What a unit's night brought, from its observations."""

    night: str
    """YYYY-MM-DD"""
    unit_id: str
    observations: int
    images: int
    """Lights in the catalogue."""
    exptime: float
    """Seconds that these were exposed for, in all."""


def nights_of(
    site: Site, unit_id: str | None = None, *, limit: int = 60, before: str | None = None
) -> list[NightRow]:
    """The nights with observations, the newest first and within one by unit.

    Of all units, or of one. At most `limit` rows, but always whole nights: the last one of a
    page may exceed it, so that a page goes on with ``before=rows[-1].night``. Raises ValueError,
    with a sentence, for what is no night or no unit's id.
    """
    scope = Scope.of(before, unit_id)
    found: dict[tuple[str, str], NightRow] = {}
    day = ""
    for stored in _newest_first(site, scope):
        row = _row(stored)
        if row is None or (scope.night and row.night >= scope.night.isoformat()):
            continue
        before_day, day = day, stored.fields["time"].date().isoformat()
        # Nowhere on Earth does a night begin before 0 hours UTC of its date.
        if day != before_day and sum(night > day for night, _ in found) >= limit:
            break
        key = row.night, row.unit_id
        seen = found.get(key)
        found[key] = row if seen is None else _sum(seen, row)
    ordered = sorted(found.values(), key=attrgetter("unit_id"))
    ordered.sort(key=attrgetter("night"), reverse=True)
    page: list[NightRow] = []
    for _, rows in groupby(ordered, key=attrgetter("night")):
        if len(page) >= limit:
            break
        page += rows
    return page


def _newest_first(site: Site, scope: Scope) -> Iterator[Stored]:
    where: list[Condition] = [] if scope.unit is None else [("unit_id", "==", scope.unit)]
    if scope.night is not None and scope.night < date.max:
        # Nowhere on Earth does the night before end later.
        where.append(("time", "<", _midnight(scope.night) + timedelta(days=1)))
    query = Query("observations", where, [("time", "desc")], limit=_BATCH, only=_READ)
    while True:
        batch = list(site.catalog.query(query))
        yield from batch
        if len(batch) < _BATCH:
            return
        query = replace(query, start_after=batch[-1])


def _row(stored: Stored) -> NightRow | None:
    fields = stored.fields
    unit_id, night = text(fields, "unit_id"), text(fields, "night")
    if unit_id is None:
        return None
    try:
        night = read_night(night or "").isoformat()
    except ValueError:
        night = night_of(fields["time"], None)
    return NightRow(
        night,
        unit_id,
        observations=1,
        images=int(number(fields, "num_images") or 0),
        exptime=number(fields, "total_exptime") or 0.0,
    )


def _sum(one: NightRow, other: NightRow) -> NightRow:
    return replace(
        one,
        observations=one.observations + other.observations,
        images=one.images + other.images,
        exptime=one.exptime + other.exptime,
    )


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
