"""Pictures to look at, of an image or of a part of it.

Pixels are binned, a lone bright sample of one colour (a hot pixel) is taken out, and what is left
is given the brightness and colours of `panoptes.network.stretching`.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from panoptes.network.stretching import Stretch, noise_of, sample, stretched

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    Pixels: TypeAlias = NDArray[np.generic]
    Floats: TypeAlias = NDArray[np.float32]
    Mask: TypeAlias = NDArray[np.bool_]

LONG_SIDE = 1024
"""Pixels."""
THUMBNAIL_SIDE = 320
"""Pixels."""
MOST_DECODED = 40_000_000
"""Pixels of a picture that are in memory at once."""
Format: TypeAlias = Literal["jpg", "png"]

_CHUNK = 1 << 18
"""Pixels that are binned at once; they stay in the processor's cache."""
_HOT = 0.2
"""Of a hot pixel's light that the other colours hold at most."""


def preview(
    pixels: Pixels,
    *,
    pattern: str | None = None,
    long_side: int = LONG_SIDE,
    bottom_up: bool = False,
    mirrored: bool = False,
    turns: int = 0,
    physical: Callable[[Pixels], Pixels] | None = None,
    saturation: float | None = None,
) -> bytes:
    """A JPEG of at most `long_side` pixels.

    The parameters are those of `picture`. Raises ValueError for an image without pixels.
    """
    shown = picture(
        pixels,
        pattern=pattern,
        long_side=long_side,
        bottom_up=bottom_up,
        mirrored=mirrored,
        turns=turns,
        physical=physical,
        saturation=saturation,
    )
    return encoded(shown)


def picture(
    pixels: Pixels,
    *,
    pattern: str | None = None,
    long_side: int = LONG_SIDE,
    bottom_up: bool = False,
    mirrored: bool = False,
    turns: int = 0,
    physical: Callable[[Pixels], Pixels] | None = None,
    saturation: float | None = None,
    stretch: Stretch | None = None,
) -> Image.Image:
    """The picture to show: grey (L), or in colour (YCbCr, as JPEG has it).

    `pixels` is an image of any size and number type, (rows, columns) or with further axes
    before them, of which the first plane is shown; values that are not finite are black.
    `pattern` is the Bayer pattern of its first two rows and columns, such as ``GBRG``: then
    the picture is in colour, of half the size at most. Set `bottom_up` where the first row is
    the lowest, as FITS viewers show it. What is seen then is mirrored, left for right, and
    turned to the left by `turns` quarters. `physical` turns pixels into the values that are
    shown; it gets a part of them at a time, for all of a large image may not fit into memory.
    `saturation` is the value at which samples clip; where it is not known, it is the one at
    which the highest of them pile up. Raises ValueError for an image without pixels.
    """
    import numpy as np
    from PIL import Image

    plane = pixels
    while plane.ndim > 2:
        plane = plane[0]
    plane = np.atleast_2d(plane)
    if not plane.size:
        raise ValueError("an image without pixels has no picture")
    if min(plane.shape) < 2:
        pattern = None
    # Values beyond single precision or not finite stay visible as such, and come out black.
    with np.errstate(invalid="ignore", over="ignore"):
        colours, clipped = _binned(
            plane, pattern, long_side, physical or (lambda values: values), saturation
        )
        shown = stretched(colours, clipped, stretch or Stretch())
    if bottom_up:
        shown = shown.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    if mirrored:
        shown = shown.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    for _ in range(turns % 4):
        shown = shown.transpose(Image.Transpose.ROTATE_90)
    return shown


def encoded(shown: Image.Image, kind: Format = "jpg") -> bytes:
    """A picture as the bytes of a file."""
    out = io.BytesIO()
    if kind == "png":
        (shown if shown.mode == "L" else shown.convert("RGB")).save(out, "PNG", compress_level=3)
    else:
        shown.save(out, "JPEG", quality=85)
    return out.getvalue()


def thumbnail(stored: bytes, long_side: int = THUMBNAIL_SIDE) -> bytes:
    """A JPEG of at most `long_side` pixels of a JPEG or PNG.

    A JPEG is decoded at the eighth to the half of its size, which takes a few milliseconds.
    Raises ValueError for what is no such picture.
    """
    small = decoded_small(stored, long_side)
    small.thumbnail((long_side, long_side), reducing_gap=2.0)
    out = io.BytesIO()
    small.save(out, "JPEG", quality=70)
    return out.getvalue()


def decoded_small(stored: bytes, long_side: int) -> Image.Image:
    """A JPEG or PNG in grey or RGB; where it is larger than `long_side`, a JPEG at an eighth to the
    half of its size.

    Raises ValueError for what is no such picture, and for one of more than `MOST_DECODED` pixels
    to be held at once.
    """
    from PIL import Image

    try:
        with Image.open(io.BytesIO(stored), formats=["JPEG", "PNG"]) as opened:
            whole = opened.width * opened.height
            opened.draft("RGB", (long_side, long_side))
            # Of a progressive JPEG all is held, whatever is shown.
            held = whole if opened.info.get("progressive") else opened.width * opened.height
            if held > MOST_DECODED:
                raise ValueError(f"no picture can be made of it: it has {whole:,} pixels")
            return opened.convert("L" if opened.mode in ("1", "L", "I", "I;16") else "RGB")
    except (OSError, SyntaxError, Image.DecompressionBombError) as error:
        raise ValueError(f"no picture can be made of it: {error}") from error


