"""One file that a person names: an upload that waits, or one that was archived already."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from panoptes.network.catalog.catalog import Query
from panoptes.network.documents import File
from panoptes.network.errors import BadInput
from panoptes.network.file_types import RAWS, FileType
from panoptes.network.ingest.at_rest import Patience, at_rest
from panoptes.network.ingest.lease import Lease
from panoptes.network.ingest.listing import source_of
from panoptes.network.ingest.observation import AnotherRun
from panoptes.network.ingest.outcome import Became, Derived, FileResult
from panoptes.network.ingest.provenance import recorded_sources
from panoptes.network.ingest.rebuilding import (
    Archived,
    CannotMend,
    check_archived,
    entry_to_mend,
)
from panoptes.network.ingest.retries import keep_trying
from panoptes.network.ingest.take import Steps, Watch, take_all
from panoptes.network.keywords import known_cards
from panoptes.network.names import ObservationName, parse_upload
from panoptes.network.object_paths import BadPath, NotOurs, ObjectPath, paths_meant
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound

_IMAGE_ID = re.compile(r"PAN\d{3}_[^/]{1,100}", re.ASCII)

REFUSED = (BadPath, NotOurs, NotFound, BadInput, CannotMend)
"""What the caller or the file is wrong in, each with a sentence."""


@dataclass(frozen=True)
class NamedUpload:
    """An uploaded file, by the name under which it came."""

    name: str
    sequence: ObservationName
    waits: bool
    """Whether it lies in `incoming`."""
    entry: File | None
    """The ledger's, where there is one."""


def find_upload(site: Site, text: str, taken: Collection[FileType]) -> NamedUpload:
    """The upload of one of the types `taken` that `text` means; one that waits comes first.

    It is an image's id, or a path as `object_paths.paths_meant` reads it: of the upload, or of
    what was archived of it. Raises BadPath, NotOurs and NotFound, BadInput for a name in
    `incoming` that says nothing, and CannotMend for an entry of the ledger that cannot be read.
    """
    paths = _files_of_image(site, text) or paths_meant(site, text)
    waiting = [path.name for path in paths if path.location == "incoming" and _waits(site, path)]
    entries = [] if waiting else _entries(site, paths)
    names = waiting or [entry.name for entry in entries]
    if not names:
        raise NotFound(f"there is no {text!r} in incoming, and nothing was archived of it")
    uploads = [parse_upload(name) for name in names]
    meant = next((upload for upload in uploads if upload.file_type in taken), None)
    if meant is None:
        wanted = " or ".join(f".{each.value}" for each in FileType if each in taken)
        raise BadPath(f"{names[0]!r} is a .{uploads[0].file_type.value}: name a {wanted}")
    entry = entry_to_mend(site, meant.name)
    return NamedUpload(meant.name, meant.sequence, meant.name in waiting, entry)


def _files_of_image(site: Site, text: str) -> list[ObjectPath]:
    """The uploads that an image was made of, FITS before camera raw; none for other texts."""
    if not _IMAGE_ID.fullmatch(text):
        return []
    image = site.catalog.get("images", text)
    sources = recorded_sources(image.fields) if image else {}
    return [
        ObjectPath("incoming", each["name"])
        for _, each in sorted(sources.items(), key=lambda item: item[0] in RAWS)
    ]


def _waits(site: Site, path: ObjectPath) -> bool:
    try:
        site.store("incoming").stat(path.name)
    except NotFound:
        return False
    except ValueError as error:
        raise BadPath(f"{path.name!r} is no name of a file") from error
    return True


def _entries(site: Site, paths: list[ObjectPath]) -> list[File]:
    """The ledger's entries of what was uploaded or is kept under these paths.

    Where several uploads have one archive, the one that it was made of comes first.
    """
    found: dict[str, File] = {}
    for path in paths:
        # A name without a location may be that of any.
        locations = {path.location} if len(paths) == 1 else None
        if path.location == "incoming" and (entry := entry_to_mend(site, path.name)):
            found[entry.name] = entry
        for stored in site.catalog.query(Query("files", where=[("path", "==", path.name)])):
            name = stored.fields.get("name")
            if locations and stored.fields.get("location") not in locations:
                continue
            if isinstance(name, str) and (entry := entry_to_mend(site, name)):
                found[entry.name] = entry
    return sorted(found.values(), key=lambda entry: entry.duplicate_of is not None)


@contextmanager
def held(
    site: Site, sequence: ObservationName, steps: Steps, *, leave_word: bool
) -> Iterator[None]:
    """Hold an observation's lease, and settle its counts at the end.

    `leave_word` has a run that is at work on it look again. Raises AnotherRun where there is
    one. Who asked for a look meanwhile gets it from the next sweep, which finds that the
    observation is owed.
    """
    lease = Lease(site.catalog, sequence.sequence_id, site.settings.lease_seconds)
    if not keep_trying(lease.take, leave_word=leave_word):
        raise AnotherRun
    refused: Exception | None = None
    with lease.kept_alive():
        try:
            yield
        except REFUSED as error:  # an answer: nothing is broken off, and nothing owed
            refused = error
        steps.settle(sequence)
        if not keep_trying(lease.give_back):
            keep_trying(lease.leave_owed)
    if refused is not None:
        raise refused


def take_one(site: Site, name: str, *, steps: Steps, watch: Watch) -> FileResult:
    """Take one upload out of `incoming`, once it is at rest. Raises NotFound if it has gone."""
    patience = Patience(site.settings.rest_seconds)
    while True:
        source = source_of(keep_trying(site.store("incoming").stat, name))
        found = at_rest(site, [source])
        if found.ready:
            return next(iter(take_all(found.ready, steps=steps, watch=watch).values()))
        if found.left and not patience.wait(found.left, watch.resting):
            return found.results()[0]


def was_archived(upload: NamedUpload) -> FileResult:
    """What became of an upload that no longer waits. Raises NotFound if it was not archived."""
    entry = upload.entry
    if entry is None or entry.outcome not in ("archived", "filed", "quarantined"):
        raise NotFound(f"{upload.name} has left incoming and was not archived: upload it again")
    if entry.outcome == "quarantined":
        raise NotFound(
            f"{upload.name} is in quarantine, since: {entry.reason} {entry.next_step} Then: "
            f"panoptes-network quarantine rescue {entry.case_id}"
        )
    return FileResult.from_entry(entry, Became.ALREADY)


def read_again(site: Site, file: Archived, entry: File | None) -> Derived:
    """What an archived file says of itself, read again; what was made of it stays as it is.

    Raises BadInput, and CannotMend where the ledger does not know what was made of a camera
    raw.
    """
    from panoptes.network.cr2.frame import read_raw

    if not file.is_raw:
        return check_archived(site, file)
    if entry is None or not entry.outputs:
        raise CannotMend(f"the ledger does not say what was made of {file.source.label}")
    capture = read_raw(file.data, max_pixels=site.settings.max_pixels).capture
    return Derived(
        crc32c=file.record.crc32c,
        outputs=tuple(entry.outputs),
        header=known_cards({keyword: value for keyword, value, _ in capture.cards()}),
    )
