"""A FITS file to its lossless archive form `.fits.fz`, and the proof that nothing is lost."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from panoptes.network.errors import BadInput
from panoptes.network.fits.content import decoded
from panoptes.network.fits.structure import Hdu, checksums_hold, walk_hdus
from panoptes.network.fits.tile_keywords import image_cards
from panoptes.network.fits.tile_reader import TileTable, read_table
from panoptes.network.fits.tile_table import can_hold, empty_primary, write_table
from panoptes.network.fits.tiles import Method

_MIN_TILE = {"GZIP_2": 16384, "RICE_1": 64}
"""Pixels below which a tile costs more than it holds."""


class ArchiveMismatch(Exception):
    """What was stored is not what came in: a defect of ours, of a library or of the machine."""


@dataclass(frozen=True)
class CompressedFits:
    """A `.fits.fz` as made by `compress_fits`."""

    data: bytes
    codings: tuple[str | None, ...]
    """Of each HDU of the source: how it was coded, None where it was copied as it is."""


def compress_fits(
    source: bytes, *, method: Method = "GZIP_2", rows_per_tile: int | None = None
) -> CompressedFits:
    """The file tile-compressed without loss (FITS Standard 4.0, section 10), as fpack does.

    Images of BITPIX 8, 16, 32, -32 and -64 are coded as stored, so scaling and the
    unsigned convention stay as they are; floating-point ones always as GZIP_2, never
    quantised. Every card is kept to the byte; the source's CHECKSUM and DATASUM become
    ZHECKSUM and ZDATASUM even if they are stale, and every written table has fresh
    ones. HDUs that hold no image, that are compressed already, or that the common
    readers could not all restore (`can_hold`) are copied as they are. The same bytes
    always give the same bytes.

    `rows_per_tile` is 64 by default for GZIP_2 and 1 for RICE_1 (fpack's), more where rows
    are very short. Raises BadInput as `walk_hdus` does, ``no-image``, and
    ``unsupported-format`` for random groups.
    """
    hdus = walk_hdus(source)
    if any(hdu.kind == "random-groups" for hdu in hdus):
        raise BadInput("unsupported-format", "random groups")
    if not any(hdu.pixels or hdu.kind == "compressed-image" for hdu in hdus):
        raise BadInput("no-image", f"none of its {len(hdus)} HDUs has pixels")
    parts: list[bytes | memoryview] = []
    codings: list[str | None] = []
    for hdu in hdus:
        if not can_hold(hdu):
            parts += _as_it_is(source, hdu)
            codings.append(None)
            continue
        coding = method if hdu.bitpix > 0 else "GZIP_2"
        if hdu.index == 0:
            parts.append(empty_primary())
        rows = rows_per_tile or (64 if coding == "GZIP_2" else 1)
        rows = max(rows, -(-_MIN_TILE[coding] // hdu.shape[-1]))
        parts += write_table(source, hdu, coding=coding, rows=rows)
        codings.append(coding)
    return CompressedFits(b"".join(parts), tuple(codings))


def _as_it_is(source: bytes, hdu: Hdu) -> list[bytes | memoryview]:
    """The HDU's bytes; padding that the file has lost is put back."""
    view = memoryview(source)
    header, data = view[hdu.offset : hdu.data_offset], view[hdu.data_offset : hdu.end]
    blanks = b" " * (hdu.header.length - len(header))
    return [header, blanks, data, bytes(hdu.end - hdu.data_offset - len(data))]


def verify_archive(source: bytes, stored: bytes) -> None:
    """Every pixel and every card of `stored` equals `source`, HDU by HDU, to the byte.

    Only padding is not compared. Raises ArchiveMismatch with the first difference, and
    BadInput where the source is no FITS file.
    """
    hdus = walk_hdus(source)
    try:
        kept = walk_hdus(stored)
        if hdus[0].pixels and not kept[0].pixels:
            kept = kept[1:]
        for mine, theirs in zip_longest(hdus, kept):
            if mine is None or theirs is None:
                raise ArchiveMismatch(f"{len(hdus)} HDUs went in, {len(kept)} are stored")
            _verify_hdu(source, mine, stored, theirs)
    except BadInput as error:
        raise ArchiveMismatch(f"what was stored cannot be read: {error}") from error


def _verify_hdu(source: bytes, hdu: Hdu, stored: bytes, kept: Hdu) -> None:
    name = f"HDU {hdu.index}"
    if hdu.kind == "compressed-image" or kept.kind != "compressed-image":
        _same_cards(name, hdu.header.raw_cards(), kept.header.raw_cards())
        if hdu.data(source) != kept.data(stored):
            raise ArchiveMismatch(f"{name}: the data differ")
        return
    if checksums_hold(stored, kept) != ("holds", "holds"):
        raise ArchiveMismatch(f"{name}: the checksums of the table do not hold")
    table = read_table(stored, kept, max_pixels=hdu.pixels)
    _same_cards(name, hdu.header.raw_cards(), image_cards(kept.header))
    _same_pixels(name, hdu, hdu.data(source), table)


def _same_cards(name: str, wanted: list[bytes], found: list[bytes]) -> None:
    for number, (mine, theirs) in enumerate(zip_longest(wanted, found), 1):
        if mine != theirs:
            raise ArchiveMismatch(f"{name}, card {number}: {mine!r} is stored as {theirs!r}")


def _same_pixels(name: str, hdu: Hdu, data: memoryview, table: TileTable) -> None:
    if (table.bitpix, table.shape) != (hdu.bitpix, hdu.shape):
        raise ArchiveMismatch(
            f"{name}: {hdu.shape} pixels of BITPIX {hdu.bitpix} are stored as "
            f"{table.shape} of {table.bitpix}"
        )
    kind = f"u{hdu.itemsize}"
    position = 0
    for part in decoded(table):
        wanted = np.frombuffer(data[position : position + part.size], kind)
        if not np.array_equal(part.view(kind), wanted):
            pixel = position // hdu.itemsize + int(np.argmax(part.view(kind) != wanted))
            raise ArchiveMismatch(f"{name}: pixel {pixel} differs")
        position += part.size
    if position != len(data):
        raise ArchiveMismatch(f"{name}: {position} bytes of pixels instead of {len(data)}")
