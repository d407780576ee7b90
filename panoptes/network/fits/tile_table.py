"""The table that holds a tile-compressed image, written (FITS Standard 4.0, section 10).

Its layout is fpack's: a BINTABLE with one variable-length column of coded tiles, whose
header carries the image's own cards behind those of the table.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from panoptes.network.fits.cards import Header, format_card, keyword_of
from panoptes.network.fits.checksum import add_checksums, checksum, sealed_header, shift_checksum
from panoptes.network.fits.structure import Hdu
from panoptes.network.fits.tile_keywords import OF_TABLE, renamed, to_z
from panoptes.network.fits.tiles import RICE_BLOCK, Method, encode_tiles

MAX_DIMENSIONS = 3
"""More are legal, but CFITSIO reads sections of compressed images of at most three."""

MAX_SHORT_HEAP = 0x7FFFFFFF
"""Bytes that 32-bit descriptors (P) reach; beyond, they have 64 bits (Q)."""

_TAKEN = re.compile(
    rf"{OF_TABLE.pattern}|SIMPLE|END|NAXIS\d*|ZTABLE|ZTILELEN|ZTHEAP|Z(?:FORM|CTYP)\d+"
    r"|T(?:BCOL|CTYP|CUNI|CRPX|CRVL|CDLT|RPOS)\d+"
    rf"|Z(?:SIMPLE|TENSION|BITPIX|NAXIS\d*|EXTEND|BLOCKED|PCOUNT|GCOUNT|HECKSUM|DATASUM)"
)
_READ_BY_ALL: dict[str, type | tuple[type, ...]] = {
    "CHECKSUM": str,
    "DATASUM": str,
    "PCOUNT": int,
    "GCOUNT": int,
    "EXTEND": bool,
    "BLOCKED": bool,
    "EXTNAME": str,
    "BSCALE": (int, float),
    "BZERO": (int, float),
    "BLANK": int,
}
"""Cards that readers act upon: once, and of this type, or they disagree."""
# CFITSIO copies no others, and takes a leading hyphen for an order to delete.
_KEYWORD = re.compile(r"(?!-)[A-Za-z0-9_-]*")


def can_hold(hdu: Hdu) -> bool:
    """Whether a table can hold this image so that funpack, astropy and fitsio agree on it.

    Tried on all three, they do not for 64-bit integers, more than three axes, and headers
    that use names of the convention's own cards, repeat or garble cards that readers act
    upon, hold NUL bytes, keywords that CFITSIO does not copy or stray CONTINUE cards
    (astropy loses the HDU). Other bytes that are not ASCII are kept, though funpack blanks
    them on restoring, as it does in HDUs that are not compressed.
    """
    if not hdu.pixels or hdu.bitpix == 64 or len(hdu.shape) > MAX_DIMENSIONS:
        return False
    names = [keyword_of(card) for card in hdu.header.raw_cards()]
    structure = 3 + len(hdu.shape)
    if hdu.index:
        if names[structure : structure + 2] != ["PCOUNT", "GCOUNT"]:
            return False
        structure += 2
    if any(map(_only_looks_taken, hdu.header.raw_cards())):
        return False
    seen: set[str] = set()
    for keyword, value, _ in hdu.header.cards:
        name = keyword.upper()
        expected = _READ_BY_ALL.get(name)
        if name == "CONTINUE" or (expected and (name in seen or not isinstance(value, expected))):
            return False
        seen.add(name)
    return (
        all(_KEYWORD.fullmatch(name) for name in names)
        and b"\0" not in hdu.header.raw
        and hdu.header.get("PCOUNT", 0) == 0
        and hdu.header.get("GCOUNT", 1) == 1
        and hdu.header.get("EXTNAME") != "COMPRESSED_IMAGE"
        and not any(
            _TAKEN.fullmatch(name) and name not in _READ_BY_ALL for name in names[structure:]
        )
    )


def _only_looks_taken(card: bytes) -> bool:
    """Whether some readers take this card for one of the table's or the convention's own.

    astropy finds keywords in any case, and those behind HIERARCH, under the same name.
    """
    name = keyword_of(card)
    if name == name.upper() and name != "HIERARCH":
        return False
    meant = Header(card).cards[0].keyword.upper()
    return meant in _READ_BY_ALL or _TAKEN.fullmatch(meant) is not None


def empty_primary() -> bytes:
    """The HDU before the table of a file's first image: a table cannot be the first."""
    cards = [
        format_card("SIMPLE", True, "file does conform to FITS standard"),
        format_card("BITPIX", 8, "number of bits per data pixel"),
        format_card("NAXIS", 0, "number of data axes"),
        format_card("EXTEND", True, "FITS dataset may contain extensions"),
    ]
    return sealed_header(cards, 0)


