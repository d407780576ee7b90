"""Solving a frame: recognised by a hint or blind, matched star by star, a WCS fitted, judged."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from panoptes.network.linear_algebra import in_one_thread
from panoptes.network.plate_solving import astrometry_net
from panoptes.network.plate_solving.detection import Detections
from panoptes.network.plate_solving.triangles import candidates, near, stars_of_a_patch
from panoptes.network.plate_solving.wcs import Wcs, fit
from panoptes.network.stars.catalog import Stars, stars_in

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

SOLVER = "panoptes-triangles 1"
CANON_SCALE = 10.3
"""Arcseconds a pixel of a PANOPTES camera: 85 mm and Canon's sensor."""
FOCAL_LENGTH = 85.0
"""Millimetres, of the lens of a unit."""
HINT_DEGREES = 6.0
"""By which a hint may miss the middle of the frame."""
_LEAST_STARS = 12
_SCALE_OFF = 0.04
_MOST_RESIDUAL = 0.8
"""Pixels, rms."""
_BLIND_DEGREES = 8.0
"""Square degrees that a frame must have to be recognised anywhere on the sky."""
_ROUNDS = ((14.0, 1, 120), (10.0, 2, 200), (5.0, 3, 600), (2.5, 5, 6000), (2.0, 5, 6000))
"""Pixels within which stars match, the order of the fit, and how many of the brightest."""


class Unsolved(Exception):
    """The frame could not be solved; the message says why, for people."""


@dataclass(frozen=True, eq=False)
class Solution:
    """Where a frame looks, and how well that is known."""

    wcs: Wcs
    stars: Stars
    """Those of the catalogue that were matched."""
    detected: Indices
    """Which detections they are."""
    expected: int
    """Stars of the catalogue that the frame should show."""
    rms: float
    """Arcseconds, of the matched stars."""
    median: float
    """Arcseconds."""
    way: Literal["hint", "blind"]
    solver: str = SOLVER


def pixel_scale(micrometres: float | None) -> float:
    """Arcseconds a pixel, of pixels of this size; of a Canon's where it is not known (or NaN)."""
    known = micrometres is not None and 0.5 < micrometres < 50
    return 206.265 * micrometres / FOCAL_LENGTH if known and micrometres else CANON_SCALE


@in_one_thread
def solve(
    detections: Detections,
    shape: tuple[int, int],
    when: datetime,
    *,
    hints: list[tuple[float, float]],
    scale: float = CANON_SCALE,
    ask_others: bool = True,
) -> Solution:
    """Solve a frame of so many rows and columns by its stars, the brightest first.

    `hints` are places (degrees) near its middle, the best first; without, or where they are
    wrong, it is looked for on the whole sky, and then by astrometry.net where that is installed
    and `ask_others` set.
    `scale` is known to some per cent, in arcseconds a pixel. Raises Unsolved.
    """
    if len(detections) < _LEAST_STARS:
        raise Unsolved(f"only {len(detections)} stars are seen, and {_LEAST_STARS} are needed")
    degrees = (shape[0] * scale / 3600, shape[1] * scale / 3600)
    wanted = stars_of_a_patch(degrees)
    reach = math.hypot(*degrees) / 2 + HINT_DEGREES
    tries: list[tuple[Literal["hint", "blind"], tuple[Floats, Floats] | None, int]] = [
        ("hint", near(*hint, reach, wanted), wanted) for hint in hints
    ]
    is_large = degrees[0] * degrees[1] >= _BLIND_DEGREES
    if is_large:
        tries.append(("blind", None, min(wanted, 8)))
    for way, sky, of_a_patch in tries:
        for pairs in candidates(
            detections.x,
            detections.y,
            shape=shape,
            scale=scale,
            of_a_patch=of_a_patch,
            sky=sky,
        ):
            found = _refined(detections, shape, when, scale, pairs.detected, pairs.ra, pairs.dec)
            if found is not None:
                return Solution(*found, way)
    is_asked = ask_others and astrometry_net.is_installed()
    if is_asked:
        named = astrometry_net.recognised(detections, shape, scale, _SCALE_OFF)
        if named is not None:
            found = _refined(detections, shape, when, scale, named.detected, named.ra, named.dec)
            if found is not None:
                return Solution(*found, "blind", astrometry_net.SOLVER)
    nor = ", nor by astrometry.net" if is_asked else ""
    if not tries:
        raise Unsolved(f"nothing says where it looks, and it is too small to be found blindly{nor}")
    where = "near where its mount points" if hints else ""
    where += (" or " if hints else "") + "anywhere on the sky" if is_large else ""
    raise Unsolved(f"its {len(detections)} stars are not recognised {where}{nor}")


