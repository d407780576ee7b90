"""An uploaded file's own bytes, got back from its archive."""

from __future__ import annotations

from collections.abc import Iterator

from panoptes.network.file_types import FileType


def uploaded_bytes(file_type: str | None, archived: bytes) -> Iterator[bytes]:
    """What the upload can have been, byte for byte; the caller's checksum says which it was.

    All but `.fits` is kept as it came. Raises BadInput as `fits.content.decode` does.
    """
    yield archived
    if file_type == FileType.FITS:
        yield _unpacked(archived, own_primary=False)
        yield _unpacked(archived, own_primary=True)


def _unpacked(archived: bytes, *, own_primary: bool) -> bytes:
    """As funpack gives it back; the empty primary HDU before a table is left out unless it
    was the file's own."""
    from panoptes.network.fits.cards import padded
    from panoptes.network.fits.content import MAX_PIXELS, decoded
    from panoptes.network.fits.structure import walk_hdus
    from panoptes.network.fits.tile_keywords import image_cards
    from panoptes.network.fits.tile_reader import read_table

    hdus = walk_hdus(archived)
    if not own_primary and len(hdus) > 1 and hdus[1].kind == "compressed-image":
        hdus = hdus[1:]
    parts: list[bytes] = []
    for hdu in hdus:
        if hdu.kind != "compressed-image":
            parts.append(archived[hdu.offset : hdu.end])
            continue
        header = b"".join(image_cards(hdu.header))
        if b"END".ljust(80) not in header[-80:]:
            header += b"END".ljust(80)
        table = read_table(archived, hdu, max_pixels=MAX_PIXELS)
        data = b"".join(bytes(part) for part in decoded(table))
        parts += [
            header.ljust(padded(len(header)), b" "),
            data.ljust(padded(len(data)), b"\0"),
        ]
    return b"".join(parts)
