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
"""``all`` is one factor fitted to the pixels of all three colours."""
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


class Stars(Protocol):
    """Catalogued stars, an entry of each array a star; degrees and magnitudes."""

    @property
    def star_id(self) -> NDArray[np.str_]: ...
    @property
    def ra(self) -> Floats: ...
    @property
    def dec(self) -> Floats: ...
    @property
    def g(self) -> Floats: ...


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


@dataclass(frozen=True, eq=False)
class Measurements:
    """All stars in all frames of an observation; flux in ADU, were all pixels of that colour.

    Arrays of stars are (frames, stars, channels) in the order of `CHANNELS`.
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
    """(frames, stars, 3): of R, G and B within a circle."""
    aperture_error: Floats
    sky: Floats
    """(frames, 3): ADU above nothing, bias included."""
    zero_point: Floats
    """(frames, 3): G of a star that gives 1 ADU."""
    pattern: str
    """The Bayer mask in array order, as ``GBRG``."""
