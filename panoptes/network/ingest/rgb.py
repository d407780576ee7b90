"""`.cr2` to the kept original and its R, G and B planes."""

from __future__ import annotations

from panoptes.network.site import Site
from panoptes.network.upload import Source

from panoptes.network.cr2.planes import Colour, Provenance
from panoptes.network.documents import Output
from panoptes.network.errors import ConfigurationError
from panoptes.network.ingest.deposit import deposit, output_of, require, withdraw
from panoptes.network.ingest.isolation import guarded
from panoptes.network.ingest.ledger import code_version
from panoptes.network.ingest.outcome import Derived
from panoptes.network.ingest.preview import preview_of_raw
from panoptes.network.ingest.retries import step
from panoptes.network.keywords import known_cards
from panoptes.network.storage.checksums import crc32c


@guarded
def make_rgb_files(site: Site, source: Source) -> Derived:
    """Keep a camera raw in `originals` and make its colour planes, ``STEM_r.fits.fz`` and so on.

    The planes hold the raw samples, unless `rawpy_options` ask for LibRaw's picture.
    Raises BadInput if it is no camera raw, or if another file of the same image differs.
    """
    from panoptes.network.cr2.planes import plane_fits, read_raw
    from panoptes.network.cr2.processed import processed_planes
    from panoptes.network.fits.archive import compress_fits

    assert source.upload is not None
    data = site.read(source)
    frame = read_raw(data, max_pixels=site.settings.max_pixels)
    # Decoding is the dearest part of it all; the samples are compared, not decoded, again.
    frame.pixels.flags.writeable = False
    site.remember(source, frame)
    provenance = _provenance(source, crc32c(data))
    if site.settings.rawpy_options is None:
        planes = plane_fits(frame, provenance)
    else:
        try:
            planes = processed_planes(data, site.settings.rawpy_options, provenance=provenance)
        except ValueError as error:
            raise ConfigurationError(f"rawpy_options of the network: {error}") from error
    original, duplicate_of = deposit(
        site,
        source,
        "original",
        "originals",
        f"{source.upload.stem}.cr2",
        data,
        same=lambda stored: stored == data,
    )
    if duplicate_of is not None:
        # The planes name the file that they were made from: they are the other's.
        return Derived(crc32c=crc32c(data), outputs=(original,), duplicate_of=duplicate_of)
    made: list[Output] = []
    for colour, plane in planes.items():
        # Smaller than Rice and half its cost, coding and decoding.
        packed = compress_fits(plane, method="GZIP_2").data
        path = f"{source.upload.stem}_{colour}.fits.fz"
        written = site.write("rgb", path, packed)
        made.append(output_of(f"rgb-{colour}", "rgb", written, crc32c(packed)))
    return Derived(
        crc32c=crc32c(data),
        outputs=(original, *made, *preview_of_raw(site, source, frame)),
        header=known_cards({keyword: value for keyword, value, _ in frame.capture.cards()}),
    )


def verify_rgb_files(site: Site, source: Source, derived: Derived) -> None:
    """Compare the kept original byte by byte and every plane sample by sample.

    The samples are those that the planes were made from where this process still has
    them; else the raw is decoded again. What differs is withdrawn before the error is
    raised. Planes that LibRaw processed have no samples to compare; they are decoded whole.
    """
    from panoptes.network.cr2.planes import PlanesMismatch, RawFrame, verify_planes
    from panoptes.network.fits.archive import check_compressed

    data = site.read(source)
    original = derived.outputs[0]
    if require(site, original) != data:
        if derived.duplicate_of is None:
            withdraw(site, original)
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
        frame = site.remembered(source)
        verify_planes(frame if isinstance(frame, RawFrame) else data, stored)
    except PlanesMismatch:
        for output in outputs.values():
            withdraw(site, output)
        raise


def _provenance(source: Source, checksum: str) -> Provenance:
    assert source.upload is not None
    return Provenance(
        source=source.name,
        generation=source.generation,
        crc32c=checksum,
        code_version=code_version(),
        image_id=source.upload.image_id,
        sequence_id=source.upload.sequence_id,
        unit_id=source.upload.sequence.unit_id,
        camera_id=source.upload.sequence.camera_id,
    )


make_rgb = step("make rgb", cached="2")(make_rgb_files)
verify_rgb = step("verify")(verify_rgb_files)
