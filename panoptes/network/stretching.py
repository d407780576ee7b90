"""From an image's values to the brightness and colours of a picture.

**Brightness** is one stretch for all colours (Lupton et al. 2004, PASP 116, 133), so that a star
has the same colour wherever it is bright. By default it is measured on the noise of the sky: an
even sky is a dark grey, five times the noise is seen, and bright stars are still apart. Clouds,
moonlight and the darker corners of a lens stay visible, but are flattened.

**Colours** are those of the Bayer planes. Their sky is neutral everywhere, because each plane's
own background is taken off before colours are compared, and stars are white on average. What
does not stand out of the noise is grey.

**Saturation**: white is what holds a clipped sample, and nothing else is. Around it a star has
its colour, as far as the screen has room for one so bright.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias, TypeVar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image

    Number = TypeVar("Number", bound=np.generic)
    Floats: TypeAlias = NDArray[np.float32]
    Mask: TypeAlias = NDArray[np.bool_]

Curve: TypeAlias = Literal["asinh", "linear", "sqrt", "log"]

_SAMPLE = 20_000
"""Pixels that a level is measured on."""
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


@dataclass(frozen=True)
class Stretch:
    """How values become brightness."""

    curve: Curve = "asinh"
    low: float | None = None
    """Shown black, in the image's values; None: a little below the sky."""
    high: float | None = None
    """Shown as bright as can be; None: what one pixel of a thousand is above."""


def stretched(colours: list[Floats], clipped: Mask, stretch: Stretch) -> Image.Image:
    """The picture of one plane (grey), or of red, green and blue; white where it is `clipped`.

    The planes are (rows, columns), and are changed.
    """
    import numpy as np
    from PIL import Image

    finite = np.isfinite(colours[0])
    for colour in colours[1:]:
        finite &= np.isfinite(colour)
    if not finite.any():
        return Image.new("L" if len(colours) == 1 else "YCbCr", finite.shape[::-1])
    if not finite.all():
        for colour in colours:
            colour[~finite] = np.median(sample(colour[finite]))
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
    noise = noise_of(light[::every] - _resized(sky, light[::every].shape))
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


def sample(values: NDArray[Number]) -> NDArray[Number]:
    """So many of the values, evenly spread, as a level is measured on."""
    flat = values.reshape(-1)
    return flat[:: max(1, flat.size // _SAMPLE)]


def noise_of(values: Floats) -> float:
    """The standard deviation of what is no star, from the median deviation.

    Where more than half is exactly even, a thousandth of the range; 0 for a constant image.
    """
    import numpy as np

    some = sample(values)
    found = 1.4826 * float(np.median(np.abs(some - np.median(some))))
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
    stars = np.flatnonzero((green > np.float32(10 * noise_of(green))) & ~clipped[::every])
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
        high = max(float(np.percentile(sample(values), 99.8)), low + span * noise)
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
