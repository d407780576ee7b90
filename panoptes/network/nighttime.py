"""Which night a moment belongs to: by the local noons of a place."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta


def night_of(moment: datetime, longitude: float | None) -> str:
    """The date of the local noon that began the night of `moment`, as ``YYYY-MM-DD``.

    `longitude` in degrees, east positive; local mean solar time is UTC plus
    longitude / 15 hours. Where it is not known, Greenwich stands in. At the ends of the
    calendar, where that noon is none of its days, it is the date of `moment`.
    """
    try:
        noon_to_noon = moment + timedelta(hours=east_of(longitude or 0.0) / 15.0 - 12.0)
    except OverflowError:
        noon_to_noon = moment
    night: date = noon_to_noon.date()
    return night.isoformat()


def night_bounds(night: date, longitude: float | None) -> tuple[datetime, datetime]:
    """The local noons (mean solar time) that bound a night, UTC, to the second above.

    `longitude` in degrees, east positive; see `night_of`.
    """
    hours = east_of(longitude or 0.0) / 15.0
    noon = datetime(night.year, night.month, night.day, 12, tzinfo=UTC) - timedelta(hours=hours)
    if noon.microsecond:
        noon = noon.replace(microsecond=0) + timedelta(seconds=1)
    return noon, noon + timedelta(days=1)


def east_of(longitude: float) -> float:
    """The same longitude as it is kept: above -180 and up to 180 degrees, east positive."""
    return longitude if -180 < longitude <= 180 else 180.0 - (180.0 - longitude) % 360.0
