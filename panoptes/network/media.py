"""Whether a picture or a video is what its name says, and whole."""

from __future__ import annotations

import io
import re
from typing import TYPE_CHECKING

from panoptes.network.errors import BadInput

if TYPE_CHECKING:
    from PIL import Image

MOST_SEGMENTS = 10_000
"""Of a JPEG. A profile of colours in 64 KB pieces has 255 at most."""
MOST_SCANS = 100
"""Of a JPEG. Progressive ones have about ten; each costs as much as the whole picture."""
MAX_DECODED = 1 << 30
"""Bytes of memory that decoding a picture may take."""


def check_jpeg(data: bytes, *, max_pixels: int) -> None:
    """Decode a JPEG whole. Raises BadInput."""
    if not data.startswith(b"\xff\xd8\xff"):
        raise BadInput("not-a-picture", "it does not begin like a JPEG")
    _check_segments(data)
    _decode(data, "JPEG", max_pixels=max_pixels, pixels_a_byte=8 * 64)
    if _END_OF_IMAGE not in data[-_TRAILER_BYTES:]:
        raise BadInput("truncated-file", "its end mark is missing")


def check_png(data: bytes, *, max_pixels: int) -> None:
    """Decode a PNG whole. Raises BadInput."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        raise BadInput("not-a-picture", "it does not begin like a PNG")
    if b"IEND" not in data[-_TRAILER_BYTES:]:
        raise BadInput("truncated-file", "its end mark is missing")
    # A pixel is a bit or more before it is packed, and nothing is packed more than 1,032 times.
    _decode(data, "PNG", max_pixels=max_pixels, pixels_a_byte=8 * 1032)


def _decode(data: bytes, kind: str, *, max_pixels: int, pixels_a_byte: int) -> None:
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(data), formats=[kind]) as picture:
            _check_size(picture, len(data), max_pixels, pixels_a_byte)
            picture.load()
    except Image.DecompressionBombError as error:
        raise BadInput("too-large", str(error)) from error
    except UnidentifiedImageError as error:
        raise BadInput("not-a-picture", "its header cannot be read") from error
    except OSError as error:
        code = "truncated-file" if "truncated" in str(error) else "corrupt-data"
        raise BadInput(code, str(error)) from error
    except (ValueError, SyntaxError) as error:
        raise BadInput("corrupt-data", str(error)) from error


# The next marker, passing over stuffed bytes and restarts (ITU-T T.81, B.1.1).
_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")


def _check_segments(data: bytes) -> None:
    """Count a JPEG's segments and scans, whose decoders know no limit. Raises BadInput."""
    place = segments = scans = 0
    while found := _MARKER.search(data, place):
        place, kind = found.end(), found[1][0]
        if kind == 0xD9:
            return
        segments, scans = segments + 1, scans + (kind == 0xDA)
        if segments > MOST_SEGMENTS or scans > MOST_SCANS:
            raise BadInput("corrupt-data", f"{segments} segments, {scans} of them scans")
        if kind not in (0x01, 0xD8):
            place += int.from_bytes(data[place : place + 2], "big")


def _check_size(picture: Image.Image, size: int, max_pixels: int, pixels_a_byte: int) -> None:
    """Hold the size that a picture claims against its `size` in bytes and our limits."""
    pixels = picture.width * picture.height
    said = f"{picture.width} x {picture.height} pixels"
    # A progressive picture is kept as coefficients of two bytes until its last scan.
    a_pixel = len(picture.getbands()) * (3 if picture.info.get("progressive") else 1)
    if pixels > max_pixels or pixels * a_pixel > MAX_DECODED:
        raise BadInput("too-large", said)
    # A JPEG's block of 8 x 8 pixels takes a bit or more.
    if pixels > pixels_a_byte * size:
        raise BadInput("truncated-file", f"{said} cannot be in {size} bytes")


_END_OF_IMAGE = b"\xff\xd9"
_TRAILER_BYTES = 1 << 20
"""Some cameras append data of their own behind the picture."""


MOST_BOXES = 1_000_000
"""At the top of an MP4; one that is sent in fragments has two a fragment."""


def check_mp4(data: bytes) -> None:
    """Walk the top-level boxes of an MP4 (ISO/IEC 14496-12, section 4.2). Raises BadInput."""
    if data[4:8] != b"ftyp":
        raise BadInput("not-a-picture", "it does not begin like an MP4")
    offset, boxes, has_index = 0, 0, False
    while offset < len(data):
        head = data[offset : offset + 16]
        if len(head) < 8:
            raise BadInput("truncated-file", f"{len(data) - offset} stray bytes at its end")
        size, kind = int.from_bytes(head[:4], "big"), head[4:8]
        if size == 1:
            size = int.from_bytes(head[8:16], "big")
        elif size == 0:
            size = len(data) - offset
        if size < 8 or not kind.isascii() or not kind.decode("ascii").isprintable():
            raise BadInput("corrupt-data", f"a box of {size} bytes at byte {offset}")
        if offset + size > len(data):
            raise BadInput(
                "truncated-file",
                f"{offset + size} bytes are announced, {len(data)} are there",
            )
        boxes += 1
        if boxes > MOST_BOXES:
            raise BadInput("too-large", f"more than {MOST_BOXES} boxes")
        has_index = has_index or kind in (b"moov", b"moof")
        offset += size
    if not has_index:
        raise BadInput("truncated-file", "it has no index of its pictures (no 'moov' box)")
