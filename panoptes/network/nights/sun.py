"""Where the Sun stands, and when it is how dark: without a library, to a hundredth of a degree."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from panoptes.network.documents import GeoPoint
from panoptes.network.nights.unit_night import Span

HORIZON = -0.833
"""Degrees: the upper limb on the horizon, with 34' of refraction and a radius of 16'."""
NAUTICAL = -12.0
ASTRONOMICAL = -18.0

_J2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)
_STEP = timedelta(minutes=10)
_CLOSE = timedelta(seconds=1)


def sun_altitude(moment: datetime, place: GeoPoint) -> float:
    """Degrees above the horizon, of the Sun's centre, without refraction.

    The low-precision formulas of the Astronomical Almanac (page C5, "Low precision formulas for
    the Sun"), good to 0.01 degrees from 1950 to 2050, and mean sidereal time of the USNO
    (https://aa.usno.navy.mil/faq/sun_approx, https://aa.usno.navy.mil/faq/GAST). UTC stands in
    for both UT1 and TT: the Sun moves by 0.001 degrees in the minute between them.
    """
    days = (moment - _J2000).total_seconds() / 86400.0
    mean_longitude = 280.460 + 0.9856474 * days
    anomaly = math.radians(357.528 + 0.9856003 * days)
    longitude = math.radians(
        mean_longitude + 1.915 * math.sin(anomaly) + 0.020 * math.sin(2.0 * anomaly)
    )
    obliquity = math.radians(23.439 - 0.0000004 * days)
    ra = math.atan2(math.cos(obliquity) * math.sin(longitude), math.cos(longitude))
    dec = math.asin(math.sin(obliquity) * math.sin(longitude))
    sidereal = math.radians(280.46062 + 360.98564737 * days + place.longitude)
    latitude = math.radians(place.latitude)
    height = math.sin(latitude) * math.sin(dec)
    height += math.cos(latitude) * math.cos(dec) * math.cos(sidereal - ra)
    return math.degrees(math.asin(max(-1.0, min(1.0, height))))


@lru_cache(maxsize=4096)
def below(altitude: float, place: GeoPoint, start: datetime, end: datetime) -> Span | None:
    """While the Sun is lower than `altitude` (degrees) from `start` to `end`, to the second.

    For the span from one local noon to the next, in which it sinks and rises once. Where it is
    lower all the time, the whole span; None where it never is.
    """
    steps = math.ceil((end - start) / _STEP)
    moments = [min(start + i * _STEP, end) for i in range(steps + 1)]
    low = [sun_altitude(moment, place) < altitude for moment in moments]
    if not any(low):
        return None
    first = low.index(True)
    last = len(low) - 1 - low[::-1].index(True)
    sets = start if first == 0 else _crossing(altitude, place, moments[first - 1], moments[first])
    rises = (
        end
        if last == len(low) - 1
        else _crossing(altitude, place, moments[last], moments[last + 1])
    )
    return Span(sets, rises)


def _crossing(altitude: float, place: GeoPoint, low: datetime, high: datetime) -> datetime:
    """When the Sun passes this altitude between two moments, on whose sides it differs."""
    is_low = sun_altitude(low, place) < altitude
    while high - low > _CLOSE:
        middle = low + (high - low) / 2
        if (sun_altitude(middle, place) < altitude) == is_low:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)
