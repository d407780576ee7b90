"""An upload ingested again from what was archived of it, the archived object left as it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from pydantic import ValidationError

from panoptes.network.documents import File, Image, Output, Provenance
from panoptes.network.errors import BadInput
from panoptes.network.file_types import ARCHIVE, KEPT_SOURCES, ORIGINAL, FileType
from panoptes.network.ingest.deposit import OutputLost, output_of
from panoptes.network.ingest.derive import DERIVATIONS, preview_of_fits, verify
from panoptes.network.ingest.ledger import read_entry
from panoptes.network.ingest.measuring import measure
from panoptes.network.ingest.originals import uploaded_bytes
from panoptes.network.ingest.outcome import Derived
from panoptes.network.ingest.record import record_image_file
from panoptes.network.keywords import known_cards
from panoptes.network.names import display_name, document_key, parse_upload
from panoptes.network.site import Site
from panoptes.network.storage.checksums import crc32c
from panoptes.network.storage.store import NotFound, PreconditionFailed, Unreadable
from panoptes.network.upload import Source


class CannotMend(Exception):
    """A person has to decide; the message says why."""


@dataclass(frozen=True)
class Archived:
    """An upload that has left `incoming`, and what was archived of it."""

    source: Source
    record: Output
    duplicate_of: str | None
    data: bytes
    """The archived object's."""
    found: tuple[Output, ...] = ()
    """Where an adopted file lay, if what was archived of it lies elsewhere."""

    @property
    def type(self) -> FileType:
        assert self.source.upload is not None
        return self.source.upload.file_type

    @property
    def is_raw(self) -> bool:
        """Whether the archived object is the upload itself, a camera raw."""
        return self.record.role == ORIGINAL.role

    def completed(self, derived: Derived) -> Derived:
        """What was made of it again, as of the upload."""
        known = {"crc32c": self.source.crc32c, "duplicate_of": self.duplicate_of}
        others = (each for each in self.found if each not in derived.outputs)
        return derived.model_copy(update=known | {"outputs": (*derived.outputs, *others)})


def rebuild(site: Site, name: str, image_id: str | None) -> None:
    """Writes the documents of an uploaded file again, and makes what is derived from it.

    The archived object is never written. Raises CannotMend.
    """
    file = archived(site, name, image_id)
    with mending(file):
        if file.is_raw:
            derived = DERIVATIONS[file.type].make(site, file.source)
            verify(site, file.source, derived)
        else:
            derived = check_archived(site, file)
        record_image_file(site, file.source, file.completed(derived))


def archived(site: Site, name: str, image_id: str | None = None) -> Archived:
    """What was archived of an upload, compared with its recorded checksum.

    Where the ledger has lost its entry, the image's document says what was uploaded. A camera
    raw's source holds its bytes, as if it still lay in `incoming`. Raises CannotMend.
    """
    source, record, duplicate_of, found = _recorded(site, name, image_id)
    try:
        data, present = site.store(record.location).read(record.path)
    except (NotFound, BadInput, Unreadable) as error:
        raise CannotMend(f"{record.path} in {record.location} cannot be read: {error}") from error
    if crc32c(data) != record.crc32c:
        raise CannotMend(f"{record.path} in {record.location} is damaged itself")
    file = Archived(source, record, duplicate_of, data, found)
    if file.is_raw:
        source.memory.data = data
    # Wherever it lies, it is the image's and stays so.
    source.memory.kept = output_of(record.role, record.location, present, record.crc32c)
    return file


@contextmanager
def mending(file: Archived) -> Iterator[None]:
    """Where what is made again cannot be, raises CannotMend."""
    try:
        yield
    except BadInput as error:
        where = f"{file.record.path} in {file.record.location}"
        raise CannotMend(f"{where}: {error}") from error
    except (OutputLost, PreconditionFailed) as error:
        raise CannotMend(f"somebody else has just written {error}") from error


def _recorded(
    site: Site, name: str, image_id: str | None
) -> tuple[Source, Output, str | None, tuple[Output, ...]]:
    """The upload, its output of record, whose archive it equals, and where else it lay."""
    entry = entry_to_mend(site, name)
    if entry is None:
        return (*_from_image(site, name, image_id), None, ())
    record = record_of(entry)
    if record is None or entry.outcome not in ("archived", "filed"):
        raise CannotMend(f"the ledger does not say what was archived of {name}")
    found = tuple(each for each in entry.outputs or () if each.role == "found")
    return _source(entry), record, entry.duplicate_of, found


def record_of(entry: File) -> Output | None:
    """The output of record: what was archived, byte for byte or in another form."""
    made = {output.role: output for output in entry.outputs or ()}
    return made.get("archive") or made.get("original")


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
        kept = KEPT_SOURCES.get(kind, ARCHIVE)
        path = kept.path_in(vars(image))
        checksum = image.crc32c if kept is ARCHIVE else source.crc32c
        if path is None or checksum is None:
            break
        info = site.stat(kept.location, path)
        if info is None:
            raise CannotMend(f"{path} is not in {kept.location}")
        return _source(source), output_of(kept.role, kept.location, info, checksum)
    raise CannotMend(f"neither ledger nor image says what was archived of {display_name(name)}")


def check_archived(site: Site, file: Archived) -> Derived:
    """Decodes an archived FITS image whole, reads its header and makes its picture again.

    Raises BadInput.
    """
    from panoptes.network.fits.content import check_compressed, check_source

    limits = {
        "max_pixels": site.settings.max_pixels,
        "max_decoded": site.settings.max_decoded_bytes,
    }
    source, record = file.source, file.record
    content = check_compressed(file.data, **limits)
    checksums = content.checksums
    if file.type is FileType.FITS:
        for candidate in uploaded_bytes(file.type, file.data):
            if crc32c(candidate) == source.crc32c:
                checksums = check_source(candidate, **limits).checksums
    info = site.store(record.location).stat(record.path)
    present = output_of(record.role, record.location, info, record.crc32c)
    return Derived(
        crc32c=record.crc32c,
        outputs=(present, *preview_of_fits(site, source, content)),
        header=known_cards(content.header.mapping()),
        checksums=checksums,
        measured=measure(site, source, content),
    )
