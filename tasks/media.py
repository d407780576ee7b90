"""Whether a picture or a video is what its name says, and whole."""

from __future__ import annotations

import io

from models.errors import BadInput


def check_jpeg(data: bytes, *, max_pixels: int) -> None:
    """Decode a JPEG whole. Raises BadInput."""
    from PIL import Image, UnidentifiedImageError

    if not data.startswith(b"\xff\xd8\xff"):
        raise BadInput("not-a-picture", "it does not begin like a JPEG")
    try:
        with Image.open(io.BytesIO(data), formats=["JPEG"]) as picture:
            if picture.width * picture.height > max_pixels:
                raise BadInput("too-large", f"{picture.width} x {picture.height} pixels")
            picture.load()
        if _END_OF_IMAGE not in data[-_TRAILER_BYTES:]:
            raise BadInput("truncated-file", "its end mark is missing")
    except Image.DecompressionBombError as error:
        raise BadInput("too-large", str(error)) from error
    except UnidentifiedImageError as error:
        raise BadInput("not-a-picture", "its header cannot be read") from error
    except OSError as error:
        code = "truncated-file" if "truncated" in str(error) else "corrupt-data"
        raise BadInput(code, str(error)) from error
    except (ValueError, SyntaxError) as error:
        raise BadInput("corrupt-data", str(error)) from error


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
