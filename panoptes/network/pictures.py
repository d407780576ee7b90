"""Pictures to look at, of an image or of a part of it.

**Brightness** is one stretch for all colours (Lupton et al. 2004, PASP 116, 133), so that a star
has the same colour wherever it is bright. By default it is measured on the noise of the sky: an
even sky is a dark grey, five times the noise is seen, and bright stars are still apart. Clouds,
moonlight and the darker corners of a lens stay visible, but are flattened.

**Colours** are those of the Bayer planes. Their sky is neutral everywhere, because each plane's
own background is taken off before colours are compared, and stars are white on average. What
does not stand out of the noise is grey, and a lone bright sample of one colour (a hot pixel) is
taken out.

**Saturation**: white is what holds a clipped sample, and nothing else is. Around it a star has
its colour, as far as the screen has room for one so bright.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    Number = TypeVar("Number", bound=np.generic)
    Pixels: TypeAlias = NDArray[np.generic]
    Floats: TypeAlias = NDArray[np.float32]
    Mask: TypeAlias = NDArray[np.bool_]

LONG_SIDE = 1024
"""Pixels."""
THUMBNAIL_SIDE = 320
"""Pixels."""
MOST_DECODED = 40_000_000
"""Pixels of a picture that are in memory at once."""
Curve: TypeAlias = Literal["asinh", "linear", "sqrt", "log"]
Format: TypeAlias = Literal["jpg", "png"]

_SAMPLE = 20_000
"""Pixels that a level is measured on."""
_CHUNK = 1 << 18
"""Pixels that are binned at once; they stay in the processor's cache."""
_BRIGHTEST = 0.88
"""Of white, for whatever is not saturated."""
_CELLS = (8, 12)
"""Rows and columns of the mesh on which the sky is measured."""
_SKY = 3.5
"""Times the noise that the sky is above black."""
_UNEVEN = 1.5
"""Times the noise, beyond which the sky's unevenness is shown by its logarithm."""
_SOFTENING = 10
"""Times the noise, where asinh turns from linear to logarithmic."""
_HALF_COLOUR = 6
"""Times the noise at which half of a colour is shown."""
_SATURATED = 0.6
"""Of a colour's strength; all of it would show the lens's own fringes more than the stars."""
_HOT = 0.2
"""Of a hot pixel's light that the other colours hold at most."""


