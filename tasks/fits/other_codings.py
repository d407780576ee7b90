"""Tile codings that units hardly use: decoded by astropy, after the sizes were checked."""

from __future__ import annotations

import io
import math
import struct
import warnings
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from models.errors import BadInput
from models.fits.cards import format_card, header_bytes, padded
from tasks.fits.tile_table import convention_cards

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


def ask_astropy(table: TileTable) -> None:
    """Where no checksum speaks for a table, astropy's decoder must read it, too.

    Ours takes a damaged Rice stream that ends early or late; astropy's says so. Raises
    BadInput ``corrupt-data`` and ``bad-header``.
    """
    _astropys_image(table)


def decode_by_astropy(table: TileTable) -> Bytes:
    """The image's bytes as FITS stores them, in the shape of the image times its itemsize.

    Raises BadInput ``corrupt-data`` and ``bad-header``.
    """
    image = _astropys_image(table)
    if table.coding == "PLIO_1" and table.bitpix == 16 and table.header.get("BZERO") == 32768:
        # PLIO codes no negative numbers, so CFITSIO adds BZERO before it; astropy leaves it in.
        image = image.astype(np.int32) - 32768
    kind = "f" if table.bitpix < 0 else "i" if table.bitpix > 8 else "u"
    stored = np.ascontiguousarray(image, dtype=f">{kind}{table.itemsize}")
    return stored.reshape(-1).view(np.uint8)


def _astropys_image(table: TileTable) -> NDArray[np.generic]:
    """What astropy makes of the table, given the convention's own cards alone."""
    primary = [format_card("SIMPLE", True), format_card("BITPIX", 8), format_card("NAXIS", 0)]
    file = b"".join(
        [
            header_bytes([*primary, format_card("EXTEND", True)]),
            header_bytes(convention_cards(table.hdu.header)),
            table.data,
            bytes(padded(len(table.data)) - len(table.data)),
        ]
    )
    image = _read_by_astropy(file, table.hdu.index)
    if image.shape != table.shape:
        raise BadInput("corrupt-data", f"HDU {table.hdu.index} decodes to {image.shape}")
    return image


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
