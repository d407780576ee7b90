"""The documents of one observation against its ledger: each image once, and as archived."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pydantic import ValidationError

from panoptes.network.audit.claims import Claim, places_of
from panoptes.network.audit.finding import Finding, Kind, Repair
from panoptes.network.audit.inventory import Inventory, stands
from panoptes.network.catalog.catalog import Fields, Stored
from panoptes.network.documents import IMAGE_STATUS, File, Image
from panoptes.network.errors import first_fault
from panoptes.network.file_types import (
    ARCHIVE,
    FILE_TYPES,
    KEPT_SOURCES,
    ORIGINAL,
    RAWS,
    FileType,
)
from panoptes.network.image_types import NOT_LIGHTS
from panoptes.network.ingest.provenance import recorded_sources
from panoptes.network.ingest.settle import INGESTED
from panoptes.network.names import parse_sequence_id
from panoptes.network.object_paths import ObjectPath
from panoptes.network.site import Site


class DocumentChecks:
    """Images, observation, camera and unit."""

    def __init__(
        self,
        site: Site,
        inventory: Inventory,
        entries: Mapping[str, File],
        claims: Mapping[ObjectPath, list[Claim]],
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
            sentence = f"The image {key} cannot be read: {first_fault(error)}."
            yield self._rebuilt(Kind.DOCUMENT_UNREADABLE, f"images/{key}", sentence, [key])
            return
        yield from self._sources(image)
        if wrong := self._wrong(image):
            sentence = f"The image {key} {wrong}."
            yield self._rebuilt(Kind.IMAGE_WRONG, f"images/{key}", sentence, [key])
        yield from self._paths(image)

    def _adopted(self, stored: Stored) -> Iterator[Finding]:
        """An image of earlier software, of whose file the ledger knows nothing."""
        if stored.fields.get("status") not in INGESTED:
            return
        path = stored.fields.get("bucket_path")
        if not isinstance(path, str):
            folder = parse_sequence_id(self._inventory.sequence_id).folder
            path = f"{folder}/{stored.key.rpartition('_')[2]}.fits.fz"
        if ("images", path) not in self._inventory.objects and not stands(
            self._site, "images", path
        ):
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
            path = KEPT_SOURCES.get(kind, ARCHIVE).path_in(vars(image))
            yield self._told(
                Kind.ENTRY_MISSING, f"images/{image.image_id}",
                f"The image {image.image_id} was made of {source.name}, "
                "which the ledger does not know.",
                Repair.REBUILD if path else None, source.name,
            )  # fmt: skip

    def _wrong(self, image: Image) -> str | None:
        """What contradicts the ledger, the image's id or itself."""
        sequence = parse_sequence_id(self._inventory.sequence_id)
        ids = {"unit_id": sequence.unit_id, "camera_id": sequence.camera_id}
        for name, meant in ids.items():
            if getattr(image, name) != meant:
                return f"says {name} = {getattr(image, name)}, but belongs to {meant}"
        if image.status in IMAGE_STATUS and image.status not in INGESTED:
            return f"is said to be {image.status}, although a file of it is archived"
        for kind, source in (image.sources or {}).items():
            kept = KEPT_SOURCES.get(kind)
            if kept is not None and not kept.path_in(vars(image)):
                named = "camera raw" if kept is ORIGINAL else "archived file"
                return f"does not say where its {named} is"
            entry = self._entries.get(source.name)
            if entry is None or entry.outcome != "archived" or entry.duplicate_of:
                continue
            if entry.crc32c != source.crc32c:
                return f"speaks of another version of {source.name} than the ledger"
            if contradiction := _contradicted(image, entry):
                return contradiction
        return None

    def _paths(self, image: Image) -> Iterator[Finding]:
        """Objects that the image names and no ledger entry speaks for."""
        for location, path in places_of(image.model_dump()):
            if (location, path) in self._claims:
                continue
            if (location, path) not in self._inventory.objects and not stands(
                self._site, location, path
            ):
                yield Finding(
                    Kind.OBJECT_MISSING, location, path,
                    f"The image {image.image_id} names {path}, and it is not in {location}.",
                    self._inventory.sequence_id,
                )  # fmt: skip

    def _missing_images(self) -> Iterator[Finding]:
        for entry in self._entries.values():
            if entry.outcome != "archived" or entry.duplicate_of or entry.image_id is None:
                continue
            stored = self._proper.get(entry.image_id)
            row = FILE_TYPES.get(entry.file_type or FileType.FITS)
            if stored is None or row is None or row.source not in recorded_sources(stored.fields):
                yield self._told(
                    Kind.IMAGE_MISSING, f"images/{entry.image_id}",
                    f"{entry.name} is archived, but its image {entry.image_id} "
                    "is not in the catalogue.",
                    Repair.REBUILD, entry.name,
                )  # fmt: skip

    def _observation(self) -> Iterator[Finding]:
        sequence_id = self._inventory.sequence_id
        proper = next((s for s in self._inventory.observations if s.key == sequence_id), None)
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
        sentence = f"There are images of {key}, but it is not in the catalogue."
        return self._rebuilt(Kind.DOCUMENT_MISSING, f"{collection}/{key}", sentence, self._proper)

    def _counts(self, observation: Stored) -> Iterator[Finding]:
        counted = [
            s.fields
            for s in self._inventory.images
            if s.fields.get("status") in INGESTED
            and s.fields.get("image_type") not in NOT_LIGHTS
            and (s.key in self._proper or not recorded_sources(s.fields))
        ]
        expected: dict[str, Any] = {
            "num_images": len(counted),
            "total_exptime": round(sum(_number(f.get("exptime")) for f in counted), 3),
        }
        arrivals = [e.arrived for e in self._entries.values()]
        if arrivals:
            expected["last_arrival"] = max(arrivals)
        yield from wrong_counts(
            "observations", observation.key, observation.fields, expected, observation.key
        )

    def _rebuilt(self, kind: Kind, name: str, sentence: str, images: Iterable[str]) -> Finding:
        """Told with the upload from which the first of these images can be written again."""
        archived = [
            e for e in self._entries.values() if e.outcome == "archived" and not e.duplicate_of
        ]
        archived.sort(key=lambda e: (e.file_type in RAWS, e.name))
        of_them = (e.name for image_id in images for e in archived if e.image_id == image_id)
        subject = next(of_them, None)
        return self._told(kind, name, sentence, Repair.REBUILD if subject else None, subject)

    def _told(
        self, kind: Kind, name: str, sentence: str,
        repair: Repair | None = None, subject: str | None = None,
    ) -> Finding:  # fmt: skip
        return Finding(
            kind, "catalog", name, sentence, self._inventory.sequence_id, repair, subject
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


def wrong_counts(
    collection: str, key: str, fields: Fields, expected: Fields, sequence_id: str | None
) -> Iterator[Finding]:
    """A finding where derived fields are not what the catalogue's documents give."""
    wrong = [
        f"{name} is {fields.get(name)} and should be {value}"
        for name, value in expected.items()
        if not _same(fields.get(name), value)
    ]
    if wrong:
        yield Finding(
            Kind.COUNT_WRONG, "catalog", f"{collection}/{key}",
            f"Of {key}, {'; '.join(wrong)}.", sequence_id,
            Repair.SETTLE if sequence_id else None,
        )  # fmt: skip


def _same(stored: object, expected: object) -> bool:
    if isinstance(expected, float) and isinstance(stored, int | float):
        # Sums are added in no certain order, and then rounded to the millisecond.
        return abs(stored - expected) < 0.0015
    return stored == expected


def _number(value: object) -> float:
    """A field as it adds to a sum; 0 where it is no number, as `Catalog.aggregate` has it."""
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0