@dataclass(frozen=True)
class Stretch:
    """How values become brightness."""

    curve: Curve = "asinh"
    low: float | None = None
    """Shown black, in the image's values; None: a little below the sky."""
    high: float | None = None
    """Shown as bright as can be; None: what one pixel of a thousand is above."""


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
    """A JPEG of at most `long_side` pixels, as the module's docstring says.

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
        shown = _stretched(colours, clipped, stretch or Stretch())
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
    usual = float(np.median(_sample(peaks)))
    bright = peaks.reshape(-1)
    bright = bright[np.flatnonzero(bright > usual + 0.7 * (highest - usual))]
    values, counts = np.unique(bright, return_counts=True)
    if not values.size:
        return None
    best = int(counts.argmax())
    rivals = max(counts[:best].max(initial=0), counts[best + 1 :].sum())
    return float(values[best]) if counts[best] >= max(4, 4 * rivals) else None


def _stretched(colours: list[Floats], clipped: Mask, stretch: Stretch) -> Image.Image:
    import numpy as np
    from PIL import Image

    finite = np.isfinite(colours[0])
    for colour in colours[1:]:
        finite &= np.isfinite(colour)
    if not finite.any():
        return Image.new("L" if len(colours) == 1 else "YCbCr", finite.shape[::-1])
    if not finite.all():
        for colour in colours:
            colour[~finite] = np.median(_sample(colour[finite]))
    meshes = [_mesh(colour) for colour in colours]
    if len(colours) == 3:
        for colour, mesh, gain in zip(
            colours, meshes, _gains(colours, meshes, clipped), strict=True
        ):
            colour *= np.float32(gain)
            mesh *= np.float32(gain)
    light, sky = _luma(colours), _luma(meshes)
    level = float(np.median(sky))
    light -= np.float32(level)
    sky -= np.float32(level)
    every = max(1, light.size // 100_000)
    noise = _noise(light[::every] - _resized(sky, light[::every].shape))
    if stretch.low is None and noise:
        width = np.float32(_UNEVEN * noise)
        light += _resized(np.arcsinh(sky / width) * width - sky, light.shape)
    bright = _curved(light, level, noise, stretch)
    np.minimum(bright, np.float32(_BRIGHTEST), out=bright)
    chroma = []
    if len(colours) == 3:
        chroma = _chroma(bright, colours, meshes, noise, clipped)
    luma = (bright * np.float32(255)).astype(np.uint8)
    luma[clipped] = 255
    luma[~finite] = 0
    grey = Image.fromarray(luma)
    return Image.merge("YCbCr", (grey, *chroma)) if chroma else grey


def _luma(planes: list[Floats]) -> Floats:
    """Brightness as people see it (ITU-R BT.601, as in JPEG)."""
    import numpy as np

    if len(planes) == 1:
        return planes[0].copy()
    total = planes[0] * np.float32(0.299)
    total += planes[1] * np.float32(0.587)
    total += planes[2] * np.float32(0.114)
    return total


def _sample(values: NDArray[Number]) -> NDArray[Number]:
    flat = values.reshape(-1)
    return flat[:: max(1, flat.size // _SAMPLE)]


def _noise(values: Floats) -> float:
    """The standard deviation of what is no star, from the median deviation.

    Where more than half is exactly even, a thousandth of the range; 0 for a constant image.
    """
    import numpy as np

    sample = _sample(values)
    found = 1.4826 * float(np.median(np.abs(sample - np.median(sample))))
    return found or float(values.max() - values.min()) / 1000


def _mesh(colour: Floats) -> Floats:
    """The sky: medians of cells, in their rows and columns.

    None is further from the others than these are apart: a bright star is no sky."""
    import numpy as np

    down, across = (
        max(1, min(most, size // 32)) for most, size in zip(_CELLS, colour.shape, strict=True)
    )
    height, width = (size // n for size, n in zip(colour.shape, (down, across), strict=True))
    cells = colour[: down * height, : across * width].reshape(down, height, across, width)
    sparse = cells[:, :: max(1, height // 12), :, :: max(1, width // 12)]
    of_each = sparse.transpose(0, 2, 1, 3).reshape(down, across, -1)
    mesh = np.median(of_each, axis=2).astype(np.float32)
    middle = np.median(mesh)
    apart = 6 * np.median(np.abs(mesh - middle))
    return np.clip(mesh, middle - apart, middle + apart)


def _resized(mesh: Floats, shape: tuple[int, ...]) -> Floats:
    """Bilinear, between the middles of the cells."""
    import numpy as np

    return _drawn_out(np.ascontiguousarray(_drawn_out(mesh.T, shape[1]).T), shape[0])


def _drawn_out(rows: Floats, length: int) -> Floats:
    """`length` rows in place of so many cells."""
    import numpy as np

    cells = len(rows)
    if cells == 1:
        return rows.repeat(length, axis=0)
    places = (np.arange(length, dtype=np.float32) + np.float32(0.5)) * np.float32(cells / length)
    places = np.clip(places - np.float32(0.5), 0, cells - 1)
    above = np.minimum(places.astype(np.intp), cells - 2)
    out: Floats = np.diff(rows, axis=0).take(above, axis=0)
    out *= (places - above).astype(np.float32)[:, None]
    out += rows.take(above, axis=0)
    return out


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
    sky = [np.float32(np.median(_sample(colour))) for colour in colours]
    limit = colours[0] + colours[1]
    limit += colours[2]
    limit -= sum(sky)
    least = np.float32(6 * _noise(limit))
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


def _gains(colours: list[Floats], meshes: list[Floats], clipped: Mask) -> list[float]:
    """What red, green and blue are multiplied by, so that stars are white on average.

    Within what the colour filters of cameras ask for: a single red star stays red.
    """
    import numpy as np

    every = max(1, clipped.size // 100_000)
    red, green, blue = (
        plane[::every] - _resized(mesh, plane[::every].shape)
        for plane, mesh in zip(colours, meshes, strict=True)
    )
    stars = np.flatnonzero((green > np.float32(10 * _noise(green))) & ~clipped[::every])
    if stars.size < 20:
        return [1.9, 1.0, 1.5]
    light = [float(plane.reshape(-1)[stars].sum()) for plane in (red, green, blue)]
    return [min(3.0, max(1.0, light[1] / max(each, 1e-3 * light[1]))) for each in light]


def _curved(values: Floats, level: float, noise: float, stretch: Stretch) -> Floats:
    """0 to 1 and beyond, from values above the sky's `level`."""
    import numpy as np

    if not noise and stretch.low is None:
        return np.full(values.shape, 0.5 if level else 0, np.float32)
    below, span = (_SKY, 50) if stretch.curve == "asinh" else (2, 20)
    low = -below * noise if stretch.low is None else stretch.low - level
    if stretch.high is None:
        high = max(float(np.percentile(_sample(values), 99.8)), low + span * noise)
    else:
        high = stretch.high - level
    width = max(high - low, 1e-30)
    scaled = values
    scaled -= np.float32(low)
    scaled /= np.float32(width)
    np.maximum(scaled, 0, out=scaled)
    if stretch.curve == "sqrt":
        np.sqrt(scaled, out=scaled)
    elif stretch.curve == "log":
        np.log1p(scaled * np.float32(1000), out=scaled)
        scaled /= np.float32(np.log1p(1000))
    elif stretch.curve == "asinh":
        soft = min(0.3, max(1e-4, _SOFTENING * noise / width))
        scaled /= np.float32(soft)
        np.arcsinh(scaled, out=scaled)
        scaled /= np.float32(np.arcsinh(1 / soft))
    return scaled