def _binned(
    plane: Pixels,
    pattern: str | None,
    long_side: int,
    physical: Callable[[Pixels], Pixels],
    saturation: float | None,
) -> tuple[list[Floats], Mask]:
    """Means of whole blocks, red, green and blue or grey alone; and which blocks are clipped."""
    import numpy as np

    cell = 2 if pattern else 1
    sides = [size // cell for size in plane.shape]
    step = -(-max(sides) // long_side)
    rows, columns = (max(1, side // step) for side in sides)
    down, across = (min(step, side) for side in sides)
    height, width = cell * down, cell * across
    # One green tells a picture enough.
    places = [divmod(pattern.index(colour), 2) for colour in "RGB"] if pattern else [(0, 0)]
    colours: list[Floats] = [np.empty((rows, columns), np.float32) for _ in places]
    peaks: list[NDArray[Any]] = []
    at_once = max(1, _CHUNK // (height * width * columns))
    for first in range(0, rows, at_once):
        end = min(rows, first + at_once)
        part = physical(plane[first * height : end * height, : columns * width])
        lines = part.reshape(end - first, height, columns * width)
        highest = lines[:, 0].copy()
        for line in range(1, height):
            np.maximum(highest, lines[:, line], out=highest)
        peak = highest[:, ::width].copy()
        for column in range(1, width):
            np.maximum(peak, highest[:, column::width], out=peak)
        peaks.append(peak)
        sums = []
        for phase in range(cell):
            total = lines[:, phase].astype(_kind_of_sum(peak, down))
            for line in range(phase + cell, height, cell):
                total += lines[:, line]
            sums.append(total.astype(np.float32, copy=False))
        for colour, (phase, column) in zip(colours, places, strict=True):
            mean = colour[first:end]
            mean[:] = sums[phase][:, column::width]
            for offset in range(column + cell, width, cell):
                mean += sums[phase][:, offset::width]
            mean /= np.float32(down * across)
    if pattern:
        _take_out_hot(colours)
    if pattern and step == 1:
        colours = [_centred(*each) for each in zip(colours, places, strict=True)]
    tops = np.concatenate(peaks)
    level = _pile_up(tops) if saturation is None else saturation
    if level is None:
        return colours, np.zeros(tops.shape, np.bool_)
    return colours, tops >= np.float64(level)


def _kind_of_sum(peaks: NDArray[Any], count: int) -> np.dtype[Any]:
    """In which `count` values are summed: that of the values where it can hold the sum, which is
    twice as fast."""
    import numpy as np

    kind = peaks.dtype
    if kind.kind == "u" and int(peaks.max()) * count <= np.iinfo(kind).max:
        return kind
    return np.dtype(np.float32)


def _pile_up(peaks: NDArray[Any]) -> float | None:
    """The value at which samples clip: of the bright ones many have it, and hardly any more."""
    import numpy as np

    if peaks.dtype.kind not in "iu":
        return None
    highest = int(peaks.max())
    usual = float(np.median(sample(peaks)))
    bright = peaks.reshape(-1)
    bright = bright[np.flatnonzero(bright > usual + 0.7 * (highest - usual))]
    values, counts = np.unique(bright, return_counts=True)
    if not values.size:
        return None
    best = int(counts.argmax())
    rivals = max(counts[:best].max(initial=0), counts[best + 1 :].sum())
    return float(values[best]) if counts[best] >= max(4, 4 * rivals) else None


def _centred(colour: Floats, place: tuple[int, int]) -> Floats:
    """As it would be in the middle of each Bayer cell: colours side by side make coloured rims."""
    import numpy as np

    for axis, at in enumerate(place):
        index = np.arange(colour.shape[axis]) + (1 - 2 * at)
        colour = np.float32(0.75) * colour + np.float32(0.25) * colour.take(
            index, axis, mode="clip"
        )
    return colour


def _take_out_hot(colours: list[Floats]) -> None:
    """Lone samples that are bright in one colour: no star is, through any lens."""
    import numpy as np

    rows, columns = colours[0].shape
    if min(rows, columns) < 3:
        return
    sky = [np.float32(np.median(sample(colour))) for colour in colours]
    limit = colours[0] + colours[1]
    limit += colours[2]
    limit -= sum(sky)
    least = np.float32(6 * noise_of(limit))
    limit *= np.float32(1 - _HOT)
    np.maximum(limit, least, out=limit)
    for plane, zero in zip(colours, sky, strict=True):
        row, column = np.divmod(np.flatnonzero(plane > limit + zero), columns)
        inside = (row > 0) & (row < rows - 1) & (column > 0) & (column < columns - 1)
        row, column = row[inside], column[inside]
        around = np.stack(
            [plane[row + y, column + x] for y, x in ((-1, 0), (1, 0), (0, -1), (0, 1))]
        )
        most = zero + np.float32(2 * _HOT) * (plane[row, column] - zero)
        hot = around.max(axis=0, initial=0) < most
        plane[row[hot], column[hot]] = around[:, hot].mean(axis=0)
