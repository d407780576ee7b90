"""What is made of each type of file, and how that is compared with the file.

To add a type of file: CONTRIBUTING.md has the way.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from panoptes.network.documents import Output
from panoptes.network.errors import ConfigurationError
from panoptes.network.file_types import FileType
from panoptes.network.ingest.deposit import deposit, output_of, renew, require, roll_back
from panoptes.network.ingest.isolation import guarded
from panoptes.network.ingest.ledger import code_version
from panoptes.network.ingest.measuring import measure
from panoptes.network.ingest.outcome import Derived
from panoptes.network.ingest.provenance import recorded_sources
from panoptes.network.keywords import known_cards
from panoptes.network.media import check_jpeg, check_mp4, check_png
from panoptes.network.pictures import LONG_SIDE, preview
from panoptes.network.site import Site
from panoptes.network.storage.checksums import crc32c
from panoptes.network.upload import Source

if TYPE_CHECKING:
    from panoptes.network.cr2.frame import RawFrame
    from panoptes.network.cr2.planes import Colour, RawOrigin
    from panoptes.network.fits.content import ImageContent


@guarded
def compress(site: Site, source: Source) -> Derived:
    """Compress an uploaded `.fits` and put it into `images`.

    Raises BadInput if it is no FITS image, or if another file's archive of the same image
    differs from it.
    """
    from panoptes.network.fits.archive import compress_fits
    from panoptes.network.fits.content import check_source

    data = site.read(source)
    content = check_source(
        data,
        max_pixels=site.settings.max_pixels,
        max_decoded=site.settings.max_decoded_bytes,
        max_header=site.settings.max_header_bytes,
    )
    packed = compress_fits(data, method=site.settings.compression).data
    return _archive(site, source, data, packed, content)


def _verify_compressed(site: Site, source: Source, derived: Derived) -> None:
    """Compare every pixel and card of what was stored with the source.

    An archive that differs is rolled back before the error is raised.
    """
    from panoptes.network.fits.archive import ArchiveMismatch, verify_archive
    from panoptes.network.fits.content import same_image

    archive = derived.outputs[0]
    stored, data = require(site, archive), site.read(source)
    if derived.duplicate_of is not None:
        if not same_image(data, stored):
            raise ArchiveMismatch(f"{archive.path} no longer equals {source.name}")
        return
    try:
        verify_archive(data, stored)
    except ArchiveMismatch:
        roll_back(site, archive)
        raise


@guarded
def keep_compressed(site: Site, source: Source) -> Derived:
    """Decode a unit's `.fits.fz` whole, hold its checksums, and keep it as it is in `images`.

    Raises BadInput if it is damaged, or if another file's archive of the same image differs.
    """
    from panoptes.network.fits.content import check_compressed

    data = site.read(source)
    content = check_compressed(
        data,
        max_pixels=site.settings.max_pixels,
        max_decoded=site.settings.max_decoded_bytes,
        max_header=site.settings.max_header_bytes,
    )
    return _archive(site, source, data, data, content)


@guarded
def keep_media(site: Site, source: Source) -> Derived:
    """Keep a unit's own `.jpg` or `.png` in `previews`, or its `.mp4` in `timelapse`.

    Raises BadInput if it is not such a picture or video.
    """
    assert source.upload is not None
    data = site.read(source)
    _MEDIA[source.upload.file_type](data, max_pixels=site.settings.max_pixels)
    kept, duplicate_of = deposit(site, source, data, same=data.__eq__)
    return Derived(crc32c=crc32c(data), outputs=(kept,), duplicate_of=duplicate_of)


def _verify_kept(site: Site, source: Source, derived: Derived) -> None:
    """Compare what was stored with the source, byte by byte.

    Where the file is a duplicate of another's archive, their images are compared instead.
    """
    from panoptes.network.fits.archive import ArchiveMismatch
    from panoptes.network.fits.content import same_image

    kept = derived.outputs[0]
    stored, data = require(site, kept), site.read(source)
    if stored == data:
        return
    if kept.role == "archive" and same_image(data, stored):
        return
    if derived.duplicate_of is None:
        roll_back(site, kept)
    raise ArchiveMismatch(f"{kept.location}/{kept.path} differs from {source.name}")


@guarded
def make_rgb(site: Site, source: Source) -> Derived:
    """Keep a camera raw in `originals` and make its colour planes, ``STEM_r.fits.fz`` and so on.

    The planes hold the raw samples, unless `rawpy_options` ask for LibRaw's picture.
    Raises BadInput if it is no camera raw, or if another file of the same image differs.
    """
    from panoptes.network.cr2.frame import read_raw
    from panoptes.network.cr2.planes import plane_fits
    from panoptes.network.cr2.processed import processed_planes
    from panoptes.network.fits.archive import compress_fits

    assert source.upload is not None
    data = site.read(source)
    frame = read_raw(data, max_pixels=site.settings.max_pixels)
    # Decoding is the dearest part of it all; the samples are compared, not decoded, again.
    frame.pixels.flags.writeable = False
    source.memory.decoded = frame
    provenance = _origin(source, crc32c(data))
    if site.settings.rawpy_options is None:
        planes = plane_fits(frame, provenance)
    else:
        try:
            planes = processed_planes(
                data,
                site.settings.rawpy_options,
                provenance=provenance,
                max_pixels=site.settings.max_pixels,
            )
        except ValueError as error:
            raise ConfigurationError(f"rawpy_options of the network: {error}") from error
    original, duplicate_of = deposit(site, source, data, same=data.__eq__)
    if duplicate_of is not None:
        # The planes name the file that they were made from: they are the other's.
        return Derived(crc32c=crc32c(data), outputs=(original,), duplicate_of=duplicate_of)
    made: list[Output] = []
    for colour, plane in planes.items():
        # Smaller than Rice and half its cost, coding and decoding.
        packed = compress_fits(plane, method="GZIP_2").data
        path = f"{source.upload.stem}_{colour}.fits.fz"
        written = renew(site, source, "rgb", path, packed)
        made.append(output_of(f"rgb-{colour}", "rgb", written, crc32c(packed)))
    return Derived(
        crc32c=crc32c(data),
        outputs=(original, *made, *_preview_of_raw(site, source, frame)),
        header=known_cards({keyword: value for keyword, value, _ in frame.capture.cards()}),
    )


def _verify_rgb(site: Site, source: Source, derived: Derived) -> None:
    """Compare the kept original byte by byte and every plane sample by sample.

    The samples are those that the planes were made from where this process still has
    them; else the raw is decoded again. What differs is rolled back before the error is
    raised. Planes that LibRaw processed have no samples to compare; they are decoded whole.
    """
    from panoptes.network.cr2.frame import RawFrame
    from panoptes.network.cr2.planes import PlanesMismatch, verify_planes
    from panoptes.network.fits.content import check_compressed

    data = site.read(source)
    original = derived.outputs[0]
    if require(site, original) != data:
        if derived.duplicate_of is None:
            roll_back(site, original)
        raise PlanesMismatch(f"originals/{original.path} differs from {source.name}")
    if derived.duplicate_of is not None:
        return
    colours: tuple[Colour, ...] = ("r", "g", "b")
    outputs = {c: o for c in colours if (o := derived.output(f"rgb-{c}"))}
    stored = {colour: require(site, output) for colour, output in outputs.items()}
    if site.settings.rawpy_options is not None:
        for plane in stored.values():
            check_compressed(plane, max_pixels=site.settings.max_pixels)
        return
    try:
        frame = source.memory.decoded
        verify_planes(frame if isinstance(frame, RawFrame) else data, stored)
    except PlanesMismatch:
        for output in outputs.values():
            roll_back(site, output)
        raise


def _origin(source: Source, checksum: str) -> RawOrigin:
    from panoptes.network.cr2.planes import RawOrigin

    assert source.upload is not None
    return RawOrigin(
        source=source.name,
        generation=source.generation,
        crc32c=checksum,
        code_version=code_version(),
        image_id=source.upload.image_id,
        sequence_id=source.upload.sequence_id,
        unit_id=source.upload.sequence.unit_id,
        camera_id=source.upload.sequence.camera_id,
    )


def _archive(
    site: Site, source: Source, data: bytes, archived: bytes, content: ImageContent
) -> Derived:
    """Store `archived`, the archive form of the uploaded `data`, in `images`.

    Raises BadInput ``conflicts-with-archive`` if another file's archive of the same image
    differs from it in a pixel or a card.
    """
    from panoptes.network.fits.content import same_image

    archive, duplicate_of = deposit(site, source, archived, same=partial(same_image, data))
    return Derived(
        crc32c=crc32c(data),
        outputs=(archive, *preview_of_fits(site, source, content)),
        header=known_cards(content.header.mapping()),
        checksums=content.checksums,
        measured=measure(site, source, content),
        duplicate_of=duplicate_of,
    )


def preview_of_fits(site: Site, source: Source, content: ImageContent) -> tuple[Output, ...]:
    """Make and store the picture of a FITS image; nothing where none is wanted."""
    if not site.settings.previews_wanted:
        return ()
    from panoptes.network.fits.display import display_of

    display = display_of(content.header)
    jpeg = preview(
        content.stored,
        pattern=display.pattern,
        bottom_up=True,
        mirrored=display.mirrored,
        turns=display.turns,
        physical=content.physical,
        saturation=display.saturation,
    )
    return (_store_preview(site, source, jpeg),)


def _preview_of_raw(site: Site, source: Source, frame: RawFrame) -> tuple[Output, ...]:
    """Make and store the picture of a camera raw; nothing where none is wanted.

    Where the image's FITS file is archived, the picture is that one's.
    """
    assert source.upload is not None
    image_id = source.upload.image_id
    if not site.settings.previews_wanted:
        return ()
    image = site.catalog.get("images", image_id) if image_id else None
    if image is not None and "fits" in recorded_sources(image.fields):
        return ()
    return (_store_preview(site, source, preview(frame.pixels, pattern=frame.pattern)),)


def _store_preview(site: Site, source: Source, jpeg: bytes) -> Output:
    """Write an image's picture under a name that no upload can have."""
    assert source.upload is not None
    path = f"{source.upload.stem}.preview-{LONG_SIDE}.jpg"
    written = renew(site, source, "previews", path, jpeg)
    return output_of("preview", "previews", written, crc32c(jpeg))


_MEDIA: dict[FileType, Callable[..., None]] = {
    FileType.JPG: check_jpeg,
    FileType.PNG: check_png,
    FileType.MP4: lambda data, **_: check_mp4(data),
}


@dataclass(frozen=True)
class Derivation:
    """What is made of a file, and how that is compared with it."""

    make: Callable[[Site, Source], Derived]
    compare: Callable[[Site, Source, Derived], None]


DERIVATIONS: dict[FileType, Derivation] = {
    FileType.FITS: Derivation(compress, _verify_compressed),
    FileType.FITS_FZ: Derivation(keep_compressed, _verify_kept),
    FileType.CR2: Derivation(make_rgb, _verify_rgb),
    FileType.JPG: Derivation(keep_media, _verify_kept),
    FileType.PNG: Derivation(keep_media, _verify_kept),
    FileType.MP4: Derivation(keep_media, _verify_kept),
}


def verify(site: Site, source: Source, derived: Derived) -> None:
    """Read back what was made of a file and compare it with the file.

    Raises OutputLost where it is gone, and rolls back what differs before it raises.
    """
    assert source.upload is not None
    DERIVATIONS[source.upload.file_type].compare(site, source, derived)
