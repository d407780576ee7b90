"""A camera raw as the sensor delivered it: visible Bayer samples and what they mean.

LibRaw (through rawpy) is the reference for every format. A Canon CR2 of a known camera
takes a shorter way through the same lossless JPEG stream, with the same result.
"""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, TypeAlias

from panoptes.network.cr2.capture import Capture, Four, read_capture
from panoptes.network.cr2.ljpeg import ends_as_decoded, read_ljpeg_frame
from panoptes.network.errors import BadInput, TransientError

if TYPE_CHECKING:
    import numpy as np
    import rawpy
    from numpy.typing import NDArray

    Samples: TypeAlias = NDArray[np.uint16]

MAX_PIXELS = 200_000_000
"""Four times the largest CR2 there is, the EOS 5DS's 8896 x 5920."""

Decoder: TypeAlias = Literal["libraw", "ljpeg"]


@dataclass(frozen=True, eq=False)
class RawFrame:
    """One exposure's samples, never scaled, subtracted or balanced."""

    pixels: Samples
    """(rows, columns), the first row at the top of the sensor."""
    pattern: str
    """Colours of rows 0 and 1, columns 0 and 1 of `pixels`, such as ``RGGB``."""
    black: Four
    """Black levels in the order of `pattern`."""
    saturation: int
    """The level at which the sensor's samples clip."""
    highest: int
    """No sample is above this."""
    left: int
    """Columns of the sensor left of `pixels`."""
    top: int
    """Rows of the sensor above `pixels`."""
    decoder: Decoder
    capture: Capture = field(default_factory=Capture)


def read_raw(cr2: bytes, *, max_pixels: int = MAX_PIXELS) -> RawFrame:
    """Decode a camera raw of any format that LibRaw reads, whatever its suffix.

    Raises BadInput: ``empty-file``; ``not-a-raw`` when there are no samples in it;
    ``truncated-file`` when they end early; ``corrupt-data`` when they cannot be decoded;
    ``too-large`` when it claims more than `max_pixels` (nothing is allocated then);
    ``unsupported-format`` when the sensor has no 2 x 2 Bayer pattern. Raises TransientError when
    memory runs out. Damage that leaves the stream decodable is not seen: compare checksums
    of the file before.
    """
    with opened_raw(cr2, max_pixels) as (raw, capture):
        return _decode_known(cr2, capture, raw) or _decode_libraw(capture, raw)


@contextmanager
def opened_raw(data: bytes, max_pixels: int) -> Iterator[tuple[rawpy.RawPy, Capture]]:
    """The file in LibRaw, nothing decoded yet, and what it says where it is TIFF-based.

    Raises as `read_raw` does, for what is done with it, too.
    """
    import rawpy

    try:
        capture = read_capture(data)
    except BadInput as error:
        if error.code != "not-a-raw":
            raise
        # Raws that are no TIFF are left to LibRaw.
        capture = Capture()
    with rawpy.RawPy() as raw:
        with _libraw_errors(data, capture, opening=True):
            raw.open_buffer(io.BytesIO(data))
        sizes, strip = raw.sizes, capture.strip
        samples = sizes.raw_width * sizes.raw_height
        if samples > max_pixels:
            raise BadInput("too-large", f"it claims {sizes.raw_width} x {sizes.raw_height} pixels")
        _check_strip(data, capture)
        # Lossless JPEG takes a bit or more a sample; decoders fill up what is not there.
        if strip is not None and strip.compression == 6 and samples > 8 * strip.length:
            raise BadInput("truncated-file", f"{samples} samples cannot be in {strip.length} bytes")
        with _libraw_errors(data, capture):
            yield raw, capture


def _check_strip(data: bytes, capture: Capture) -> None:
    strip = capture.strip
    if strip is not None and strip.offset + strip.length > len(data):
        wanted = strip.offset + strip.length
        raise BadInput("truncated-file", f"{wanted} bytes expected, {len(data)} present")


