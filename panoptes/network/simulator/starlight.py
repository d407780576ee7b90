"""The light of stars on the pixels of a sensor: integrated inside each pixel.

The shape is what two real frames show: half of the light in a core of 0.53 pixels, drawn out
by the motion within the exposure, the rest in wings of 1.7 and 3.9 pixels. Another is Moffat's,
which is that of the air and of most other lenses.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_WINGS = ((0.3, 1.7), (0.2, 3.9))
"""Share of the light and sigma, pixels."""
_STEPS = 7
"""Parts of the way that a star moves during an exposure."""
_GAUSSIANS = 6
"""Of which a Moffat function is made."""


@dataclass(frozen=True)
class Shape:
    """How a frame's stars look; pixels and radians."""

    core: float = 0.53
    trail: float = 1.7
    angle: float = 0.0
    softness: float = 0.06
    """By how much the core is wider at a distance of 1000 pixels from the optical axis."""
    beta: float | None = None
    """Of a Moffat function as wide at half of its height as a Gaussian of `core`; None: a core and
    wings."""

    def parts(self) -> list[tuple[float, float, float, float, bool]]:
        """Share, x, y, sigma of round Gaussians, and whether of the core."""
        cores = [(1 - sum(share for share, _ in _WINGS), self.core)]
        parts = [(share, 0.0, 0.0, sigma, False) for share, sigma in _WINGS]
        if self.beta is not None:
            cores, parts = self._moffat(self.beta), []
        for step in range(_STEPS):
            along = self.trail * ((step + 0.5) / _STEPS - 0.5)
            place = along * math.cos(self.angle), along * math.sin(self.angle)
            parts += [(share / _STEPS, *place, sigma, True) for share, sigma in cores]
        return parts

    def _moffat(self, beta: float) -> list[tuple[float, float]]:
        """Shares and sigmas of Gaussians: exp(-t) t ** (beta - 2), by Gauss and Laguerre."""
        from scipy.special import gamma, roots_genlaguerre

        inverse, shares = roots_genlaguerre(_GAUSSIANS, beta - 2)
        width = self.core * math.sqrt(2 * math.log(2) / (2 ** (1 / beta) - 1))
        sigmas = width / (2 * inverse) ** 0.5
        return list(zip((shares / gamma(beta - 1)).tolist(), sigmas.tolist(), strict=True))


def stamps(
    x: Floats, y: Floats, shape: Shape, *, half: int, axis_distance: Floats | float = 0.0
) -> tuple[NDArray[np.int64], NDArray[np.int64], Floats]:
    """First columns and rows (stars,), and shares of the light (stars, side, side) on squares
    of ``2 half + 1`` pixels around stars at `x`, `y` (0-based, a pixel's centre an integer)."""
    import numpy as np

    left = np.rint(x).astype(np.int64) - half
    low = np.rint(y).astype(np.int64) - half
    edges = np.arange(2 * half + 2) - 0.5
    columns, rows = edges + (left - x)[:, None], edges + (low - y)[:, None]
    wider = 1 + shape.softness * (np.broadcast_to(axis_distance, x.shape)[:, None] / 1000) ** 2
    light = np.zeros((len(x), 2 * half + 1, 2 * half + 1))
    for share, at_x, at_y, sigma, core in shape.parts():
        widths = sigma * wider if core else sigma
        across = _inside(columns - at_x, widths)
        up = _inside(rows - at_y, widths)
        light += share * up[:, :, None] * across[:, None, :]
    return left, low, light


def _inside(edges: Floats, sigma: Floats | float) -> Floats:
    import numpy as np
    from scipy.special import ndtr

    below: Floats = ndtr(edges / sigma)
    return np.diff(below, axis=1)
