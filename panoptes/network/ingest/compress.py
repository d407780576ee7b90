"""`.fits` to an archived `.fits.fz`: compressed without loss, read back and compared."""

from __future__ import annotations

from panoptes.network.site import Site
from panoptes.network.upload import Source

from panoptes.network.ingest.archive_image import archive_image
from panoptes.network.ingest.deposit import require, withdraw
from panoptes.network.ingest.isolation import guarded
from panoptes.network.ingest.outcome import Derived
from panoptes.network.ingest.retries import step


@guarded
def compress_fits_file(site: Site, source: Source) -> Derived:
    """Compress an uploaded `.fits` and put it into `images`.

    Raises BadInput if it is no FITS image, or if another file's archive of the same image
    differs from it.
    """
    from panoptes.network.fits.archive import check_source, compress_fits

    data = site.read(source)
    content = check_source(
        data,
        max_pixels=site.settings.max_pixels,
        max_decoded=site.settings.max_decoded_bytes,
        max_header=site.settings.max_header_bytes,
    )
    packed = compress_fits(data, method=site.settings.compression).data
    return archive_image(site, source, data, packed, content)


def verify_compressed(site: Site, source: Source, derived: Derived) -> None:
    """Compare every pixel and card of what was stored with the source.

    An archive that differs is withdrawn before the error is raised.
    """
    from panoptes.network.fits.archive import ArchiveMismatch, same_image, verify_archive

    archive = derived.outputs[0]
    stored, data = require(site, archive), site.read(source)
    if derived.duplicate_of is not None:
        if not same_image(data, stored):
            raise ArchiveMismatch(f"{archive.path} no longer equals {source.name}")
        return
    try:
        verify_archive(data, stored)
    except ArchiveMismatch:
        withdraw(site, archive)
        raise


compress = step("compress", cached="2")(compress_fits_file)
verify = step("verify")(verify_compressed)
