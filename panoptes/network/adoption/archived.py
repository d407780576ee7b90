"""Files of an archive that no ledger knows, entered as if they had been ingested.

Each object stays where it is, whatever older software called it: it becomes the image's archive,
or its camera raw, picture or film. What is made of it (documents, previews, colour planes) is made
by the steps of an ingest. What the audit finds to be orphaned is what is looked at, so a second
pass finds nothing, and one that was broken off goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from itertools import groupby

from pydantic import ValidationError

from panoptes.network.adoption.taken import Done, TakenOver
from panoptes.network.audit.auditing import findings_in, is_entered
from panoptes.network.audit.finding import Kind
from panoptes.network.audit.inventory import Inventory, walk
from panoptes.network.audit.scope import KEPT, Scope, sequence_of
from panoptes.network.catalog.catalog import Fields, Query, modify
from panoptes.network.documents import File, Location, Output
from panoptes.network.errors import BadInput, is_transient
from panoptes.network.file_types import FILE_TYPES
from panoptes.network.header import read_header
from panoptes.network.ingest.deposit import OutputLost, output_of
from panoptes.network.ingest.derive import DERIVATIONS, verify
from panoptes.network.ingest.lease import Lease, take_when_free
from panoptes.network.ingest.listing import by_image, source_of
from panoptes.network.ingest.outcome import Derived
from panoptes.network.ingest.provenance import recorded_sources
from panoptes.network.ingest.record import record_image_file
from panoptes.network.ingest.retries import keep_trying
from panoptes.network.ingest.settle import settle_observation
from panoptes.network.ingest.take import images_in_flight
from panoptes.network.names import (
    ObservationName,
    UploadName,
    document_key,
    parse_sequence_id,
    parse_upload,
)
from panoptes.network.safe_text import safe_log
from panoptes.network.site import Site
from panoptes.network.storage.checksums import crc32c
from panoptes.network.storage.store import NotFound, ObjectInfo, PreconditionFailed, Unreadable
from panoptes.network.upload import Source

log = safe_log(__name__)

PATIENCE_SECONDS = 10.0
"""For a run that is at work on an observation."""


class Left(Exception):
    """A file is not entered; the message says why."""


class Archive:
    """One pass over an archive; with `dry_run` nothing is read but names, and nothing written."""

    def __init__(self, site: Site, unit: str | None, *, dry_run: bool) -> None:
        self._site, self._dry_run = site, dry_run
        self._scope = Scope.of(None, unit)
        self._known: set[str] = set()

    def take_over(self) -> Iterator[TakenOver]:
        """Paths of ours first: where an image has two files, the other is held against its."""
        workers = images_in_flight(self._site.settings.workers)
        with ThreadPoolExecutor(workers, "adopt") as pool:
            strays: list[tuple[Location, ObjectInfo]] = []
            for stretch in self._scope.stretches(self._site):
                for inventory in walk(self._site, stretch, strays):
                    strays.clear()
                    yield from self._observation(pool, inventory)
            for location in KEPT:
                yield from self._older_paths(pool, location)

    def _observation(self, pool: ThreadPoolExecutor, inventory: Inventory) -> Iterator[TakenOver]:
        if inventory.sequence is None:
            return
        found = keep_trying(findings_in, self._site, inventory, deep=False, known=self._known)
        orphans = {(f.location, f.name) for f in found if f.kind is Kind.OBJECT_ORPHANED}
        # A run that was broken off had written the image, and not yet the ledger.
        unentered = {f.subject for f in found if f.kind is Kind.ENTRY_MISSING}
        objects = [
            (place[0], info)
            for place, info in inventory.objects.items()
            if (place in orphans or info.name in unentered) and not _is_made(place[0], info)
        ]
        if objects:
            yield from self._enter_all(pool, inventory.sequence, objects)
        elif any(f.kind is Kind.COUNT_WRONG for f in found):
            if not self._dry_run:
                self._settle(inventory.sequence)
            yield TakenOver(f"observations/{inventory.sequence_id}", Done.SETTLED)

    def _older_paths(self, pool: ThreadPoolExecutor, location: Location) -> Iterator[TakenOver]:
        """Objects whose names begin otherwise than ours, such as with a field's name."""
        strays = (
            info
            for info in self._site.store(location).list(self._scope.name_prefix)
            if sequence_of(info.name) is None and not _is_made(location, info)
        )
        for sequence_id, infos in groupby(strays, _sequence_id):
            objects = [
                (location, info)
                for info in infos
                if not keep_trying(is_entered, self._site, location, info)
            ]
            if sequence_id is not None and objects:
                yield from self._enter_all(pool, parse_sequence_id(sequence_id), objects)
            for _, info in objects if sequence_id is None else ():
                yield _unnamed(location, info)

    def _enter_all(
        self,
        pool: ThreadPoolExecutor,
        sequence: ObservationName,
        objects: list[tuple[Location, ObjectInfo]],
    ) -> Iterator[TakenOver]:
        """The objects of one observation, under its lease; images side by side."""
        files: list[tuple[Location, Source]] = []
        for location, info in objects:
            source = replace(source_of(info), adopted=True)
            if source.upload is None:
                yield _unnamed(location, info)
            else:
                files.append((location, source))
        names = [f"{location}/{source.name}" for location, source in files]
        if self._dry_run:
            yield from (TakenOver(name, Done.ENTERED) for name in names)
            return
        lease = Lease(self._site.catalog, sequence.sequence_id, self._site.settings.lease_seconds)
        if not files:
            return
        if not keep_trying(take_when_free, lease, patience=PATIENCE_SECONDS):
            reason = "A run is at work on its observation: take it over once that is done."
            yield from (TakenOver(name, Done.LEFT, reason) for name in names)
            return
        locations = {id(source): location for location, source in files}

        def enter_image(group: list[Source]) -> list[TakenOver]:
            # What a run that was broken off had made of a .fits is not a file of theirs.
            # So that comes first, as `by_image` has it.
            return [self._enter(each, locations[id(each)]) for each in group]

        with lease.kept_alive():
            for taken in pool.map(enter_image, by_image(source for _, source in files)):
                yield from taken
            self._settle(sequence)
            if not keep_trying(lease.give_back):
                keep_trying(lease.leave_owed)  # a run was turned away: the sweep starts another

    def _settle(self, sequence: ObservationName) -> None:
        keep_trying(settle_observation, self._site, sequence, with_unit=False)

    def _enter(self, source: Source, location: Location) -> TakenOver:
        """Enter one file; what is wrong with it holds up no other. Raises TransientError."""
        name = f"{location}/{source.name}"
        try:
            self._enter_one(source, location)
        except BadInput as bad:
            return TakenOver(name, Done.LEFT, f"{bad.reason} {bad.next_step}")
        except (Left, Unreadable) as error:
            return TakenOver(name, Done.LEFT, str(error))
        except (NotFound, OutputLost, PreconditionFailed) as error:
            return TakenOver(name, Done.LEFT, f"Somebody else has just written {error}.")
        except Exception as error:
            if is_transient(error):
                raise
            log.exception("%s could not be taken over", source.label)
            return TakenOver(name, Done.LEFT, f"An error of ours: {type(error).__name__}: {error}")
        finally:
            source.memory.clear()
        return TakenOver(name, Done.ENTERED)

    def _enter_one(self, source: Source, location: Location) -> None:
        """Raises Left and BadInput."""
        site, upload = self._site, source.upload
        assert upload is not None
        store = site.store(location)
        data, info = keep_trying(store.read, source.name, generation=source.generation)
        if keep_trying(site.catalog.get, "files", document_key(source.name)) is not None:
            self._enter_copy(source, output_of("found", location, info, crc32c(data)))
            return
        if keep_trying(self._is_made_already, source, location):
            return
        source.memory.data = data
        row = FILE_TYPES[upload.file_type]
        # One that lies elsewhere, or is kept in another form, is made there of it.
        at_home = location == row.kept.location and row.kept_suffix == upload.file_type.value
        role = row.kept.role if at_home else "found"
        found = output_of(role, location, info, crc32c(data))
        first = self._first_of_image(upload) if at_home else None
        if first is not None:
            derived = self._second(source, found, data, first)
        else:
            if row.is_raw:
                self._refuse_to_cover_planes(upload.stem)
            source.memory.kept = found if at_home else None
            derived = keep_trying(DERIVATIONS[upload.file_type].make, site, source)
            if not at_home:
                derived = derived.model_copy(update={"outputs": (*derived.outputs, found)})
            if not at_home or row.is_raw:
                keep_trying(verify, site, source, derived)
        keep_trying(record_image_file, site, source, derived)

    def _enter_copy(self, source: Source, found: Output) -> None:
        """The ledger has this name: for a copy of the same bytes, which is entered with it.

        Raises Left for other bytes.
        """

        def change(before: Fields | None) -> Fields | None:
            entry = File.model_validate(before)
            outputs = entry.outputs or []
            if (found.location, found.path) in ((each.location, each.path) for each in outputs):
                return None
            if (found.crc32c, found.size) not in ((each.crc32c, each.size) for each in outputs):
                raise Left(
                    "The ledger knows another file of this name: the audit has more on both."
                )
            return {"outputs": [each.model_dump() for each in (*outputs, found)]}

        try:
            keep_trying(modify, self._site.catalog, "files", document_key(source.name), change)
        except ValidationError as error:
            raise Left(f"The ledger's entry of this name cannot be read: {error}") from None

    def _is_made_already(self, source: Source, location: Location) -> bool:
        """Whether it was entered a moment ago, as what was made of another file of its image."""
        query = Query("files", [("path", "==", source.name), ("location", "==", location)], limit=1)
        return any(self._site.catalog.query(query))

    def _first_of_image(self, upload: UploadName) -> str | None:
        """The path of another object that is the image's already, or has its proper path."""
        site, row = self._site, FILE_TYPES[upload.file_type]
        if row.source is not None and upload.image_id is not None:
            image = keep_trying(site.catalog.get, "images", upload.image_id)
            if image is not None and row.source in recorded_sources(image.fields):
                path = row.kept.path_in(image.fields)
                if path not in (None, upload.name):
                    return path
        proper = f"{upload.stem}.{row.kept_suffix}"
        if proper != upload.name and keep_trying(site.stat, row.kept.location, proper):
            return proper
        return None

    def _second(self, source: Source, found: Output, data: bytes, first: str) -> Derived:
        """A second file of an image is entered if it is the same image. Raises Left."""
        from panoptes.network.fits.content import same_image

        stored, _ = keep_trying(self._site.store(found.location).read, first)
        is_same = data == stored or (found.role == "archive" and same_image(data, stored))
        query = Query("files", where=[("path", "==", first), ("location", "==", found.location)])
        owner = next(iter(keep_trying(self._site.catalog.query, query)), None)
        if not is_same or owner is None:
            why = "differs from it" if owner is not None else "could not be taken over itself"
            raise Left(f"{first} is the same image's, and {why}: compare the two, and move one.")
        return Derived(
            crc32c=found.crc32c, outputs=(found,), duplicate_of=str(owner.fields["name"])
        )

    def _refuse_to_cover_planes(self, stem: str) -> None:
        """Raises Left where another program's colour planes have the names of ours."""
        for colour in "rgb":
            path = f"{stem}_{colour}.fits.fz"
            try:
                header = keep_trying(read_header, self._site.store("rgb"), path).header
            except NotFound:
                continue
            if not str(header.get("PROGRAM")).startswith("panoptes-network"):
                raise Left(
                    f"{path} lies in rgb and was not made by this network: move it away, and the "
                    "camera raw is taken over."
                )


def _sequence_id(info: ObjectInfo) -> str | None:
    upload = source_of(info).upload
    return upload.sequence_id if upload else None


def _is_made(location: Location, info: ObjectInfo) -> bool:
    """Whether it is what is made of other files: it is made again, or goes with those."""
    if location == "timelapse":
        return info.name.endswith(".timelapse.mp4")
    return location == "rgb" or (location == "previews" and ".preview-" in info.name)


def _unnamed(location: Location, info: ObjectInfo) -> TakenOver:
    reason = ""
    try:
        parse_upload(info.name)
    except BadInput as bad:
        reason = f"{bad.reason} It stays where it is."
    return TakenOver(f"{location}/{info.name}", Done.LEFT, reason)
