"""A calendar of nights, a night of all units, and one unit's night with its plots."""

from __future__ import annotations

from calendar import Calendar, month_name
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import groupby

from markupsafe import Markup

from deployments.services.night_routes import checked_night
from deployments.services.pages.drawn import Drawn
from panoptes.network.catalog.catalog import Condition, Query, Stored
from panoptes.network.nights import NightRow, UnitNight, nights_of, unit_ids, unit_night
from panoptes.network.nights.words import summary
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound

ROWS_AT_ONCE = 400
"""Of a calendar: units times nights."""
MOST_REPORTS = 20
"""Units whose night is reported on one page; of more only what they observed."""
_LOOKED_AT = 500
"""Observations: more than a network makes in a night."""
_TITLES = ("Exposures", "Airmass and Moon", "From arrival to the catalogue")


@dataclass(frozen=True)
class Day:
    """A day of a calendar. `night` is None where nothing was observed."""

    day: date
    in_month: bool
    night: str | None
    images: int
    units: int


@dataclass(frozen=True)
class Month:
    """A month of a calendar, week by week from Monday."""

    name: str
    weeks: tuple[tuple[Day, ...], ...]
    nights: int
    images: int


@dataclass(frozen=True)
class NightsPage:
    """Some months, the newest first."""

    months: tuple[Month, ...]
    following: str | None
    """Go on before this night."""


@dataclass(frozen=True)
class UnitRow:
    """A unit in a night's table."""

    unit_id: str
    summary: str
    row: NightRow
    report: UnitNight | None
    image: Stored | None
    """The last one."""


@dataclass(frozen=True)
class NightPage:
    """A night of all units."""

    night: str
    rows: tuple[UnitRow, ...]
    before: str | None
    after: str | None


def nights_page(site: Site, unit_id: str | None, before: str | None) -> NightsPage:
    """The calendar. Raises ValueError for what is no night or no unit's id."""
    rows = nights_of(site, unit_id, limit=ROWS_AT_ONCE, before=before)
    months = groupby(rows, key=lambda row: row.night[:7])
    following = rows[-1].night if len(rows) >= ROWS_AT_ONCE else None
    return NightsPage(tuple(_month(name, each) for name, each in months), following)


def _month(name: str, rows: Iterable[NightRow]) -> Month:
    year, month = (int(part) for part in name.split("-"))
    nights: dict[str, tuple[int, int]] = {}
    for row in rows:
        images, units = nights.get(row.night, (0, 0))
        nights[row.night] = images + row.images, units + 1

    def day(each: date) -> Day:
        images, units = nights.get(each.isoformat(), (0, 0))
        night = each.isoformat() if units and each.month == month else None
        return Day(each, each.month == month, night, images, units)

    weeks = Calendar().monthdatescalendar(year, month)
    return Month(
        name=f"{month_name[month]} {year}",
        weeks=tuple(tuple(map(day, week)) for week in weeks),
        nights=len(nights),
        images=sum(images for images, _ in nights.values()),
    )


def night_page(site: Site, night: str) -> NightPage:
    """Raises NotFound for what is no night."""
    night = checked_night(night)
    after = (date.fromisoformat(night) + timedelta(days=1)).isoformat()
    before, following = neighbours(site, night)
    rows = {each.unit_id: each for each in _of_night(site, night, after)}
    units = dict.fromkeys([*rows, *unit_ids(site)])
    return NightPage(
        night=night,
        rows=tuple(
            _unit_row(site, unit_id, night, rows.get(unit_id), report=number < MOST_REPORTS)
            for number, unit_id in enumerate(units)
        ),
        before=before,
        after=following,
    )


def neighbours(site: Site, night: str, unit_id: str | None = None) -> tuple[str | None, str | None]:
    """The nights before and after one in which something was observed, by this unit or any."""
    earlier = nights_of(site, unit_id, limit=1, before=night)
    # Nowhere on Earth does a night begin before 0 hours UTC of its date.
    day = date.fromisoformat(night) + timedelta(days=1)
    where: list[Condition] = [("time", ">=", datetime(day.year, day.month, day.day, tzinfo=UTC))]
    if unit_id is not None:
        where.append(("unit_id", "==", unit_id))
    query = Query("observations", where, [("time", "asc")], limit=_LOOKED_AT)
    nights = (each.fields.get("night") for each in site.catalog.query(query))
    later = next((each for each in nights if isinstance(each, str) and each > night), None)
    return earlier[0].night if earlier else None, later


def _of_night(site: Site, night: str, after: str) -> list[NightRow]:
    return [each for each in nights_of(site, limit=1, before=after) if each.night == night]


def _unit_row(
    site: Site, unit_id: str, night: str, row: NightRow | None, *, report: bool
) -> UnitRow:
    found = row or NightRow(night, unit_id, observations=0, images=0, exptime=0.0)
    if report:
        try:
            reported = unit_night(site, unit_id, night)
        except (NotFound, ValueError):
            pass  # a document that another program called so
        else:
            last = reported.exposures[-1:]
            image = site.catalog.get("images", last[0].image_id) if last else None
            return UnitRow(unit_id, summary(reported), found, reported, image)
    said = f"{found.images} images" if row else "nothing observed"
    return UnitRow(unit_id, said, found, None, None)


class Plots:
    """A night's plots, drawn once for as long as the night says the same."""

    def __init__(self) -> None:
        self._drawn: Drawn[tuple[str, str], UnitNight] = Drawn()

    def of(self, night: UnitNight) -> list[tuple[str, Markup]]:
        """Titles, and SVG to put into a page."""
        from panoptes.network.nights.plots import lag_plot, sky_plot, timeline

        def draw() -> list[Markup]:
            # They escape what they are given.
            return [Markup(each(night)) for each in (timeline, sky_plot, lag_plot)]

        drawn = self._drawn.of((night.unit_id, night.night), night, draw)
        return [(title, plot) for title, plot in zip(_TITLES, drawn, strict=True) if plot]
