"""A small picture of an image, to look at."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Pixels: TypeAlias = NDArray[np.generic]
    Floats: TypeAlias = NDArray[np.float32]

LONG_SIDE = 1024
"""Pixels."""
_SAMPLE = 40_000
"""Pixels that the stretch is measured on."""
_SOFTENING = 0.04
"""Where the asinh stretch turns from linear to logarithmic, of its range."""


def preview(
    pixels: Pixels,
    *,
    pattern: str | None = None,
    long_side: int = LONG_SIDE,
    bottom_up: bool = False,
    physical: Callable[[Pixels], Pixels] | None = None,
) -> bytes:
    """A JPEG of at most `long_side` pixels, stretched so that faint stars show.

    `pixels` is an image of any size and number type, (rows, columns) or with further axes
    before them, of which the first plane is shown; values that are not finite are black.
    `pattern` is the Bayer pattern of its first two rows and columns, such as ``GBRG``: then
    the picture is in colour, with a neutral sky. Set `bottom_up` where the first row is the
    lowest, as FITS viewers show it. `physical` turns pixels into the values that are shown; it
    gets a part of them at a time, for all of a large image may not fit into memory. Raises
    ValueError for an image without pixels.
    """
    import numpy as np
    from PIL import Image

    plane = pixels
    while plane.ndim > 2:
        plane = plane[0]
    plane = np.atleast_2d(plane)
    if not plane.size:
        raise ValueError("an image without pixels has no picture")
    colours = _colours(plane, pattern, long_side, physical or (lambda values: values))
    shown = np.stack([_stretched(colour) for colour in colours], axis=-1)
    if bottom_up:
        shown = shown[::-1]
    picture = Image.fromarray(shown[:, :, 0] if len(colours) == 1 else shown)
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=85)
    return out.getvalue()


def _colours(
    plane: Pixels, pattern: str | None, long_side: int, physical: Callable[[Pixels], Pixels]
) -> list[Floats]:
    """Red, green and blue, or grey alone, binned to at most `long_side`."""
    rows, columns = plane.shape
    if pattern is None or min(rows, columns) < 2:
        return [_binned(plane, long_side, physical)]
    planes: list[Floats] = []
    for colour in "RGB":
        # One green tells a picture enough, at half the cost.
        row, column = divmod(pattern.index(colour), 2)
        part = plane[row : rows - rows % 2 : 2, column : columns - columns % 2 : 2]
        planes.append(_binned(part, long_side, physical))
    return planes


def _binned(plane: Pixels, long_side: int, physical: Callable[[Pixels], Pixels]) -> Floats:
    """Means of whole blocks, as small as `long_side` asks for."""
    import numpy as np

    step = -(-max(plane.shape) // long_side)
    rows, columns = (max(1, size // step) for size in plane.shape)
    across = min(step, plane.shape[1])
    down = min(step, plane.shape[0])
    total = np.zeros((rows, columns), np.float32)
    # Values beyond single precision or not finite stay visible as such, and come out black.
    with np.errstate(invalid="ignore", over="ignore"):
        for row in range(down):
            part = physical(plane[row : row + (rows - 1) * step + 1 : step])
            for column in range(across):
                total += part[:, column : column + (columns - 1) * step + 1 : step]
        total /= np.float32(down * across)
    return total


def _stretched(values: Floats) -> NDArray[np.uint8]:
    """0 to 255 from a little below the sky to the brightest stars, by asinh."""
    import numpy as np

    finite = np.isfinite(values)
    sample = values[finite].reshape(-1)
    sample = sample[:: max(1, sample.size // _SAMPLE)]
    if not sample.size:
        return np.zeros(values.shape, np.uint8)
    low, high = _levels(sample)
    if high <= low:
        return np.where(finite, np.uint8(128 if low else 0), np.uint8(0))
    scaled = np.where(finite, values, np.float32(low))
    scaled -= np.float32(low)
    scaled /= np.float32(high - low)
    np.clip(scaled, 0, 1, out=scaled)
    scaled /= np.float32(_SOFTENING)
    np.arcsinh(scaled, out=scaled)
    scaled *= np.float32(255 / np.arcsinh(1 / _SOFTENING))
    shown: NDArray[np.uint8] = scaled.astype(np.uint8)
    return shown


def _levels(sample: Floats) -> tuple[float, float]:
    """Levels that are shown black and white, robust against stars and hot pixels."""
    import numpy as np

    low, sky, high = (float(v) for v in np.percentile(sample, (0.5, 50, 99.8)))
    # An even sky, its corners included, ends up as a dark grey even where stars are few.
    return low, max(high, low + 20 * (sky - low))
