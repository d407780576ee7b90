"""Plain FITS files of images, written directly."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from panoptes.network.fits.cards import Value, format_card, padded
from panoptes.network.fits.checksum import checksum, sealed_header

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Image: TypeAlias = NDArray[np.uint16] | NDArray[np.int32]

CardTuple: TypeAlias = tuple[str, Value, str]
"""Keyword, value and comment."""


@dataclass(frozen=True, eq=False)
class FitsImage:
    """One image of a FITS file: cards but for the structural ones, and physical values."""

    cards: tuple[CardTuple, ...]
    pixels: Image
    """(rows, columns), unsigned 16 or signed 32 bit."""
    name: str | None = None
    """EXTNAME; None for the primary image."""


def fits_bytes(images: Sequence[FitsImage]) -> bytes:
    """A FITS file of these images, the first as primary, with CHECKSUM and DATASUM.

    Unsigned 16-bit values are stored with BZERO = 32768 (FITS 4.0, 4.4.2.5 and 5.2.5).
    """
    import numpy as np

    parts: list[bytes | memoryview] = []
    for index, image in enumerate(images):
        if image.pixels.dtype == np.uint16:
            # The offset by 32768 is the flip of the highest bit, the first once swapped.
            stored = image.pixels.byteswap()
            stored ^= np.uint16(0x80)
            bitpix = 16
        else:
            stored = image.pixels.astype(">i4")
            bitpix = 32
        rows, columns = stored.shape
        cards: list[CardTuple] = [
            ("SIMPLE", True, "FITS standard 4.0")
            if index == 0
            else ("XTENSION", "IMAGE", "image extension"),
            ("BITPIX", bitpix, "bits a stored pixel"),
            ("NAXIS", 2, ""),
            ("NAXIS1", columns, ""),
            ("NAXIS2", rows, ""),
        ]
        if index == 0 and len(images) > 1:
            cards.append(("EXTEND", True, "extensions follow"))
        if index > 0:
            cards += [("PCOUNT", 0, ""), ("GCOUNT", 1, "")]
        if bitpix == 16:
            cards += [("BSCALE", 1, ""), ("BZERO", 32768, "unsigned 16-bit integers")]
        if image.name is not None:
            cards.append(("EXTNAME", image.name, ""))
        data = np.ascontiguousarray(stored).data.cast("B")
        lines = [format_card(*_printable(card)) for card in (*cards, *image.cards)]
        fill = padded(len(data)) - len(data)
        parts += [sealed_header(lines, checksum(data)), data, bytes(fill)]
    return b"".join(parts)


def _printable(card: CardTuple) -> CardTuple:
    """FITS headers are ASCII; what a camera or a name holds beyond it becomes ``?``."""
    keyword, value, comment = card
    if isinstance(value, str):
        text = value.encode("ascii", "replace").decode()
        value = "".join(letter if letter.isprintable() else "?" for letter in text)
    return keyword, value, comment