@contextmanager
def _libraw_errors(data: bytes, capture: Capture, *, opening: bool = False) -> Iterator[None]:
    """Turn LibRaw's errors into what happens next."""
    import rawpy

    try:
        yield
    except (rawpy.LibRawFileUnsupportedError, rawpy.LibRawDataError) as error:
        # A CR2 cut short before its fourth IFD or its samples is no raw to LibRaw.
        _check_strip(data, capture)
        unsupported = isinstance(error, rawpy.LibRawFileUnsupportedError)
        if unsupported and capture.is_cr2 and capture.strip is None:
            raise BadInput(
                "truncated-file", f"it ends after {len(data)} bytes, before the samples"
            ) from error
        raise BadInput("not-a-raw" if unsupported else "corrupt-data", _said(error)) from error
    except rawpy.LibRawIOError as error:
        _check_strip(data, capture)
        if opening and not capture.is_cr2:
            raise BadInput("not-a-raw", f"nothing to decode in {len(data)} bytes") from error
        raise BadInput(
            "truncated-file", f"its samples end early; {len(data)} bytes present"
        ) from error
    except rawpy.LibRawUnsufficientMemoryError as error:
        raise TransientError(f"no memory to decode a raw: {_said(error)}") from error
    except rawpy.LibRawError as error:
        code = _CODES.get(type(error).__name__)
        if code is None:
            raise
        raise BadInput(code, _said(error)) from error


_CODES = {
    "LibRawTooBigError": "too-large",
    "LibRawBadCropError": "corrupt-data",
    "LibRawUnspecifiedError": "corrupt-data",
    "LibRawMemPoolOverflowError": "corrupt-data",
    "LibRawNotImplementedError": "unsupported-format",
    "LibRawRequestForNonexistentImageError": "unsupported-format",
}
"""What LibRaw's errors about a file mean; its others are ours."""


def _said(error: Exception) -> str:
    """LibRaw's message, which rawpy hands on as bytes."""
    message = error.args[0] if error.args else ""
    return message.decode("ascii", "replace") if isinstance(message, bytes) else str(message)


def _decode_libraw(capture: Capture, raw: rawpy.RawPy) -> RawFrame:
    raw.unpack()
    pattern = raw.raw_pattern
    if raw.raw_type.name != "Flat" or pattern is None or pattern.shape != (2, 2):
        raise BadInput("unsupported-format", "its sensor has no 2 x 2 Bayer pattern")
    colors = [int(color) for color in pattern.reshape(-1)]
    letters = "".join(chr(raw.color_desc[color]) for color in colors)
    if sorted(letters) != sorted("RGGB"):
        raise BadInput("unsupported-format", f"its sensor's pattern is {letters}")
    levels = raw.black_level_per_channel
    a, b, c, d = (int(levels[color]) for color in colors)
    black = (a, b, c, d)
    if capture.black_levels is not None:
        # The camera's own statement; LibRaw averages the masked border and rounds down.
        black = _by_place(letters, capture.black_levels)
    pixels = raw.raw_image_visible.copy()
    return RawFrame(
        pixels=pixels,
        pattern=letters,
        black=black,
        saturation=int(raw.white_level),
        highest=int(pixels.max()),
        left=raw.sizes.left_margin,
        top=raw.sizes.top_margin,
        decoder="libraw",
        capture=capture if capture.make else _libraw_capture(raw),
    )


def _by_place(pattern: str, levels: Four) -> Four:
    """Canon's R, G1, G2, B in the order of `pattern`; G1 is the green in the row of red."""
    red, green, second, blue = levels
    upper, lower = pattern[:2], pattern[2:]
    a, b, c, d = (
        {"R": red, "B": blue, "G": green if "R" in row else second}[letter]
        for row in (upper, lower)
        for letter in row
    )
    return a, b, c, d


def _libraw_capture(raw: rawpy.RawPy) -> Capture:
    """What LibRaw tells of a raw that is no TIFF. Its time depends on this machine's zone and
    is left out."""
    other = raw.other
    return Capture(
        iso=int(other.iso_speed) or None,
        exposure=_decimal(other.shutter_speed),
        f_number=_decimal(other.aperture),
        focal_length=_decimal(other.focal_length),
    )


