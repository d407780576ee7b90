"""The documents of one observation against its ledger: each image once, and as archived."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from panoptes.network.audit.claims import Claim, places_of
from panoptes.network.audit.counts import number, wrong_counts
from panoptes.network.audit.finding import Finding, Kind, Repair
from panoptes.network.audit.inventory import Inventory, Place
from panoptes.network.catalog.catalog import Fields, Stored
from panoptes.network.documents import IMAGE_STATUS, File, Image, Location
from panoptes.network.errors import first_fault
from panoptes.network.ingest.provenance import recorded_sources
from panoptes.network.ingest.settle import INGESTED
from panoptes.network.names import FileType, parse_sequence_id
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound


class DocumentChecks:
    """Images, observation, camera and unit."""

    def __init__(
        self,
        site: Site,
        inventory: Inventory,
        entries: Mapping[str, File],
        claims: Mapping[Place, list[Claim]],
        known: set[str],
    ) -> None:
        """`known` are units and cameras that have been seen to have a document."""
        self._site, self._inventory, self._known = site, inventory, known
        self._entries, self._claims = entries, claims
        self._proper = {s.key: s for s in inventory.images if s.fields.get("image_id") == s.key}

    def findings(self) -> Iterator[Finding]:
        for stored in self._inventory.images:
            if recorded_sources(stored.fields):
                yield from self._image(stored)
            elif is_adopted(stored):  # else another program's
                yield from self._adopted(stored)
        yield from self._missing_images()
        yield from self._observation()

    def _image(self, stored: Stored) -> Iterator[Finding]:
        fields, key = stored.fields, stored.key
        if key not in self._proper:
            proper = fields.get("image_id")
            twin = isinstance(proper, str) and self._twin_of(proper, fields)
            yield self._told(
                Kind.CATALOGUED_TWICE, f"images/{key}",
                f"The image {proper} is catalogued a second time, as {key}.",
                Repair.DROP if twin else None,
            )  # fmt: skip
            return
        try:
            image = Image.model_validate(fields)
        except ValidationError as error:
            yield self._told(
                Kind.DOCUMENT_UNREADABLE, f"images/{key}",
                f"The image {key} cannot be read: {first_fault(error)}.",
                self._rebuild(key) and Repair.REBUILD, self._rebuild(key),
            )  # fmt: skip
            return
        yield from self._sources(image)
        if wrong := self._wrong(image):
            subject = self._rebuild(key)
            yield self._told(
                Kind.IMAGE_WRONG, f"images/{key}", f"The image {key} {wrong}.",
                Repair.REBUILD if subject else None, subject,
            )  # fmt: skip
        yield from self._paths(image)

    def _adopted(self, stored: Stored) -> Iterator[Finding]:
        """An image of earlier software, of whose file the ledger knows nothing."""
        if stored.fields.get("status") not in INGESTED:
            return
        path = stored.fields.get("bucket_path")
        if not isinstance(path, str):
            path = f"{str(stored.fields.get('uid')).replace('_', '/')}.fits.fz"
        if not self._stands("images", path):
            yield Finding(
                Kind.OBJECT_MISSING, "images", path,
                f"The image {stored.key} was taken over from earlier software, and its file "
                f"{path} is not in images. Upload it again from the unit, or restore it from a "
                "backup.",
                self._inventory.sequence_id,
            )  # fmt: skip

    def _twin_of(self, proper: str, fields: Fields) -> bool:
        """Whether the proper document says all that this one does."""
        stored = self._proper.get(proper)
        return stored is not None and all(
            stored.fields.get(name) == value for name, value in fields.items()
        )

    def _sources(self, image: Image) -> Iterator[Finding]:
        for kind, source in (image.sources or {}).items():
            if source.name in self._entries:
                continue
            path = image.original_path if kind == FileType.CR2 else image.bucket_path
            yield self._told(
                Kind.ENTRY_MISSING, f"images/{image.image_id}",
                f"The image {image.image_id} was made of {source.name}, "
                "which the ledger does not know.",
                Repair.REBUILD if path else None, source.name,
            )  # fmt: skip

    def _wrong(self, image: Image) -> tuple[str, str | None] | None:
        """What contradicts the ledger, the image's id or itself, and which upload says better."""
        sequence = parse_sequence_id(self._inventory.sequence_id)
        ids = {"unit_id": sequence.unit_id, "camera_id": sequence.camera_id}
        for name, meant in ids.items():
            if getattr(image, name) != meant:
                return f"says {name} = {getattr(image, name)}, but belongs to {meant}", None
        if image.status in IMAGE_STATUS and image.status not in INGESTED:
            return f"is said to be {image.status}, although a file of it is archived", None
        for kind, source in (image.sources or {}).items():
            if kind == "fits" and not image.bucket_path:
                return "does not say where its archived file is", source.name
            if kind == "cr2" and not image.original_path:
                return "does not say where its camera raw is", source.name
            entry = self._entries.get(source.name)
            if entry is None or entry.outcome != "archived" or entry.duplicate_of:
                continue
            if entry.crc32c != source.crc32c:
                return f"speaks of another version of {source.name} than the ledger", source.name
            if contradiction := _contradicted(image, entry):
                return contradiction, source.name
        return None

    def _paths(self, image: Image) -> Iterator[Finding]:
        """Objects that the image names and no ledger entry speaks for."""
        for location, path in places_of(image.model_dump()):
            if (location, path) in self._claims:
                continue
            if (location, path) not in self._inventory.objects and not self._stands(location, path):
                yield Finding(
                    Kind.OBJECT_MISSING, location, path,
                    f"The image {image.image_id} names {path}, and it is not in {location}.",
                    self._inventory.sequence_id,
                )  # fmt: skip

    def _stands(self, location: Location, path: str) -> bool:
        try:
            self._site.store(location).stat(path)
        except (NotFound, ValueError):
            return False
        return True

    def _missing_images(self) -> Iterator[Finding]:
        for entry in self._entries.values():
            if entry.outcome != "archived" or entry.duplicate_of or entry.image_id is None:
                continue
            stored = self._proper.get(entry.image_id)
            if stored is None or _kind(entry) not in recorded_sources(stored.fields):
                yield self._told(
                    Kind.IMAGE_MISSING, f"images/{entry.image_id}",
                    f"{entry.name} is archived, but its image {entry.image_id} "
                    "is not in the catalogue.",
                    Repair.REBUILD, entry.name,
                )  # fmt: skip

    def _observation(self) -> Iterator[Finding]:
        sequence_id = self._inventory.sequence_id
        proper = None
        for stored in self._inventory.observations:
            if stored.key == sequence_id:
                proper = stored
        for stored in self._inventory.observations:
            if stored.key != sequence_id:
                twin = proper is not None and stored.fields == proper.fields
                yield self._told(
                    Kind.CATALOGUED_TWICE, f"observations/{stored.key}",
                    f"The observation {sequence_id} is catalogued a second time, as {stored.key}.",
                    Repair.DROP if twin else None,
                )  # fmt: skip
        ours = [s for s in self._proper.values() if recorded_sources(s.fields) or is_adopted(s)]
        if not ours:
            return
        if proper is None:
            yield self._no_document("observations", sequence_id)
        else:
            yield from self._counts(proper)
        sequence = parse_sequence_id(sequence_id)
        camera = f"{sequence.unit_id}_{sequence.camera_id}"
        for collection, key in (("units", sequence.unit_id), ("cameras", camera)):
            if key in self._known:
                continue
            if self._site.catalog.get(collection, key) is None:
                yield self._no_document(collection, key)
            else:
                self._known.add(key)

    def _no_document(self, collection: str, key: str) -> Finding:
        subject = next((s for i in self._proper if (s := self._rebuild(i))), None)
        return self._told(
            Kind.DOCUMENT_MISSING, f"{collection}/{key}",
            f"There are images of {key}, but it is not in the catalogue.",
            Repair.REBUILD if subject else None, subject,
        )  # fmt: skip

    def _counts(self, observation: Stored) -> Iterator[Finding]:
        counted = [
            s.fields
            for s in self._inventory.images
            if s.fields.get("status") in INGESTED
            and (s.key in self._proper or not recorded_sources(s.fields))
        ]
        expected: dict[str, Any] = {
            "num_images": len(counted),
            "total_exptime": round(sum(number(f.get("exptime")) for f in counted), 3),
        }
        arrivals = [e.arrived for e in self._entries.values()]
        if arrivals:
            expected["last_arrival"] = max(arrivals)
        yield from wrong_counts(
            "observations", observation.key, observation.fields, expected, observation.key
        )

    def _rebuild(self, image_id: str) -> str | None:
        """The upload from which an image's documents can be written again."""
        entries = [
            e
            for e in self._entries.values()
            if e.image_id == image_id and e.outcome == "archived" and not e.duplicate_of
        ]
        entries.sort(key=lambda e: (e.file_type == FileType.CR2, e.name))
        return entries[0].name if entries else None

    def _told(
        self, kind: Kind, name: str, sentence: str,
        repair: Repair | str | None = None, subject: str | None = None,
    ) -> Finding:  # fmt: skip
        chosen = Repair(repair) if repair else None
        return Finding(
            kind, "catalog", name, sentence, self._inventory.sequence_id, chosen, subject
        )


def is_adopted(image: Stored) -> bool:
    return isinstance(image.fields.get("adopted"), dict)


def _contradicted(image: Image, entry: File) -> str | None:
    """Where ledger and image differ on what lies where."""
    for output in entry.outputs or ():
        if output.role == "archive":
            named = (image.bucket_path, image.size, image.crc32c)
            if named != (output.path, output.size, output.crc32c):
                return "names another archived file, size or checksum than the ledger"
        if output.role == "original" and image.original_path != output.path:
            return "names another camera raw than the ledger"
        colour = output.role.removeprefix("rgb-")
        if output.role.startswith("rgb-") and (image.rgb_paths or {}).get(colour) != output.path:
            return "names other colour planes than the ledger"
    return None


def _kind(entry: File) -> str:
    return "cr2" if entry.file_type == FileType.CR2 else "fits"
