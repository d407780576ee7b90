"""Tile codings that units hardly use: decoded by astropy, after the sizes were checked."""

from __future__ import annotations

import io
import math
import struct
import warnings
import zlib
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from panoptes.network.errors import BadInput
from panoptes.network.fits.cards import format_card, header_bytes, keyword_of, padded
from panoptes.network.fits.tile_keywords import convention_cards
from panoptes.network.fits.tile_table import empty_primary
from panoptes.network.fits.tiles import TileDecoder

if TYPE_CHECKING:
    from panoptes.network.fits.tile_reader import TileTable
    from panoptes.network.fits.tiles import Bytes


def _check_streams(table: TileTable) -> None:
    """Refuse streams that would lead astropy's decoders astray, which are in C or know no limit.

    Raises BadInput ``corrupt-data``.
    """
    check = {
        "GZIP_1": _check_gzip,
        "GZIP_2": _check_gzip,
        "RICE_1": _check_rice,
        "RICE_ONE": _check_rice,
        "HCOMPRESS_1": _check_hcompress,
        "PLIO_1": _check_plio,
    }.get(table.coding)
    for number, count in enumerate(table.counts):
        tile = table.coded(number)
        if len(tile) and check is not None:
            check(table, tile, count, number)
        elif not len(tile) and table.gzipped is not None:
            sizes, offsets = table.gzipped
            start = int(offsets[number])
            _check_gzip(table, table.heap[start : start + int(sizes[number])], count, number)


def _refuse(number: int, why: str) -> BadInput:
    return BadInput("corrupt-data", f"tile {number} {why}")


def _check_gzip(table: TileTable, tile: memoryview, count: int, number: int) -> None:
    """astropy inflates all that there is, member after member."""
    inflater = zlib.decompressobj(31)
    most = 8 * count
    try:
        whole = len(inflater.decompress(tile, most + 1)) <= most and inflater.eof
    except zlib.error as error:
        raise _refuse(number, f"cannot be inflated: {error}") from error
    if not whole or inflater.unused_data.strip(b"\0"):
        raise _refuse(number, f"does not inflate to {count} pixels")


def _check_rice(table: TileTable, tile: memoryview, count: int, number: int) -> None:
    """CFITSIO looks for the end of a run of zeros wherever it may be, beyond the stream too.

    A stream is whole if what lies behind it makes no difference.
    """
    if len(tile) <= table.rice_bytes:
        raise _refuse(number, f"has {len(tile)} bytes")
    decoder = TileDecoder("RICE_1", table.rice_bytes, table.rice_bytes, table.rice_block)
    one, other = (decoder.decode([tile], [count], first=number, behind=b) for b in (0xFF, 0x55))
    if not np.array_equal(one, other):
        raise _refuse(number, "ends too early")


def _check_hcompress(table: TileTable, tile: memoryview, count: int, number: int) -> None:
    """Magic, sizes and numbers of bit planes, of 64 bits at most; see `_BEYOND`."""
    head = bytes(tile[:25])
    good = len(head) == 25 and head[:2] == b"\xdd\x99"
    good = good and math.prod(struct.unpack(">ii", head[2:10])) == count
    good = good and min(struct.unpack(">ii", head[2:10])) > 0 and max(head[22:25]) <= 64
    if not good:
        raise _refuse(number, "is no HCOMPRESS_1 stream")


def _check_plio(table: TileTable, tile: memoryview, count: int, number: int) -> None:
    """The header says how many 16-bit words there are (IRAF pixel list interface)."""
    head = struct.unpack(">7h", tile[:14].tobytes().ljust(14, b"\0"))
    words = head[2] if head[2] > 0 else (head[4] << 15) + head[3]
    if words not in range(7, len(tile) // 2 + 1):
        raise _refuse(number, "is no PLIO_1 stream")


def decode_by_astropy(table: TileTable) -> Bytes:
    """The image's bytes as FITS stores them, in the shape of the image times its itemsize.

    Raises BadInput ``corrupt-data`` and ``bad-header``.
    """
    _check_streams(table)
    # astropy is given the convention's own cards alone.
    cards, data = convention_cards(table.hdu.header), bytes(table.data)
    if table.coding == "HCOMPRESS_1":
        cards, data = _with_room_behind(table, cards)
    data = data.ljust(padded(len(data)), b"\0")
    file = empty_primary() + header_bytes(cards) + data
    image = _read_by_astropy(file, table.hdu.index)
    if image.shape != table.shape:
        raise BadInput("corrupt-data", f"HDU {table.hdu.index} decodes to {image.shape}")
    if table.coding == "PLIO_1" and table.bitpix == 16 and table.header.get("BZERO") == 32768:
        # PLIO codes no negative numbers, so CFITSIO adds BZERO before it; astropy leaves it in.
        image = image.astype(np.int32) - 32768
    kind = "f" if table.bitpix < 0 else "i" if table.bitpix > 8 else "u"
    stored = np.ascontiguousarray(image, dtype=f">{kind}{table.itemsize}")
    return stored.reshape(-1).view(np.uint8)


_BEYOND = 20
"""Bytes a pixel that a damaged HCOMPRESS stream can have its decoder read beyond the end: in
each of 64 bit planes a quarter of the pixels by half a byte, odd sizes rounded up, and signs."""


def _with_room_behind(table: TileTable, cards: list[bytes]) -> tuple[list[bytes], bytes]:
    """Cards and data of the same table, each tile with zeros behind it.

    The decoder of HCOMPRESS does not know where its stream ends.
    """
    height, width = table.hdu.shape
    rows = np.frombuffer(table.data[: height * width], np.uint8).reshape(height, width).copy()
    wide = table.column.kind == "Q"
    places = np.zeros((height, 2), ">i8" if wide else ">i4")
    parts = [bytes(table.data[height * width :])]
    end = len(table.heap)
    for number, count in enumerate(table.counts):
        tile = bytes(table.coded(number))
        if tile:
            unit = table.column.element
            tile += bytes(_BEYOND * count + 1024)
            tile += bytes(-len(tile) % unit)
            places[number] = len(tile) // unit, end
            parts.append(tile)
            end += len(tile)
    start = table.column.start
    rows[:, start : start + 2 * places.itemsize] = places.view(np.uint8).reshape(height, -1)
    data = b"".join([rows.tobytes(), *parts])
    size = format_card("PCOUNT", len(data) - height * width)
    return [size if keyword_of(card) == "PCOUNT" else card for card in cards], data


def _read_by_astropy(file: bytes, index: int) -> NDArray[np.generic]:
    """The image in HDU 1 of a file; `index` is its number in the upload, for messages.

    Damage makes astropy raise nearly anything, from CFITSIO's own exception through struct's,
    zlib's and gzip's errors to AttributeError; it documents none of them. So all are taken for
    the file's fault here, where nothing of ours runs. Only memory that has run out is not.
    """
    from astropy.io import fits
    from astropy.io.fits.verify import VerifyError

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            with fits.open(io.BytesIO(file), memmap=False, do_not_scale_image_data=True) as hdus:
                return np.asarray(hdus[1].data)
        except MemoryError:
            raise
        except VerifyError as error:
            raise BadInput("bad-header", f"HDU {index}: {_said(error)}") from error
        except Exception as error:
            raise BadInput("corrupt-data", f"HDU {index}: {_said(error)}") from error


def _said(error: Exception) -> str:
    """The first line of a message that may go on for pages."""
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
