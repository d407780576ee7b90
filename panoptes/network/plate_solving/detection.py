"""The stars of a frame, under a Bayer mask or not, as they stand out of its sky.

They are looked for on the sums of two by two pixels, in which the mask is not seen. Their places
are measured on the pixels themselves, each of the four kinds scaled so that stars are white on
average: how much that is, is measured on the stars, so no pattern has to be known.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

THRESHOLD = 8.0
"""Times the noise of the sums."""
MOST = 3500
"""Stars that are kept, the brightest."""
_HALF = 4
"""Pixels on either side of a star's middle."""
_CENTROID_SIGMA = 1.5
_SHAPE_SIGMA = 2.0
_CLIPPED = 0.97
"""Of the level at which samples pile up."""
_LEAST_CLIPPED = 200
"""ADU: no camera's samples pile up below."""
_CLIPPED_NOISE = 2.0
"""ADU: clipped pixels differ by no more."""


@dataclass(frozen=True, eq=False)
class Detections:
    """Stars, the brightest first."""

    x: Floats
    y: Floats
    flux: Floats
    """ADU above the sky, of all pixels of a square of nine."""
    is_clipped: NDArray[np.bool_]
    moments: Floats
    """(stars, 3): xx, yy and xy, under a Gaussian window that is the same for all; in pixels
    squared."""

    def __len__(self) -> int:
        return len(self.x)

    def of(self, chosen: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Self:
        return type(self)(*(getattr(self, field.name)[chosen] for field in fields(self)))


@dataclass(frozen=True, eq=False)
class Found:
    """What of a frame is seen at once."""

    stars: Detections
    shape: tuple[int, int]
    sky: Floats
    """(2, 2): the level of each kind of pixel, ADU."""
    noise: Floats
    """(2, 2): its standard deviation, ADU."""
    saturated: float
    """Share of all pixels."""
    saturation: float | None
    """ADU at which samples pile up; None where they do not."""


def find_stars(pixels: NDArray[np.uint16]) -> Found:
    """The stars of a frame (rows, columns) of ADU. Raises ValueError for one that is too small."""
    import numpy as np
    import sep

    if pixels.ndim != 2 or min(pixels.shape) < 32:
        raise ValueError(f"no image to find stars in: {' x '.join(map(str, pixels.shape))} pixels")
    rows, columns = (size // 2 * 2 for size in pixels.shape)
    even = pixels[:rows, :columns]
    sky, noise = _levels(even)
    saturation, saturated = _saturation(pixels, sky, noise)
    sums = np.add(even[0::2], even[1::2], dtype=np.float32)
    sums = sums[:, 0::2] + sums[:, 1::2]
    background = sep.Background(sums, bw=64, bh=64)
    map_ = background.back(dtype=np.float32)
    sums -= map_
    sep.set_extract_pixstack(1_000_000)
    found = sep.extract(
        sums,
        THRESHOLD * max(background.globalrms, 1e-3),
        minarea=2,
        filter_kernel=None,
        deblend_nthresh=1,  # taking stars apart would take two thirds of the time
        deblend_cont=1.0,
        clean=False,
    )
    found = found[np.argsort(-found["flux"], kind="stable")[:MOST]]
    column, row = 2 * found["x"] + 0.5, 2 * found["y"] + 0.5
    inside = (column > _HALF + 1) & (column < columns - _HALF - 2)
    inside &= (row > _HALF + 1) & (row < rows - _HALF - 2)
    column, row = column[inside], row[inside]
    level = map_[(row / 2).astype(int), (column / 2).astype(int)]
    stars = _measured(even, column, row, level, sky, saturation)
    return Found(
        stars.of(np.argsort(-stars.flux, kind="stable")),
        (pixels.shape[0], pixels.shape[1]),
        sky,
        noise,
        saturated,
        saturation,
    )


def _levels(pixels: NDArray[np.uint16]) -> tuple[Floats, Floats]:
    """Median and deviation of each kind of pixel, of some of them."""
    import numpy as np

    sky, noise = np.zeros((2, 2)), np.zeros((2, 2))
    step = 2 * max(1, min(pixels.shape) // 300)
    for row, column in np.ndindex(2, 2):
        sample = pixels[row::step, column::step].ravel().astype(np.float32)
        sky[row, column] = np.median(sample)
        noise[row, column] = 1.4826 * np.median(np.abs(sample - sky[row, column]))
    return sky, noise


def _saturation(
    pixels: NDArray[np.uint16], sky: Floats, noise: Floats
) -> tuple[float | None, float]:
    """The level at which samples pile up, and the share of pixels that do."""
    import numpy as np

    most = int(pixels.max())
    # A sky that reaches the top is clipped only if it has no noise: else no star stands out of it.
    at_top = sky + 5 * noise > _CLIPPED * most
    if most < _LEAST_CLIPPED or (at_top & (noise > _CLIPPED_NOISE)).any():
        return None, 0.0
    high = pixels[pixels > int(0.9 * most)]
    top = int(np.count_nonzero(high > _CLIPPED * most))
    # Of a star's own light less is found the nearer the top.
    if top < 5 or top < (high.size - top) * 0.7:
        return None, 0.0
    return float(most), top / pixels.size


def _measured(
    pixels: NDArray[np.uint16],
    column: Floats,
    row: Floats,
    level: Floats,
    sky: Floats,
    saturation: float | None,
) -> Detections:
    """Places, light and shapes on the pixels themselves."""
    import numpy as np

    side = np.arange(-_HALF, _HALF + 1)
    at_x, at_y = np.rint(column).astype(int), np.rint(row).astype(int)
    index_y, index_x = at_y[:, None, None] + side[:, None], at_x[:, None, None] + side
    stamps = pixels[index_y, index_x].astype(np.float64)
    limit = np.inf if saturation is None else _CLIPPED * saturation
    clipped = stamps.max(axis=(1, 2)) > limit
    kind_y, kind_x = np.broadcast_arrays(index_y & 1, index_x & 1)
    share = sky / max(float(sky.sum()), 1e-9)
    stamps -= level[:, None, None] * share[kind_y, kind_x]
    flux = stamps.sum(axis=(1, 2))
    stamps *= _white(stamps[~clipped], kind_y[~clipped], kind_x[~clipped])[kind_y, kind_x]
    x, y = column - at_x, row - at_y
    for _ in range(5):
        step_x, step_y = side - x[:, None], side - y[:, None]
        window = _window(step_x, step_y, _CENTROID_SIGMA) * stamps
        total = np.maximum(window.sum(axis=(1, 2)), 1e-9)
        x = x + 2 * np.clip((window.sum(axis=1) * step_x).sum(axis=1) / total, -0.5, 0.5)
        y = y + 2 * np.clip((window.sum(axis=2) * step_y).sum(axis=1) / total, -0.5, 0.5)
        x, y = np.clip(x, -2, 2), np.clip(y, -2, 2)
    step_x, step_y = side - x[:, None], side - y[:, None]
    window = _window(step_x, step_y, _SHAPE_SIGMA) * stamps
    total = np.maximum(window.sum(axis=(1, 2)), 1e-9)
    xx = (window.sum(axis=1) * step_x**2).sum(axis=1) / total
    yy = (window.sum(axis=2) * step_y**2).sum(axis=1) / total
    xy = np.einsum("nij,ni,nj->n", window, step_y, step_x) / total
    return Detections(at_x + x, at_y + y, flux, clipped, np.stack([xx, yy, xy], axis=1))


def _window(step_x: Floats, step_y: Floats, sigma: float) -> Floats:
    import numpy as np

    across = np.exp(-(step_x**2) / (2 * sigma**2))
    down = np.exp(-(step_y**2) / (2 * sigma**2))
    window: Floats = down[:, :, None] * across[:, None, :]
    return window


def _white(stamps: Floats, kind_y: NDArray[np.intp], kind_x: NDArray[np.intp]) -> Floats:
    """(2, 2): what each kind of pixel is multiplied by."""
    import numpy as np

    kind = (2 * kind_y + kind_x).ravel()
    count = np.bincount(kind, minlength=4)
    if not len(stamps) or not count.all():
        return np.ones((2, 2))
    light = np.maximum(np.bincount(kind, stamps.ravel(), 4) / count, 1e-6)
    white: Floats = np.clip(light.mean() / light, 0.3, 3.0).reshape(2, 2)
    return white