def _chroma(
    bright: Floats, colours: list[Floats], meshes: list[Floats], noise: float, clipped: Mask
) -> list[Image.Image]:
    """Cb and Cr: the colour of what stands out of the noise.

    Colours are seen more coarsely than brightness, so they are reckoned for each two by two
    pixels, as a JPEG keeps them. What has no room for its colour loses half of what is missing in
    brightness, the other half in colour.
    """
    import numpy as np
    from PIL import Image

    rows, columns = bright.shape
    excess = []
    for plane, mesh in zip(colours, meshes, strict=True):
        coarse = np.array(Image.fromarray(plane).reduce(2))
        coarse -= _resized(mesh, coarse.shape)
        excess.append(coarse)
    light = _luma(excess)
    # A mean of four has half of the noise.
    half = np.float32((_HALF_COLOUR * noise / 2) ** 2 + 1e-30)
    strength = np.maximum(light, 0) / (light * light + half) * np.float32(_SATURATED)
    row, column = np.nonzero(clipped)
    strength[row // 2, column // 2] = 0  # what is clipped tells no colour
    tints = [strength * (plane - light) for plane in excess]
    shown = np.array(Image.fromarray(bright).reduce(2))
    # The screen has so much room above the brightness; beyond it, stars get whiter.
    most = np.maximum(np.maximum(tints[0], tints[1]), tints[2])
    limit = 1 / (1 + most / 2)
    row, column = np.nonzero(limit < shown)
    for y, x in np.ndindex(2, 2):
        at = np.minimum(2 * row + y, rows - 1), np.minimum(2 * column + x, columns - 1)
        bright[at] = np.minimum(bright[at], limit[row, column])
    shown = np.minimum(shown, limit)
    shown = np.minimum(shown, (1 - shown) / np.maximum(most, np.float32(1e-6)))
    chroma = []
    for tint, scale in ((tints[2], 0.564), (tints[0], 0.713)):
        values = np.clip(np.float32(128.5) + np.float32(255 * scale) * tint * shown, 0, 255)
        small = Image.fromarray(values.astype(np.uint8))
        box = (0, 0, columns / 2, rows / 2)
        chroma.append(small.resize((columns, rows), Image.Resampling.NEAREST, box))
    return chroma
