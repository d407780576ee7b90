"""Putting a FITS image into the archive of record, with its picture, and saying what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from panoptes.network.site import Site
from panoptes.network.upload import Source

from panoptes.network.ingest.deposit import deposit
from panoptes.network.ingest.outcome import Derived
from panoptes.network.ingest.preview import preview_of_fits
from panoptes.network.keywords import known_cards
from panoptes.network.storage.checksums import crc32c

if TYPE_CHECKING:
    from panoptes.network.fits.archive import ImageContent


def archive_image(
    site: Site, source: Source, data: bytes, archived: bytes, content: ImageContent
) -> Derived:
    """Store `archived`, the archive form of the uploaded `data`, in `images`.

    Raises BadInput ``conflicts-with-archive`` if another file's archive of the same image
    differs from it in a pixel or a card.
    """
    from panoptes.network.fits.archive import same_image

    assert source.upload is not None
    archive, duplicate_of = deposit(
        site,
        source,
        "archive",
        "images",
        f"{source.upload.stem}.fits.fz",
        archived,
        same=lambda stored: same_image(data, stored),
    )
    return Derived(
        crc32c=crc32c(data),
        outputs=(archive, *preview_of_fits(site, source, content)),
        header=known_cards(content.header.mapping()),
        checksums=content.checksums,
        duplicate_of=duplicate_of,
    )
