"""A simulated Canon sensor: its sizes, its levels, and the masked border of its samples.

Levels are those measured on real PANOPTES frames: bias 2048, noise variance
52 + 1.43 x signal in ADU, clipping at 13583.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Number = TypeVar("Number", bound=np.generic)

FrameSize: TypeAlias = Literal["small", "medium", "crop", "full"]

BIAS = 2048
SATURATION = 13583
READ_VARIANCE = 52.0
VARIANCE_PER_ADU = 1.43


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

    def image(self, samples: NDArray[Number]) -> NDArray[Number]:
        """The part of the sensor's samples that is exposed to light."""
        return samples[self.top : self.top + self.rows, self.left : self.left + self.columns]

    def framed(self, visible: NDArray[np.uint16], rng: np.random.Generator) -> NDArray[np.uint16]:
        """All samples of the sensor: `visible`, top row first, within the masked border."""
        import numpy as np

        dark = rng.normal(BIAS, READ_VARIANCE**0.5, (self.height, self.width))
        samples = np.rint(dark).astype(np.uint16)
        self.image(samples)[...] = visible
        return samples


GEOMETRIES: dict[FrameSize, Geometry] = {
    "small": Geometry(528, 352, 20, 10, 506, 340, (20, 10, 526, 350)),
    "medium": Geometry(808, 532, 20, 10, 780, 520, (20, 10, 800, 530)),
    "crop": Geometry(1428, 1420, 20, 10, 1400, 1400, (20, 10, 1420, 1410)),
    "full": Geometry(5280, 3528, 72, 52, 5208, 3476, (84, 64, 5267, 3519)),
}
