"""Files that are kept byte for byte: `.fits.fz`, `.jpg`, `.mp4`."""

from __future__ import annotations

from panoptes.network.site import Site
from panoptes.network.upload import Source

from panoptes.network.documents import Location
from panoptes.network.ingest.archive_image import archive_image
from panoptes.network.ingest.deposit import deposit, require, withdraw
from panoptes.network.ingest.isolation import guarded
from panoptes.network.ingest.outcome import Derived
from panoptes.network.ingest.retries import step
from panoptes.network.media import check_jpeg, check_mp4
from panoptes.network.names import FileType
from panoptes.network.storage.checksums import crc32c


@guarded
def keep_compressed_fits(site: Site, source: Source) -> Derived:
    """Decode a unit's `.fits.fz` whole, hold its checksums, and keep it as it is in `images`.

    Raises BadInput if it is damaged, or if another file's archive of the same image differs.
    """
    from panoptes.network.fits.archive import check_compressed

    data = site.read(source)
    content = check_compressed(
        data,
        max_pixels=site.settings.max_pixels,
        max_decoded=site.settings.max_decoded_bytes,
        max_header=site.settings.max_header_bytes,
    )
    return archive_image(site, source, data, data, content)


@guarded
def keep_picture(site: Site, source: Source) -> Derived:
    """Keep a unit's own `.jpg` in `previews`, or its `.mp4` in `timelapse`.

    Raises BadInput if it is not such a picture or video.
    """
    assert source.upload is not None
    data = site.read(source)
    role: str
    location: Location
    if source.upload.file_type is FileType.MP4:
        check_mp4(data)
        role, location = "timelapse", "timelapse"
    else:
        check_jpeg(data, max_pixels=site.settings.max_pixels)
        role, location = "picture", "previews"
    kept, duplicate_of = deposit(
        site,
        source,
        role,
        location,
        f"{source.upload.stem}.{source.upload.file_type.value}",
        data,
        same=data.__eq__,
    )
    return Derived(crc32c=crc32c(data), outputs=(kept,), duplicate_of=duplicate_of)


def verify_kept_bytes(site: Site, source: Source, derived: Derived) -> None:
    """Compare what was stored with the source, byte by byte.

    Where the file is a duplicate of another's archive, their images are compared instead.
    """
    from panoptes.network.fits.archive import ArchiveMismatch, same_image

    kept = derived.outputs[0]
    stored, data = require(site, kept), site.read(source)
    if stored == data:
        return
    if kept.role == "archive" and same_image(data, stored):
        return
    if derived.duplicate_of is None:
        withdraw(site, kept)
    raise ArchiveMismatch(f"{kept.location}/{kept.path} differs from {source.name}")


keep_fits = step("check and keep", cached="1")(keep_compressed_fits)
keep_media = step("keep", cached="1")(keep_picture)
verify_kept = step("verify")(verify_kept_bytes)
