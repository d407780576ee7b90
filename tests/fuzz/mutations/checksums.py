"""Damaged FITS files with checksums that hold, or with none."""

from __future__ import annotations

from collections.abc import Iterator

from panoptes.network.errors import BadInput
from panoptes.network.fits.cards import CARD
from panoptes.network.fits.checksum import checksum, sealed_header
from panoptes.network.fits.structure import walk_hdus
from tests.fuzz.mutations.fits_headers import headers_of


def _summed(data: bytes) -> Iterator[tuple[int, int]]:
    return (
        (s, e) for s, e in headers_of(data) if b"CHECKSUM" in data[s:e] or b"DATASUM" in data[s:e]
    )


def unsealed(data: bytes) -> bytes:
    """Without checksums, so that damage is found by what follows them."""
    for start, end in _summed(data):
        cards = [data[i : i + CARD] for i in range(start, end, CARD)]
        kept = [b"COMMENT".ljust(CARD) if c[:8] in (b"CHECKSUM", b"DATASUM ") else c for c in cards]
        data = data[:start] + b"".join(kept) + data[end:]
    return data


def sealed_again(data: bytes) -> bytes:
    """With checksums that hold, as the damage of a writer would have them."""
    try:
        hdus = walk_hdus(data)
    except BadInput:
        return data
    parts = []
    for hdu in hdus:
        cards = [c.ljust(CARD) for c in hdu.header.raw_cards()]
        behind = data[hdu.data_offset : hdu.end]
        if any(c[:8] in (b"CHECKSUM", b"DATASUM ") for c in cards):
            kept = [c for c in cards if c[:8] not in (b"CHECKSUM", b"DATASUM ")]
            parts.append(sealed_header(kept, checksum(behind)))
        else:
            parts.append(data[hdu.offset : hdu.data_offset])
        parts.append(behind)
    return b"".join(parts) + data[hdus[-1].end :]
