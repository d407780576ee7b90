"""Where the Sun, the Moon and the planets are, by the ephemeris inside astropy (ERFA).

No file and no network is needed. Positions are astrometric: the direction in which the
body is seen from the centre of the Earth, with light time, without aberration, which is
what one compares with a catalogue of stars. Seen from a unit, the Moon can stand up to a
degree aside.
"""

from __future__ import annotations

from datetime import UTC, datetime

from panoptes.network.lookup.resolved import NoSuchName

BODIES = ("sun", "moon", "mercury", "venus", "mars", "jupiter", "saturn", "uranus", "neptune")
FIRST, LAST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
"""The years for which ERFA vouches for the Earth's place."""


def body_named(text: str) -> str | None:
    """The body of this name, in any case and with or without an article."""
    name = text.casefold().removeprefix("the ").strip()
    return name if name in BODIES else None


def position_of(body: str, moment: datetime) -> tuple[float, float]:
    """Right ascension and declination in degrees (ICRS axes) at a moment in UTC.

    Raises NoSuchName outside of 1900 to 2100.
    """
    if not FIRST <= moment < LAST:
        raise NoSuchName(f"{body}: positions are known for the years 1900 to 2099")
    from astropy import constants
    from astropy.coordinates import (
        SkyCoord,
        get_body_barycentric,
        solar_system_ephemeris,
    )
    from astropy.time import Time

    seen = Time(moment).tdb
    with solar_system_ephemeris.set("builtin"):
        here = get_body_barycentric("earth", seen)
        ray = get_body_barycentric(body, seen) - here
        for _ in range(3):
            left = seen - ray.norm() / constants.c
            ray = get_body_barycentric(body, left) - here
    direction = SkyCoord(ray, frame="icrs").spherical
    return float(direction.lon.deg) % 360.0, float(direction.lat.deg)
