"""A place on the sky in words, and marked on a small map of all of it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache

from markupsafe import Markup


def hours(ra: float) -> str:
    """Degrees as hours, minutes and seconds."""
    seconds = round(ra % 360.0 * 240.0, 1) % 86400
    return f"{int(seconds // 3600):02d}h {int(seconds // 60 % 60):02d}m {seconds % 60:04.1f}s"


def degrees(dec: float) -> str:
    """Degrees as degrees, minutes and seconds."""
    seconds = round(abs(dec) * 3600)
    sign = "−" if dec < 0 else "+"
    return f"{sign}{seconds // 3600:02d}° {seconds // 60 % 60:02d}′ {seconds % 60:02d}″"


@lru_cache(maxsize=1000)
def constellation(ra: float, dec: float) -> str:
    """In which constellation a place lies."""
    from astropy.coordinates import SkyCoord, get_constellation

    return str(get_constellation(SkyCoord(ra, dec, unit="deg")))


def map_of(ra: float, dec: float) -> Markup:
    """The whole sky in Hammer's projection, 12 hours at both ends, east to the left."""
    lines = [_line((x, y) for y in range(-90, 91, 6)) for x in (-120, -60, 0, 60, 120)] + [
        _line((x, y) for x in range(-180, 181, 6)) for y in (-60, -30, 0, 30, 60)
    ]
    x, y = _hammer(ra, dec)
    grid = Markup("").join(
        Markup('<path d="{}" fill="none" stroke="currentColor" stroke-opacity=".3"/>').format(each)
        for each in lines
    )
    said = (
        "A map of the whole sky, with a mark at right ascension "
        f"{hours(ra)}, declination {degrees(dec)}"
    )
    return Markup(
        '<svg class="sky" role="img" viewBox="-186 -96 372 192" width="372" height="192">'
        "<title>{}</title>"
        '<ellipse rx="180" ry="90" fill="none" stroke="currentColor" stroke-opacity=".6"/>{}'
        '<circle class="mark" cx="{:.1f}" cy="{:.1f}" r="5" fill="none" stroke="currentColor" '
        'stroke-width="2.5"/></svg>'
    ).format(said, grid, x, y)


def _line(places: Iterable[tuple[float, float]]) -> str:
    points = (_hammer(x, y) for x, y in places)
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)


def _hammer(ra: float, dec: float) -> tuple[float, float]:
    """Right ascension 0 in the middle, increasing to the left; both ends are 180 degrees."""
    east = ra if abs(ra) <= 180 else ra - 360
    a, b = math.radians(east) / 2, math.radians(dec)
    z = math.sqrt(1 + math.cos(b) * math.cos(a))
    return -180 * math.cos(b) * math.sin(a) / z, -90 * math.sin(b) / z
