"""Tile codings that units hardly use: decoded by astropy, after the sizes were checked."""

from __future__ import annotations

import io
import math
import struct
from typing import TYPE_CHECKING

import numpy as np

from models.errors import BadInput
from models.fits.cards import format_card, header_bytes, padded

if TYPE_CHECKING:
    from tasks.fits.tile_reader import TileTable
    from tasks.fits.tiles import Bytes


def check_streams(table: TileTable) -> None:
    """Refuse HCOMPRESS and PLIO streams whose own sizes would lead a decoder astray.

    Their decoders (in C) believe the sizes in the stream. Raises BadInput
    ``corrupt-data``.
    """
    for number, count in enumerate(table.counts):
        tile = bytes(table.coded(number)[:14])
        if not tile:
            continue
        if table.coding == "HCOMPRESS_1":
            good = len(tile) == 14 and tile[:2] == b"\xdd\x99"
            good = good and math.prod(struct.unpack(">ii", tile[2:10])) == count
            good = good and min(struct.unpack(">ii", tile[2:10])) > 0
        else:
            words = len(table.coded(number)) // 2
            good = len(tile) >= 14 and _plio_words(tile) in range(7, words + 1)
        if not good:
            raise BadInput("corrupt-data", f"tile {number} is no {table.coding} stream")


def _plio_words(tile: bytes) -> int:
    """16-bit words of a PLIO stream, by its header (IRAF pixel list interface)."""
    head = struct.unpack(">7h", tile)
    if head[2] > 0:
        return int(head[2])
    return int((head[4] << 15) + head[3])


def decode_by_astropy(table: TileTable) -> Bytes:
    """The image's bytes as FITS stores them, in the shape of the image times its itemsize.

    Raises BadInput ``corrupt-data`` where astropy cannot decode it.
    """
    from astropy.io import fits

    from tasks.fits.tile_table import convention_cards

    primary = [format_card("SIMPLE", True), format_card("BITPIX", 8), format_card("NAXIS", 0)]
    file = b"".join(
        [
            header_bytes([*primary, format_card("EXTEND", True)]),
            header_bytes(convention_cards(table.hdu.header)),
            table.data,
            bytes(padded(len(table.data)) - len(table.data)),
        ]
    )
    try:
        with fits.open(io.BytesIO(file), do_not_scale_image_data=True) as hdus:
            image = np.asarray(hdus[1].data)
    except MemoryError:
        raise
    except Exception as error:
        # Damaged data makes astropy raise nearly anything: struct.error, ValueError,
        # zlib.error, KeyError, TypeError.
        raise BadInput("corrupt-data", f"HDU {table.hdu.index}: {error}") from error
    if image.shape != table.shape:
        raise BadInput("corrupt-data", f"HDU {table.hdu.index} decodes to {image.shape}")
    if table.coding == "PLIO_1" and table.bitpix == 16 and table.header.get("BZERO") == 32768:
        # PLIO codes no negative numbers, so CFITSIO adds BZERO before it; astropy leaves it in.
        image = image.astype(np.int32) - 32768
    kind = "f" if table.bitpix < 0 else "i" if table.bitpix > 8 else "u"
    stored = np.ascontiguousarray(image, dtype=f">{kind}{table.itemsize}")
    return stored.reshape(-1).view(np.uint8)
