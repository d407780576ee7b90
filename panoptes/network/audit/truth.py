"""The catalogue against a list of what was uploaded."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from pydantic import ValidationError

from panoptes.network.audit.finding import Finding, Kind, Uploaded
from panoptes.network.audit.scope import Scope
from panoptes.network.documents import File, Image, Location, Output
from panoptes.network.errors import BadInput, ConfigurationError
from panoptes.network.ingest.ledger import read_entry
from panoptes.network.ingest.originals import uploaded_bytes
from panoptes.network.ingest.provenance import recorded_sources
from panoptes.network.names import document_key
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound, Unreadable


def read_truth(file: Path) -> Iterator[Uploaded]:
    """The lines that ``panoptes-network simulate --truth`` wrote. Raises ConfigurationError."""
    try:
        with file.open(encoding="utf-8") as lines:
            for number, line in enumerate(lines, 1):
                try:
                    yield Uploaded.from_line(json.loads(line))
                except ValueError as error:
                    raise ConfigurationError(f"{file}, line {number}: {error}") from error
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error


def truth_findings(site: Site, scope: Scope, truth: Iterable[Uploaded]) -> Iterator[Finding]:
    """Every uploaded file is catalogured with the right bytes, or quarantined with a reason,
    or still in `incoming`; a line of the truth counts once, the last one of a name."""
    for upload in truth:
        if not scope.holds(site, upload.name):
            continue
        found = _compare(site, upload)
        if found is not None and _compare(site, upload) is not None:
            yield found


def _compare(site: Site, upload: Uploaded) -> Finding | None:
    try:
        entry = read_entry(site, upload.name)
    except ValidationError:
        return None  # said of the entry itself
    if entry is None or entry.outcome in (None, "failed"):
        return _waits(site, upload)
    if upload.fate and entry.outcome != upload.fate:
        return _told(
            Kind.TRUTH_FATE, upload,
            f"{upload.name} should be {upload.fate}, and is {entry.outcome}: {entry.reason}",
            entry,
        )  # fmt: skip
    if entry.outcome == "quarantined":
        return _quarantined(site, upload, entry)
    return _kept(site, upload, entry)


def _waits(site: Site, upload: Uploaded) -> Finding | None:
    try:
        data, _ = site.store("incoming").read(upload.name)
    except NotFound:
        return _told(
            Kind.TRUTH_LOST, upload,
            f"{upload.name} was uploaded, and it is neither catalogued nor in quarantine "
            "nor in incoming.",
        )  # fmt: skip
    except (BadInput, Unreadable):
        data = b""
    if hashlib.sha256(data).hexdigest() != upload.sha256:
        return _bytes(upload, "in incoming")
    return None


def _quarantined(site: Site, upload: Uploaded, entry: File) -> Finding | None:
    if upload.code is not None and entry.code != upload.code:
        return _told(
            Kind.TRUTH_FATE, upload,
            f"{upload.name} should be quarantined as {upload.code}, and is as {entry.code}.",
            entry,
        )  # fmt: skip
    if entry.path is None or _has(site, "quarantine", entry.path, upload, entry):
        return None
    return _bytes(upload, "in quarantine", entry)


def _kept(site: Site, upload: Uploaded, entry: File) -> Finding | None:
    first = next(iter(entry.outputs or ()), None)
    if first is None or not (
        _has(site, first.location, first.path, upload, entry)
        or (entry.duplicate_of and _is_of_record(site, entry, first))
    ):
        return _bytes(upload, "in the archive", entry)
    if entry.outcome != "archived" or upload.image_id is None:
        return None
    stored = site.catalog.get("images", upload.image_id)
    try:
        image = Image.model_validate(stored.fields) if stored else None
    except ValidationError:
        return None  # said of the image itself
    if image is None or not recorded_sources(stored.fields if stored else {}):
        return _told(
            Kind.TRUTH_LOST, upload,
            f"{upload.name} is archived, but its image {upload.image_id} is not catalogued.",
            entry,
        )  # fmt: skip
    return None


def _is_of_record(site: Site, entry: File, lent: Output) -> bool:
    """Whether the archive that a duplicate was found equal to is still the one of record.

    Its owner names it with the same bytes, whatever became of a later upload of the owner.
    """
    other = read_entry(site, entry.duplicate_of or "")
    made = ((o.location, o.path, o.crc32c) for o in (other.outputs or () if other else ()))
    return (lent.location, lent.path, lent.crc32c) in made


def _has(site: Site, location: Location, path: str, upload: Uploaded, entry: File) -> bool:
    """Whether an object holds the uploaded bytes, packed or as they came."""
    try:
        data, _ = site.store(location).read(path)
        return any(
            hashlib.sha256(candidate).hexdigest() == upload.sha256
            for candidate in uploaded_bytes(entry.file_type, data)
        )
    except (NotFound, BadInput, Unreadable):
        return False


def _bytes(upload: Uploaded, where: str, entry: File | None = None) -> Finding:
    sentence = f"The bytes of {upload.name} {where} are not those that were uploaded."
    return _told(Kind.TRUTH_BYTES, upload, sentence, entry)


def _told(kind: Kind, upload: Uploaded, sentence: str, entry: File | None = None) -> Finding:
    return Finding(
        kind, "catalog", f"files/{document_key(upload.name)}", sentence,
        entry.sequence_id if entry else None, None, upload.name,
    )  # fmt: skip
