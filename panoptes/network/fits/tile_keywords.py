"""A tiled image's keywords in its table (FITS 4.0, section 10.1.1), and back."""

from __future__ import annotations

import re

from panoptes.network.fits.cards import Header, keyword_of

TO_Z = {
    "SIMPLE": "ZSIMPLE",
    "XTENSION": "ZTENSION",
    "BITPIX": "ZBITPIX",
    "NAXIS": "ZNAXIS",
    "EXTEND": "ZEXTEND",
    "BLOCKED": "ZBLOCKED",
    "PCOUNT": "ZPCOUNT",
    "GCOUNT": "ZGCOUNT",
    "CHECKSUM": "ZHECKSUM",
    "DATASUM": "ZDATASUM",
}
_FROM_Z = {z: plain for plain, z in TO_Z.items()}
_AXIS = re.compile(r"NAXIS([1-9]\d*)")
_Z_AXIS = re.compile(r"ZNAXIS([1-9]\d*)")
OF_TABLE = re.compile(
    r"XTENSION|BITPIX|NAXIS[12]?|PCOUNT|GCOUNT|TFIELDS|THEAP|CHECKSUM|DATASUM"
    r"|T(?:TYPE|FORM|UNIT|NULL|SCAL|ZERO|DISP|DIM)[1-9]\d*"
    r"|ZIMAGE|ZCMPTYPE|ZMASKCMP|ZQUANTIZ|ZDITHER0|ZSCALE|ZZERO|ZBLANK"
    r"|Z(?:TILE|NAME|VAL)[1-9]\d*"
)


def to_z(keyword: str) -> str:
    """An image's keyword as the table has it."""
    return f"Z{keyword}" if _AXIS.fullmatch(keyword) else TO_Z.get(keyword, keyword)


def renamed(card: bytes, keyword: str) -> bytes:
    """The same card, value and comment to the byte, under another keyword."""
    return keyword.encode("latin-1").ljust(8) + card[8:]


def image_cards(header: Header) -> list[bytes]:
    """The cards of the image that a table holds, as they were before compression."""
    cards = []
    named = False
    for card in header.raw_cards():
        keyword = keyword_of(card)
        if keyword in _FROM_Z:
            cards.append(renamed(card, _FROM_Z[keyword]))
        elif _Z_AXIS.fullmatch(keyword):
            cards.append(renamed(card, keyword[1:]))
        elif keyword == "EXTNAME" and not named and b"'COMPRESSED_IMAGE'" in card:
            named = True
        elif not OF_TABLE.fullmatch(keyword):
            cards.append(card)
    return cards


def convention_cards(header: Header) -> list[bytes]:
    """The cards of the table and of the convention alone, without the image's own."""
    return [
        card
        for card in header.raw_cards()
        if (keyword := keyword_of(card)) not in ("CHECKSUM", "DATASUM")
        and (OF_TABLE.fullmatch(keyword) or keyword in _FROM_Z or _Z_AXIS.fullmatch(keyword))
    ]