def write_table(file: bytes | memoryview, hdu: Hdu, *, coding: Method, rows: int) -> list[bytes]:
    """The parts of the table HDU, in order, that holds the image `hdu`.

    A tile is `rows` whole rows of one plane. RICE_1 takes integers only.
    """
    height = hdu.shape[-2] if len(hdu.shape) > 1 else 1
    width = hdu.shape[-1]
    rows = min(rows, height)
    plane = [rows * width] * (height // rows)
    if height % rows:
        plane.append(height % rows * width)
    lengths = plane * (hdu.pixels // (width * height))

    runs = list(encode_tiles(hdu.data(file), hdu.itemsize, lengths, coding))
    sizes = np.array([size for run in runs for size in run.sizes], np.int64)
    heap = int(sizes.sum())
    wide = heap > MAX_SHORT_HEAP
    descriptors = np.empty((len(sizes), 2), ">i8" if wide else ">i4")
    descriptors[:, 0] = sizes
    descriptors[:, 1] = np.cumsum(sizes) - sizes
    table = descriptors.tobytes()

    position = len(table)
    sums = [checksum(table)]
    for run in runs:
        sums.append(shift_checksum(run.checksum, position))
        position += len(run.data)
    tile = [width, rows, *(1 for _ in hdu.shape[2:])][: len(hdu.shape)]
    form = f"1{'Q' if wide else 'P'}B({sizes.max()})"
    row = descriptors.itemsize * 2
    header = sealed_header(
        _table_cards(hdu, coding, tile, form, row, len(sizes), heap), add_checksums(sums)
    )
    padding = bytes(-position % 2880)
    return [header, table, *(run.data for run in runs), padding]


def _table_cards(
    hdu: Hdu, coding: str, tile: Sequence[int], form: str, row: int, count: int, heap: int
) -> list[bytes]:
    cards = [
        format_card("XTENSION", "BINTABLE", "binary table extension"),
        format_card("BITPIX", 8, "8-bit bytes"),
        format_card("NAXIS", 2, "2-dimensional binary table"),
        format_card("NAXIS1", row, "width of table in bytes"),
        format_card("NAXIS2", count, "number of rows in table"),
        format_card("PCOUNT", heap, "size of special data area"),
        format_card("GCOUNT", 1, "one data group"),
        format_card("TFIELDS", 1, "number of fields in each row"),
        format_card("TTYPE1", "COMPRESSED_DATA", "label for field 1"),
        format_card("TFORM1", form, "variable-length array"),
        format_card("ZIMAGE", True, "extension contains compressed image"),
        *(
            format_card(f"ZTILE{n}", length, "size of tiles to be compressed")
            for n, length in enumerate(tile, 1)
        ),
        format_card("ZCMPTYPE", coding, "compression algorithm"),
    ]
    if coding == "RICE_1":
        cards += [
            format_card("ZNAME1", "BLOCKSIZE", "compression block size"),
            format_card("ZVAL1", RICE_BLOCK, "pixels per block"),
            format_card("ZNAME2", "BYTEPIX", "bytes per pixel (1, 2, 4, or 8)"),
            format_card("ZVAL2", hdu.itemsize, "bytes per pixel (1, 2, 4, or 8)"),
        ]
    if hdu.bitpix < 0:
        cards.append(format_card("ZQUANTIZ", "NONE", "lossless compression"))
    own = hdu.header.raw_cards()
    if not any(keyword_of(card) == "EXTNAME" for card in own):
        cards.append(format_card("EXTNAME", "COMPRESSED_IMAGE"))
    return cards + [renamed(card, to_z(keyword_of(card))) for card in own]
