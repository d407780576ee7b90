"""The whole sky on a Mollweide projection: equal areas, north up, east to the left.

Right ascension 0 is in the middle. Lengths are in units of which the map is `WIDTH` wide.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from panoptes.network.sky.counts import SkyCounts

WIDTH, HEIGHT = 1000.0, 500.0
SHADES = 6
"""How often: the shade of a cell is the logarithm of its count."""

_OBLIQUITY = 23.4392911
"""Of the ecliptic, J2000, degrees (IAU 1976)."""
_POLE_RA, _POLE_DEC, _POLE_L = 192.85948, 27.12825, 122.93192
"""The north Galactic pole, ICRS, and the Galactic longitude of the celestial pole, degrees
(the Hipparcos Catalogue, volume 1, section 1.5.3)."""


@dataclass(frozen=True)
class Cell:
    """One cell as it is drawn: its outline, as the ``d`` of an SVG path, and what it says."""

    outline: str
    ra: float
    dec: float
    """Of its centre, degrees."""
    count: int
    shade: int
    """1 to `SHADES`."""


@dataclass(frozen=True)
class Band:
    """A row of the table beside the map: a band of declination, by hours of right ascension."""

    south: int
    north: int
    counts: tuple[int, ...]
    """Twelve, of two hours each, from 0 h on."""


def project(ra: float, dec: float, *, middle: float = 0.0) -> tuple[float, float]:
    """Where a place is drawn: from the left and from the top.

    `middle` is that part of the sky of which `ra` is taken to be within 180 degrees, so that a
    cell on the seam stays whole: it is drawn beyond the edge, which clips it.
    """
    east = (ra - middle + 180.0) % 360.0 - 180.0 + middle
    latitude = math.radians(dec)
    angle = latitude
    if abs(dec) < 89.99:
        for _ in range(50):  # Newton's, https://mathworld.wolfram.com/MollweideProjection.html
            step = (2 * angle + math.sin(2 * angle) - math.pi * math.sin(latitude)) / (
                2 + 2 * math.cos(2 * angle)
            )
            angle -= step
            if abs(step) < 1e-7:
                break
    x = WIDTH / 2 - WIDTH / 2 * east / 180.0 * math.cos(angle)
    return x, HEIGHT / 2 - HEIGHT / 2 * math.sin(angle)


def cells_drawn(counts: SkyCounts) -> list[Cell]:
    """Each cell that holds something; one on the seam is drawn at both edges as one outline."""
    import hpgeom

    most = max(counts.cells.values(), default=1)
    drawn = []
    for cell, (ra, dec) in counts.centres().items():
        ras, decs = hpgeom.boundaries(counts.nside, cell, step=1, nest=True)
        corners = [(float(a), float(b)) for a, b in zip(ras, decs, strict=True)]
        middle = _signed(ra)
        # East of a pole there is no one direction: its own right ascension is its neighbours'.
        corners = [(ra if abs(b) > 89.9 else a, b) for a, b in corners]
        outline = _outline([project(*corner, middle=middle) for corner in corners])
        reach = max(abs(_signed(a - middle)) for a, _ in corners)
        if abs(middle) + reach > 180.0:
            other = middle - math.copysign(360.0, middle)
            outline += _outline([project(*corner, middle=other) for corner in corners])
        count = counts.cells[cell]
        drawn.append(Cell(outline, ra, dec, count, _shade(count, most)))
    return drawn


def bands(counts: SkyCounts) -> list[Band]:
    """The same in words: twelve bands of 15 degrees, the northernmost first."""
    sums = {(band, hour): 0 for band in range(12) for hour in range(12)}
    for cell, (ra, dec) in counts.centres().items():
        band = min(11, int((dec + 90.0) // 15.0))
        sums[band, int(ra % 360.0 // 30.0)] += counts.cells[cell]
    return [
        Band(15 * b - 90, 15 * b - 75, tuple(sums[b, hour] for hour in range(12)))
        for b in reversed(range(12))
    ]


def galactic_plane() -> str:
    """The ``d`` of an SVG path."""
    return _line(_from_galactic(longitude) for longitude in range(0, 361, 4))


def ecliptic() -> str:
    """The ``d`` of an SVG path."""
    return _line(_from_ecliptic(longitude) for longitude in range(0, 361, 4))


def graticule() -> str:
    """Every 30 degrees of declination and four hours of right ascension; the ``d`` of a path."""
    parallels = (
        _polyline([project(ra, dec, middle=ra) for ra in (-180.0, 180.0)])
        for dec in range(-60, 61, 30)
    )
    meridians = (
        _polyline([project(ra, dec, middle=ra) for dec in range(-90, 91, 10)])
        for ra in range(-120, 121, 60)
    )
    return "".join((*parallels, *meridians))


def _from_galactic(longitude: float) -> tuple[float, float]:
    along, pole = math.radians(_POLE_L - longitude), math.radians(_POLE_DEC)
    dec = math.asin(math.cos(pole) * math.cos(along))
    ra = math.atan2(math.sin(along), -math.sin(pole) * math.cos(along))
    return (math.degrees(ra) + _POLE_RA) % 360.0, math.degrees(dec)


def _from_ecliptic(longitude: float) -> tuple[float, float]:
    along, tilt = math.radians(longitude), math.radians(_OBLIQUITY)
    dec = math.asin(math.sin(tilt) * math.sin(along))
    ra = math.atan2(math.cos(tilt) * math.sin(along), math.cos(along))
    return math.degrees(ra) % 360.0, math.degrees(dec)


def _line(places: Iterable[tuple[float, float]]) -> str:
    """A line over the sky. Where it leaves the map at one edge for the other, it goes on a bit
    beyond both, which clip it."""
    parts: list[list[tuple[float, float]]] = [[]]
    for one, two in pairwise(places):
        parts[-1] = parts[-1] or [project(*one)]
        if abs(project(*one)[0] - project(*two)[0]) <= WIDTH / 2:
            parts[-1].append(project(*two))
            continue
        parts[-1].append(project(*two, middle=_signed(one[0])))
        parts.append([project(*one, middle=_signed(two[0])), project(*two)])
    return "".join(_polyline(part) for part in parts)


def _signed(ra: float) -> float:
    return (ra + 180.0) % 360.0 - 180.0


def _shade(count: int, most: int) -> int:
    if most <= 1:
        return SHADES
    return 1 + int((SHADES - 1) * math.log(count) / math.log(most))


def _polyline(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(_pairs(points))


def _outline(points: Sequence[tuple[float, float]]) -> str:
    return f"{_polyline(points)}Z"


def _pairs(points: Iterable[tuple[float, float]]) -> Iterator[str]:
    return (f"{x:.0f} {y:.0f}" for x, y in points)
