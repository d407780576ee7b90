"""A simulated star field on a simulated Canon sensor.

Levels are those measured on real PANOPTES frames: bias 2048, noise variance
52 + 1.43 x signal in ADU, clipping at 13583, a sky of 131, 185 and 93 ADU in R, G and B
after 120 s, and lens shading of about a third in the corners.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Signal: TypeAlias = NDArray[np.float32]
    Number = TypeVar("Number", bound=np.generic)

FrameSize: TypeAlias = Literal["small", "crop", "full"]

BIAS = 2048
SATURATION = 13583
READ_VARIANCE = 52.0
VARIANCE_PER_ADU = 1.43
_SKY = (131.0, 185.0, 93.0)
_SKY_SECONDS = 120.0
_HOT_SHARE = 2e-4
_STAMP = 7
"""Half the side of the square on which a star is drawn, pixels."""


@dataclass(frozen=True)
class Geometry:
    """The samples of a sensor and where the image lies between its masked borders, pixels."""

    width: int
    height: int
    left: int
    top: int
    columns: int
    """Of the image, which is RGGB from its first row and column."""
    rows: int
    borders: tuple[int, int, int, int]
    """Left, top, right and bottom of the picture as the maker note tells them.

    LibRaw knows the margins of the full sensor; of any other it takes them from here, and
    the last column and row as outside."""
    stars: int

    def image(self, samples: NDArray[Number]) -> NDArray[Number]:
        """The part of the sensor's samples that is exposed to light."""
        return samples[self.top : self.top + self.rows, self.left : self.left + self.columns]


GEOMETRIES: dict[FrameSize, Geometry] = {
    "small": Geometry(528, 352, 20, 10, 506, 340, (20, 10, 526, 350), 400),
    "crop": Geometry(1428, 1420, 20, 10, 1400, 1400, (20, 10, 1420, 1410), 2_300),
    "full": Geometry(5280, 3528, 72, 52, 5208, 3476, (84, 64, 5267, 3519), 30_000),
}


@dataclass(frozen=True, eq=False)
class StarField:
    """What lies before a camera during one observation. Positions are in pixels of the visible
    frame, fluxes in ADU of green for a second."""

    geometry: Geometry
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    flux: NDArray[np.float64]
    colour: NDArray[np.float64]
    """(stars, 3): R, G and B as factors of the flux."""
    shading: Signal
    drift: tuple[float, float]
    """Pixels an image in x and y, from imperfect tracking."""

    @classmethod
    def scatter(cls, rng: np.random.Generator, geometry: Geometry) -> StarField:
        """A random field: star counts rise as flux**-1.05, a few are bright."""
        import numpy as np

        rows, columns = geometry.rows, geometry.columns
        count = geometry.stars
        y, x = np.ogrid[-1 : 1 : rows * 1j, -1 : 1 : columns * 1j]
        shading = (1 - 0.175 * (x * x + y * y)) * (1 + 0.03 * x - 0.02 * y)
        return cls(
            geometry=geometry,
            x=rng.uniform(0, columns, count),
            y=rng.uniform(0, rows, count),
            flux=np.minimum(1.5 * rng.uniform(1e-6, 1, count) ** (-1 / 1.05), 3e4),
            colour=np.stack(
                [
                    10 ** rng.normal(-0.12, 0.12, count),
                    np.ones(count),
                    10 ** rng.normal(-0.15, 0.15, count),
                ],
                axis=1,
            ),
            shading=shading.astype(np.float32),
            drift=(float(rng.normal(0, 0.4)), float(rng.normal(0, 0.4))),
        )

    def expose(
        self, rng: np.random.Generator, seconds: float, index: int = 0
    ) -> NDArray[np.uint16]:
        """All samples of the sensor, (rows, columns) with the masked border, top row first."""
        import numpy as np

        geometry = self.geometry
        signal = np.empty((geometry.rows, geometry.columns), np.float32)
        for row, column in np.ndindex(2, 2):
            # Of the RGGB cell; row plus column is the colour.
            signal[row::2, column::2] = _SKY[row + column] * seconds / _SKY_SECONDS
        self._add_stars(signal, seconds, index, rng)
        signal *= self.shading
        noise = rng.standard_normal(signal.shape, dtype=np.float32)
        noise *= np.sqrt(READ_VARIANCE + VARIANCE_PER_ADU * signal)
        signal += noise
        hot = rng.random(signal.shape, dtype=np.float32) < _HOT_SHARE
        signal[hot] += rng.exponential(600, int(hot.sum()))
        samples = rng.standard_normal((geometry.height, geometry.width), dtype=np.float32)
        samples *= np.float32(READ_VARIANCE**0.5)
        geometry.image(samples)[...] = signal
        samples += rng.normal(BIAS, 1.2, (geometry.height, 1)).astype(np.float32)
        return np.clip(np.rint(samples), 0, SATURATION).astype(np.uint16)

    def _add_stars(
        self, signal: Signal, seconds: float, index: int, rng: np.random.Generator
    ) -> None:
        """A Gaussian core with a faint wide wing, through the Bayer filters."""
        import numpy as np

        rows, columns = signal.shape
        wobble = rng.normal(0, 0.15, 2)
        xs = self.x + self.drift[0] * index + wobble[0]
        ys = self.y + self.drift[1] * index + wobble[1]
        offsets = np.arange(-_STAMP, _STAMP + 1)
        for first in range(0, len(xs), 2000):
            part = slice(first, first + 2000)
            x, y = xs[part], ys[part]
            at_x = np.floor(x).astype(np.int64)[:, None] + offsets
            at_y = np.floor(y).astype(np.int64)[:, None] + offsets
            square = ((at_y + 0.5 - y[:, None]) ** 2)[:, :, None] + (
                (at_x + 0.5 - x[:, None]) ** 2
            )[:, None, :]
            shape = 0.9 * np.exp(-square / 2.645) / 8.31 + 0.0053 * (1 + square / 9) ** -2.5
            colour = (at_y & 1)[:, :, None] + (at_x & 1)[:, None, :]
            tint = np.take_along_axis(
                self.colour[part], colour.reshape(len(x), -1), axis=1
            ).reshape(colour.shape)
            light = shape * tint * (self.flux[part] * seconds)[:, None, None]
            inside = ((at_y >= 0) & (at_y < rows))[:, :, None] & ((at_x >= 0) & (at_x < columns))[
                :, None, :
            ]
            flat = (at_y[:, :, None] * columns + at_x[:, None, :])[inside]
            signal += np.bincount(flat, light[inside], rows * columns).reshape(rows, columns)
