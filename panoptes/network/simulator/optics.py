"""Where the sky falls on a simulated sensor: a tangent plane, turned, and a lens's distortion."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SCALE = 10.3
"""Arcseconds a pixel."""
FULL = (3476, 5208)
_CORNER = math.hypot(FULL[0] / 2, FULL[1] / 2)


@dataclass(frozen=True, kw_only=True)
class Optics:
    """Of one frame; places are 0-based in array order, a pixel's centre at the integer."""

    ra: float
    dec: float
    """Degrees, of the optical axis."""
    centre: tuple[float, float]
    """x and y of the optical axis, which a crop may not hold."""
    angle: float = 90.0
    """Degrees by which north is turned from the columns' direction."""
    scale: float = SCALE
    corner: float = 9.0
    """Pixels by which stars of a full frame's corner stand further out."""

    def to_pixels(self, ra: Floats, dec: Floats) -> tuple[Floats, Floats]:
        """Places of stars (degrees, of this half of the sky) on the sensor."""
        import numpy as np

        turn, height, pole = np.radians(ra - self.ra), np.radians(dec), math.radians(self.dec)
        depth = math.sin(pole) * np.sin(height)
        depth = depth + math.cos(pole) * np.cos(height) * np.cos(turn)
        east = np.cos(height) * np.sin(turn) / depth
        north = math.cos(pole) * np.sin(height)
        north = (north - math.sin(pole) * np.cos(height) * np.cos(turn)) / depth
        pixels = 1 / math.radians(self.scale / 3600)
        turned = math.radians(self.angle)
        # As in the real frames: mirrored against a map, since row 1 of FITS is the lowest.
        x = (-east * math.cos(turned) + north * math.sin(turned)) * pixels
        y = (east * math.sin(turned) + north * math.cos(turned)) * pixels
        out = 1 + self.corner / _CORNER * (x * x + y * y) / _CORNER**2
        return self.centre[0] + x * out, self.centre[1] + y * out