def _refined(
    detections: Detections,
    shape: tuple[int, int],
    when: datetime,
    scale: float,
    paired: Indices,
    ra: Floats,
    dec: Floats,
) -> tuple[Wcs, Stars, Indices, int, float, float] | None:
    """A candidate followed up, star by star; None where it does not hold."""
    import numpy as np
    from scipy.spatial import cKDTree

    if len(paired) < 4:
        return None
    centre = (float(ra[0]), float(dec[0]))
    x, y = detections.x[paired], detections.y[paired]
    kept = np.ones(len(x), bool)
    for _ in range(4):
        if kept.sum() < 4:
            return None
        wcs = fit(x[kept], y[kept], ra[kept], dec[kept], shape=shape, order=1, near=centre)
        centre = wcs.crval
        to_x, to_y = wcs.to_pixels(ra, dec)
        off = np.hypot(to_x - x, to_y - y)
        kept = off < max(3 * float(np.median(off)), 6.0)
    if not _fits(wcs, scale):
        return None
    radius = math.hypot(*shape) / 2 * scale / 3600 * 1.02
    stars = stars_in(*centre, radius, when)
    for tolerance, order, most in _ROUNDS:
        expected = stars.of(slice(0, most))
        at_x, at_y = wcs.to_pixels(expected.ra, expected.dec)
        inside = (at_x > 8) & (at_x < shape[1] - 9) & (at_y > 8) & (at_y < shape[0] - 9)
        expected, at_x, at_y = expected.of(inside), at_x[inside], at_y[inside]
        seen = detections.of(slice(0, min(most, 3 * len(expected) + 20)))
        matched, detected = _matched(
            cKDTree(np.stack([at_x, at_y], axis=1)),
            cKDTree(np.stack([seen.x, seen.y], axis=1)),
            tolerance,
        )
        if len(matched) < 6:
            return None
        pairs = expected.of(matched)
        x, y = seen.x[detected], seen.y[detected]
        kept = np.ones(len(matched), bool)
        for _ in range(4):
            if kept.sum() < 6:
                return None
            wcs = fit(
                x[kept],
                y[kept],
                pairs.ra[kept],
                pairs.dec[kept],
                shape=shape,
                order=_order(int(kept.sum()), order),
                near=centre,
            )
            centre = wcs.crval
            to_x, to_y = wcs.to_pixels(pairs.ra, pairs.dec)
            off = np.hypot(to_x - x, to_y - y)
            before, kept = kept, off < max(3.5 * float(np.median(off[kept])), 0.1)
            if (before == kept).all():
                break
        if not _fits(wcs, scale):
            return None
    chance = len(seen) * math.pi * tolerance**2 / (shape[0] * shape[1])
    count, off = int(kept.sum()), off[kept]
    bright = min(60, len(expected), len(seen))
    rms = math.sqrt(float(np.mean(off**2)))
    if (
        count < _LEAST_STARS
        or count < 0.25 * min(len(expected), len(seen))
        or np.count_nonzero(matched[kept] < bright) < max(0.25, 3 * chance) * bright
        or count < 3 * chance * len(expected) + 6
        or rms > _MOST_RESIDUAL
    ):
        return None
    own = wcs.scale
    return (
        wcs,
        pairs.of(kept),
        detected[kept],
        len(expected),
        rms * own,
        float(np.median(off)) * own,
    )


def _fits(wcs: Wcs, scale: float) -> bool:
    """Whether it is a camera's: of the scale that is known, and with square pixels."""
    import numpy as np

    sizes = np.linalg.svd(wcs.cd, compute_uv=False) * 3600
    return bool((np.abs(sizes / scale - 1) < _SCALE_OFF).all() and sizes[0] < 1.02 * sizes[1])


def _order(matched: int, most: int) -> int:
    """Of the polynomial, for which there are stars enough."""
    least = ((5, 160), (4, 100), (3, 60), (2, 24))
    return next((order for order, count in least if order <= most and matched >= count), 1)


def _matched(sky: object, seen: object, tolerance: float) -> tuple[Indices, Indices]:
    """Which star is which detection: each the other's nearest."""
    import numpy as np

    distance, nearest = seen.query(sky.data, distance_upper_bound=tolerance)  # type: ignore[attr-defined]
    has_one = np.flatnonzero(np.isfinite(distance))
    back = sky.query(seen.data[nearest[has_one]])[1]  # type: ignore[attr-defined]
    mutual = has_one[back == has_one]
    return mutual, nearest[mutual]
