"""How good an image is, in numbers that do not depend on how bright its stars are.

A frame is marked by them, never discarded. Whether there were clouds, one frame cannot tell: they
take light from all stars, so its zero point is compared with the best of its observation.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from panoptes.network.plate_solving.detection import Found
    from panoptes.network.plate_solving.solving import Solution

_WINDOW = 2.0
"""Pixels: the deviation of the Gaussian under which `find_stars` takes moments."""
_SHAPED = 400
"""Stars that the shape is a median of."""
_FAINT, _BRIGHT = 10.0, 7.0
"""G of the stars that the zero point is a median of; brighter ones clip."""


class Quality(BaseModel):
    """Of one image, as its document has it."""

    model_config = ConfigDict(extra="allow")
    sky: dict[str, float] = Field(description="ADU, the camera's zero included, by colour")
    noise: dict[str, float] = Field(description="ADU, standard deviation of the sky, by colour")
    stars: int = Field(description="stars at 8 times the noise")
    saturated: float = Field(description="share of pixels that are clipped")
    fwhm: float | None = Field(None, description="pixels, median of stars that are not clipped")
    elongation: float | None = Field(None, description="long over short axis of the median star")
    elongation_angle: float | None = Field(
        None, description="degrees of its long axis from x towards y, 0 to 180"
    )
    zero_point: float | None = Field(None, description="G of a star that gives 1 ADU a second")
    zero_point_scatter: float | None = Field(None, description="magnitudes, from star to star")


def measure_quality(
    found: Found,
    solution: Solution | None,
    *,
    pattern: str | None = None,
    exptime: float | None = None,
) -> Quality:
    """What the stars and the sky of a frame say.

    `pattern` is the Bayer pattern of its first two rows, such as ``GBRG``. The zero point needs a
    solution and `exptime`, in seconds.
    """
    quality = Quality(
        sky=_by_colour(found.sky, pattern),
        noise=_by_colour(found.noise, pattern),
        stars=len(found.stars),
        saturated=round(found.saturated, 7),
    )
    quality = quality.model_copy(update=_shape(found))
    if solution is not None and exptime is not None and exptime > 0:
        quality = quality.model_copy(update=_zero_point(found, solution, exptime))
    return quality


def lost_light(zero_points: Sequence[float | None]) -> list[float | None]:
    """Magnitudes that each frame of an observation lacks beside its best: clouds, for the most.

    The best is what one frame of ten reaches, so that no single odd one sets it.
    """
    known = sorted(value for value in zero_points if value is not None)
    if not known:
        return [None for _ in zero_points]
    best = known[int(0.9 * (len(known) - 1))]
    return [None if each is None else max(0.0, round(best - each, 3)) for each in zero_points]


def _by_colour(levels: NDArray[np.float64], pattern: str | None) -> dict[str, float]:
    flat = [float(each) for each in levels.ravel()]
    if pattern is None:
        return {"all": round(sum(flat) / 4, 2)}
    colours = sorted(set(pattern))
    by_colour = {c: [v for v, own in zip(flat, pattern, strict=True) if own == c] for c in colours}
    return {colour: round(sum(each) / len(each), 2) for colour, each in by_colour.items()}


def _shape(found: Found) -> dict[str, float]:
    """Of the median star; what the window adds to its narrowness is taken off."""
    import numpy as np

    moments = found.stars.moments[~found.stars.is_clipped][:_SHAPED]
    moments = moments[np.isfinite(moments).all(axis=1) & (moments[:, :2] > 0).all(axis=1)]
    if len(moments) < 5:
        return {}
    xx, yy, xy = np.median(moments, axis=0)
    seen = np.linalg.inv(np.array([[xx, xy], [xy, yy]]))
    own, axes = np.linalg.eigh(seen - np.eye(2) / _WINDOW**2)
    if own[0] <= 0:  # wider than the window can tell
        return {}
    long, short = 1 / math.sqrt(own[0]), 1 / math.sqrt(own[1])
    angle = math.degrees(math.atan2(axes[1, 0], axes[0, 0])) % 180.0
    return {
        "fwhm": round(2.3548 * math.sqrt(long * short), 3),
        "elongation": round(long / short, 3),
        "elongation_angle": round(angle, 1),
    }


def _zero_point(found: Found, solution: Solution, exptime: float) -> dict[str, float]:
    import numpy as np

    g = solution.stars.g
    flux = found.stars.flux[solution.detected]
    good = (g > _BRIGHT) & (g < _FAINT) & (flux > 0)
    good &= ~found.stars.is_clipped[solution.detected]
    if good.sum() < 5:
        return {}
    each = g[good] + 2.5 * np.log10(flux[good] / exptime)
    middle = float(np.median(each))
    scatter = 1.4826 * float(np.median(np.abs(each - middle)))
    return {"zero_point": round(middle, 4), "zero_point_scatter": round(scatter, 4)}