def _decimal(value: float) -> float | None:
    """A single-precision number as the decimal it stands for; None for LibRaw's 0."""
    return float(f"{value:.6g}") if value > 0 else None


_SATURATION = {
    0x80000218: 15600,  # 5D Mark II
    0x80000250: 13584,  # 7D
    0x80000252: 13433,  # 500D
    0x80000261: 15763,  # 50D
    0x80000270: 15831,  # 550D
    0x80000285: 15488,  # 5D Mark III
    0x80000286: 13584,  # 600D
    0x80000287: 12279,  # 60D
    0x80000288: 13584,  # 1100D
    0x80000289: 13584,  # 7D Mark II
    0x80000301: 13645,  # 650D
    0x80000302: 15490,  # 6D
    0x80000325: 15303,  # 70D
    0x80000326: 15360,  # 700D
    0x80000327: 14274,  # 1200D
    0x80000346: 13583,  # 100D
    0x80000347: 15360,  # 760D
    0x80000393: 15360,  # 750D
    0x80000404: 14274,  # 1300D
}
"""Clipping levels by Canon's model number, as in LibRaw's table of cameras.

LibRaw tells them only after it has decoded the samples, and the pattern as well."""

_SHIFTED = frozenset({(4832, 3228), (5344, 3516), (5360, 3516), (5792, 3804)})
"""Sensors of these cameras (columns, rows) with an odd number of rows above the image.

LibRaw leaves the first row out there, which makes them GBRG; all others are RGGB."""


def _decode_known(data: bytes, capture: Capture, raw: rawpy.RawPy) -> RawFrame | None:
    """The samples of a CR2 whose structure leaves no question; None for any other.

    LibRaw has opened the file, so the margins are its own; it has not decoded anything.
    """
    import imagecodecs
    import numpy as np

    strip, sizes = capture.strip, raw.sizes
    saturation = _SATURATION.get(capture.model_id or 0)
    black = capture.black_levels
    if strip is None or saturation is None or black is None or strip.slices is None:
        return None
    scan = data[strip.offset : strip.offset + strip.length]
    frame = read_ljpeg_frame(scan)
    count, width, last = strip.slices
    height, columns = sizes.raw_height, sizes.raw_width
    if frame is None or not (
        capture.make == "Canon"
        and strip.compression == 6
        and strip.sraw_type == 1
        and frame.bits == 14
        and frame.components in (2, 4)
        and frame.columns * frame.rows * frame.components == height * columns
        and width > 0
        and last > 0
        and count * width + last == columns
    ):
        return None
    try:
        # libjpeg-turbo takes half the time of the other, and of 1,500 damaged streams it
        # judged all as LibRaw does. It has ideas of its own about four colours.
        two = frame.components == 2
        stream = imagecodecs.jpeg8_decode(scan) if two else imagecodecs.ljpeg_decode(scan)
    except (imagecodecs.LjpegError, imagecodecs.Jpeg8Error):
        # LibRaw has the last word on what can be decoded and how to say it.
        return None
    if stream.dtype != np.uint16 or stream.size != height * columns:
        return None
    flat = stream.reshape(-1)
    tail = min(frame.columns, 48) * frame.components
    highest = int(flat.max())
    if highest >> frame.bits or not ends_as_decoded(scan, frame, flat[-tail:].tolist()):
        # Damaged, and LibRaw sees more of damage than this decoder.
        return None
    samples = np.empty((height, columns), np.uint16)
    for index in range(count + 1):
        first = index * width
        share = width if index < count else last
        part = flat[first * height : (first + share) * height]
        samples[:, first : first + share] = part.reshape(height, share)
    left, top = sizes.left_margin, sizes.top_margin
    pattern = "GBRG" if (columns, height) in _SHIFTED else "RGGB"
    return RawFrame(
        pixels=samples[top : top + sizes.height, left : left + sizes.width],
        pattern=pattern,
        black=_by_place(pattern, black),
        saturation=saturation,
        highest=highest,
        left=left,
        top=top,
        decoder="ljpeg",
        capture=capture,
    )
