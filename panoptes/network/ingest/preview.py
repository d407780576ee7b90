"""A picture of an image, to look at."""

from __future__ import annotations

from typing import TYPE_CHECKING

from panoptes.network.documents import Output
from panoptes.network.ingest.deposit import output_of, renew
from panoptes.network.ingest.provenance import recorded_sources
from panoptes.network.site import Site
from panoptes.network.storage.checksums import crc32c
from panoptes.network.upload import Source

if TYPE_CHECKING:
    from panoptes.network.cr2.frame import RawFrame
    from panoptes.network.fits.content import ImageContent

LONG_SIDE = 1024
"""Pixels."""


def preview_of_fits(site: Site, source: Source, content: ImageContent) -> tuple[Output, ...]:
    """Make and store the picture of a FITS image; nothing where none is wanted."""
    from panoptes.network.pictures import preview

    if not site.settings.previews_wanted or source.upload is None:
        return ()
    # POCS turns the frame upside down and keeps the camera's word: RGGB is GBRG in array order.
    pattern = "GBRG" if content.header.get("FILTER") == "RGGB" else None
    jpeg = preview(
        content.stored,
        pattern=pattern,
        long_side=LONG_SIDE,
        bottom_up=True,
        physical=content.physical,
    )
    return (store_preview(site, source, jpeg),)


def preview_of_raw(site: Site, source: Source, frame: RawFrame) -> tuple[Output, ...]:
    """Make and store the picture of a camera raw; nothing where none is wanted.

    Where the image's FITS file is archived, the picture is that one's.
    """
    from panoptes.network.pictures import preview

    if not site.settings.previews_wanted or source.upload is None or _has_fits(site, source):
        return ()
    jpeg = preview(frame.pixels, pattern=frame.pattern, long_side=LONG_SIDE)
    return (store_preview(site, source, jpeg),)


def _has_fits(site: Site, source: Source) -> bool:
    assert source.upload is not None
    image_id = source.upload.image_id
    image = site.catalog.get("images", image_id) if image_id else None
    return image is not None and "fits" in recorded_sources(image.fields)


def store_preview(site: Site, source: Source, jpeg: bytes) -> Output:
    """Write an image's picture under a name that no upload can have."""
    assert source.upload is not None
    path = f"{source.upload.stem}.preview-{LONG_SIDE}.jpg"
    written = renew(site, source, "previews", path, jpeg)
    return output_of("preview", "previews", written, crc32c(jpeg))
