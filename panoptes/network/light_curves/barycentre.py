"""Times as the solar system's centre of mass has them: BJD_TDB.

The light of a star reaches the Earth up to 8.3 minutes before or after it reaches the
barycentre, and TDB runs 69 s ahead of UTC (Eastman, Siverd and Gaudi 2010, PASP 122, 935).
The Earth's place is ERFA's own series (``epv00``), which is within some kilometres and needs no
file: nothing is ever fetched. UT1 is taken to be UTC and the pole not to move, which is less
than a millisecond here.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

LIGHT_DAYS_PER_AU = 499.004783836 / 86400.0
METRES_PER_AU = 149_597_870_700.0
J2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)
"""JD 2451545."""
WGS84 = 1
"""ERFA's number of the reference ellipsoid."""


class Place(NamedTuple):
    """A place on Earth: degrees, east positive, and metres above the ellipsoid."""

    latitude: float
    longitude: float
    elevation: float = 0.0


def bjd_tdb(
    times: Sequence[datetime], ra: ArrayLike, dec: ArrayLike, place: Place | None = None
) -> NDArray[np.float64]:
    """BJD_TDB of moments, as each star's light has them: (frames, stars), in days.

    `times` are UTC, the middles of exposures; `ra` and `dec` degrees ICRS, (stars,). Without a
    place the centre of the Earth is taken, which is at most 21 ms off. Raises ValueError for a
    time without a zone.
    """
    import numpy as np

    whole, part, towards = _tdb_and_earth(times, place)
    right, up = np.radians(np.atleast_1d(ra)), np.radians(np.atleast_1d(dec))
    star = np.stack([np.cos(up) * np.cos(right), np.cos(up) * np.sin(right), np.sin(up)])
    # The small part first: a double holds a Julian date to 40 microseconds.
    later = part[:, None] + (towards @ star) * LIGHT_DAYS_PER_AU
    return np.asarray(whole[:, None] + later, dtype=np.float64)


def _tdb_and_earth(
    times: Sequence[datetime], place: Place | None
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """TDB as two-part Julian date, each (frames,), and the observer from the barycentre in au."""
    import erfa
    import numpy as np

    if any(each.tzinfo is None for each in times):
        raise ValueError("a time without a zone: give moments in UTC")
    days = [each.astimezone(UTC) for each in times]
    with warnings.catch_warnings():
        # Of years beyond the table of leap seconds that ERFA knows.
        warnings.simplefilter("ignore", erfa.ErfaWarning)
        utc1, utc2 = erfa.dtf2d(
            "UTC",
            *([getattr(each, name) for each in days] for name in ("year", "month", "day")),
            *([getattr(each, name) for each in days] for name in ("hour", "minute")),
            [each.second + each.microsecond * 1e-6 for each in days],
        )
        tai1, tai2 = erfa.utctai(utc1, utc2)
    tt1, tt2 = erfa.taitt(tai1, tai2)
    longitude = 0.0 if place is None else math.radians(place.longitude)
    tdb1, tdb2 = erfa.tttdb(tt1, tt2, erfa.dtdb(tt1, tt2, utc2 % 1.0, longitude, 0.0, 0.0))
    _, earth = erfa.epv00(tdb1, tdb2)
    towards = np.array(earth["p"], dtype=np.float64)
    if place is not None:
        here = erfa.gd2gc(WGS84, longitude, math.radians(place.latitude), place.elevation)
        turned = erfa.era00(utc1, utc2) + math.atan2(here[1], here[0])
        across = math.hypot(here[0], here[1])
        where = [across * np.cos(turned), across * np.sin(turned), np.full(len(times), here[2])]
        towards += np.stack(where, axis=-1) / METRES_PER_AU
    return np.asarray(tdb1), np.asarray(tdb2), towards


def julian_dates(bjd: NDArray[np.float64], ra: float, dec: float) -> NDArray[np.float64]:
    """JD (UTC) at the centre of the Earth, of BJD_TDB of a star's light: days.

    What the AAVSO takes as JD; `ra` and `dec` are degrees ICRS. Within 25 ms of the telescope's
    own clock. What is no time stays NaN.
    """
    import erfa
    import numpy as np

    known = (bjd > 2_400_000) & (bjd < 2_500_000)
    days = np.where(known, bjd, 2_451_545.0)
    whole = np.floor(days)
    right, up = math.radians(ra), math.radians(dec)
    star = np.array([math.cos(up) * math.cos(right), math.cos(up) * math.sin(right), math.sin(up)])
    part = days - whole
    for _ in range(2):  # the Earth moves by 15 km while light crosses its orbit: 50 us
        _, earth = erfa.epv00(whole, part)
        part = days - whole - (np.asarray(earth["p"]) @ star) * LIGHT_DAYS_PER_AU
    # Of the year, 1.7 ms: TDB for TT.
    utc1, utc2 = erfa.taiutc(*erfa.tttai(whole, part))
    return np.where(known, utc1 + utc2, np.nan)


def moment_of(bjd: float, ra: float, dec: float) -> datetime | None:
    """When a star's light of this BJD_TDB came to the Earth, UTC; None for what is no time."""
    import numpy as np

    days = float(julian_dates(np.array([bjd]), ra, dec)[0])
    return None if math.isnan(days) else J2000 + timedelta(days=days - 2_451_545.0)
