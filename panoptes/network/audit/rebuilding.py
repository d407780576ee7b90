"""An upload ingested again from what was archived of it, the archived object left as it is."""

from __future__ import annotations

from pydantic import ValidationError

from panoptes.network.audit.claims import record_of
from panoptes.network.audit.originals import uploaded_bytes
from panoptes.network.documents import File, Image, Location, Output, Provenance
from panoptes.network.errors import BadInput
from panoptes.network.ingest.deposit import OutputLost, output_of
from panoptes.network.ingest.derive import make_rgb, preview_of_fits, verify
from panoptes.network.ingest.ledger import read_entry
from panoptes.network.ingest.outcome import Derived
from panoptes.network.ingest.record import record_image_file
from panoptes.network.keywords import known_cards
from panoptes.network.names import FileType, display_name, document_key, parse_upload
from panoptes.network.site import Site
from panoptes.network.storage.checksums import crc32c
from panoptes.network.storage.store import NotFound, PreconditionFailed, Unreadable
from panoptes.network.upload import Source


class CannotMend(Exception):
    """A person has to decide; the message says why."""


def rebuild(site: Site, name: str, image_id: str | None) -> None:
    """Writes the documents of an uploaded file again, and makes what is derived from it.

    The archived object is compared with its recorded checksum first and is never written.
    Where the ledger has lost its entry, the image's document says what was uploaded.
    Raises CannotMend.
    """
    source, record, duplicate_of = _recorded(site, name, image_id)
    try:
        data, _ = site.store(record.location).read(record.path)
    except (NotFound, BadInput, Unreadable) as error:
        raise CannotMend(f"{record.path} in {record.location} cannot be read: {error}") from error
    if crc32c(data) != record.crc32c:
        raise CannotMend(f"{record.path} in {record.location} is damaged itself")
    known = {"crc32c": source.crc32c, "duplicate_of": duplicate_of}
    try:
        if record.role == "original":
            derived = _from_raw(site, source, data)
        else:
            derived = _from_archive(site, source, record, data)
        record_image_file(site, source, derived.model_copy(update=known))
    except BadInput as error:
        raise CannotMend(f"{record.path} in {record.location}: {error}") from error
    except (OutputLost, PreconditionFailed) as error:
        raise CannotMend(f"somebody else has just written {error}") from error


def _recorded(site: Site, name: str, image_id: str | None) -> tuple[Source, Output, str | None]:
    """The upload, its output of record, and whose archive it equals."""
    entry = entry_to_mend(site, name)
    if entry is None:
        return (*_from_image(site, name, image_id), None)
    record = record_of(entry)
    if record is None or entry.outcome not in ("archived", "filed"):
        raise CannotMend(f"the ledger does not say what was archived of {name}")
    return _source(entry), record, entry.duplicate_of


def entry_to_mend(site: Site, name: str) -> File | None:
    """The ledger's entry of an upload. Raises CannotMend for one that is none of ours."""
    try:
        return read_entry(site, name)
    except ValidationError as error:
        raise CannotMend(_unreadable(f"files/{document_key(name)}", error)) from error


def _unreadable(document: str, error: ValidationError) -> str:
    where = ", ".join(sorted({".".join(map(str, each["loc"])) for each in error.errors()}))
    return f"{document} cannot be read: correct {where} in it by hand"


def _source(known: File | Provenance) -> Source:
    return Source(
        name=known.name,
        generation=known.generation,
        size=known.size,
        arrived=known.arrived,
        crc32c=known.crc32c,
        upload=parse_upload(known.name),
    )


def _from_image(site: Site, name: str, image_id: str | None) -> tuple[Source, Output]:
    stored = site.catalog.get("images", image_id) if image_id else None
    try:
        image = Image.model_validate(stored.fields) if stored else None
    except ValidationError as error:
        raise CannotMend(_unreadable(f"images/{image_id}", error)) from error
    for kind, source in (image.sources or {}).items() if image else ():
        if source.name != name:
            continue
        assert image is not None
        is_raw = kind == FileType.CR2
        path, checksum = image.bucket_path, image.crc32c
        if is_raw:
            path, checksum = image.original_path, source.crc32c
        if path is None or checksum is None:
            break
        location: Location = "originals" if is_raw else "images"
        info = site.stat(location, path)
        if info is None:
            raise CannotMend(f"{path} is not in {location}")
        role = "original" if is_raw else "archive"
        return _source(source), output_of(role, location, info, checksum)
    raise CannotMend(f"neither ledger nor image says what was archived of {display_name(name)}")


def _from_archive(site: Site, source: Source, record: Output, data: bytes) -> Derived:
    from panoptes.network.fits.content import check_compressed, check_source

    limits = {
        "max_pixels": site.settings.max_pixels,
        "max_decoded": site.settings.max_decoded_bytes,
    }
    content = check_compressed(data, **limits)
    checksums = content.checksums
    assert source.upload is not None
    if source.upload.file_type is FileType.FITS:
        for candidate in uploaded_bytes(source.upload.file_type, data):
            if crc32c(candidate) == source.crc32c:
                checksums = check_source(candidate, **limits).checksums
    info = site.store(record.location).stat(record.path)
    present = output_of(record.role, record.location, info, record.crc32c)
    return Derived(
        crc32c=record.crc32c,
        outputs=(present, *preview_of_fits(site, source, content)),
        header=known_cards(content.header.mapping()),
        checksums=checksums,
    )


def _from_raw(site: Site, source: Source, data: bytes) -> Derived:
    """As it was uploaded: the kept original is the upload."""
    source.memory.data = data
    derived = make_rgb(site, source)
    verify(site, source, derived)
    return derived
