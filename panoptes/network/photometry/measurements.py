"""What photometry takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

CHANNELS = ("R", "G", "B", "all")
"""``all`` is one factor fitted to the pixels of all colours: all that a camera without a Bayer
mask has."""
VARIANCE_PER_ADU = 1.43
"""ADU squared for each of light: what real frames show."""
UNMASKED = "GGGG"
"""The pattern of a camera without a mask: all its pixels are alike."""
EDGE = 1
"""Flag: the star is not wholly on the frame."""
CLIPPED = 2
"""Flag: most of the star's light is on clipped pixels."""
UNMEASURED = 4
"""Flag: no fit, or light that is not above zero."""


class Wcs(Protocol):
    """Where the sky is on a frame."""

    def to_pixels(self, ra: Floats, dec: Floats) -> tuple[Floats, Floats]:
        """x and y (0-based, a pixel's centre at the integer) of places in degrees."""


@dataclass(frozen=True, eq=False)
class Frame:
    """One exposure with its solution."""

    pixels: NDArray[np.uint16]
    """(rows, columns) in array order, as the camera gave them."""
    wcs: Wcs
    time: datetime
    """Middle of the exposure, UTC."""
    exposure: float
    """Seconds."""
    airmass: float
    has_mask: bool = True
    """Whether the camera has a Bayer mask."""


@dataclass(frozen=True, eq=False)
class Measurements:
    """All stars in all frames of an observation; flux in ADU, were all pixels of that colour.

    Arrays of stars are (frames, stars, channels) in the order of `channels`. Colours are R, G and
    B, or one where the camera has no mask.
    """

    star_id: NDArray[np.str_]
    g: Floats
    time: list[datetime]
    airmass: Floats
    x: Floats
    y: Floats
    """(frames, stars): places used, pixels."""
    flux: Floats
    flux_error: Floats
    flag: NDArray[np.int32]
    aperture_flux: Floats
    """(frames, stars, colours): within a circle."""
    aperture_error: Floats
    sky: Floats
    """(frames, colours): ADU above nothing, bias included."""
    pattern: str
    """The Bayer mask in array order, as ``GBRG``; `UNMASKED` where there is none."""
    channels: tuple[str, ...] = CHANNELS
