"""Documents of earlier software, and of earlier releases, as this release has them.

A flat document (`units`, `observations`, `images`) is completed where it is: fields that it
lacks, and texts that should be numbers. A nested one stays as it is, and a flat one of ours is
written beside it. `adopted` says which document it was, and what that said by our names; so
nothing is lost when a file's header or the counts say otherwise later, and where a nested document
has changed since, its new words replace its old ones and nobody else's.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import timedelta

from panoptes.network.adoption.completing import cell_of, completed, lacking, underived
from panoptes.network.adoption.identity import (
    Foreign,
    ids_of,
    kind_of,
    require_parent,
    sequence_of,
    sequence_of_image,
    time_of,
)
from panoptes.network.adoption.said import (
    CAMERA,
    IMAGE,
    IMAGE_OF_OBSERVATION,
    OBSERVATION,
    UNIT,
    place_in,
    said_in,
)
from panoptes.network.adoption.taken import Done, TakenOver
from panoptes.network.audit.inventory import PAGE, pages
from panoptes.network.catalog.catalog import Catalog, Fields, Query, Stored, modify
from panoptes.network.documents import (
    IMAGE_STATUS,
    OBSERVATION_STATUS,
    SCHEMA_VERSION,
    Camera,
    Image,
    Observation,
    Unit,
    version_of,
)
from panoptes.network.image_types import ImageType, image_type_of_field
from panoptes.network.ingest.retries import keep_trying
from panoptes.network.names import ObservationName
from panoptes.network.nighttime import night_of

_UNIT = re.compile(r"PAN\d{3}", re.ASCII)
_EMPTY = (None, "")

Change = Callable[[Fields | None], Fields]


class Documents:
    """One pass over the documents of a catalogue; with `dry_run` nothing is written."""

    def __init__(self, catalog: Catalog, unit: str | None, *, dry_run: bool) -> None:
        self._catalog, self._unit, self._dry_run = catalog, unit, dry_run
        self._longitudes: dict[str, float | None] = {}
        self._observation: tuple[str, str | None] = ("", None)
        """The last image's, and the name of its field."""

    def take_over(self) -> Iterator[TakenOver]:
        """Units before what needs their longitude, observations before their images."""
        for collection, change in (
            ("units", self._unit_change),
            ("observations", self._observation_change),
            ("images", self._image_change),
        ):
            yield from self._flat(collection, change)
            if collection != "units":
                yield from self._nested(collection, change)

    def _flat(self, collection: str, change: Callable[[Stored], Change]) -> Iterator[TakenOver]:
        for stored in pages(self._catalog, Query(collection)):
            is_current = (version_of(stored.fields) or 0) >= SCHEMA_VERSION
            is_whole = collection != "observations" or not underived(stored.fields)
            if (is_current and is_whole) or not stored.key.startswith(self._unit or ""):
                continue
            name = f"{collection}/{stored.key}"
            try:
                if self._write(collection, stored.key, underived if is_current else change(stored)):
                    yield TakenOver(name, Done.COMPLETED)
            except ValueError as error:  # what no catalogue holds, too
                yield TakenOver(name, Done.LEFT, f"{name} {error}")

    def _nested(self, collection: str, change: Callable[[Stored], Change]) -> Iterator[TakenOver]:
        below = f"units/{self._unit}" if self._unit else ""
        after: Stored | None = None
        while True:
            page = keep_trying(
                self._catalog.nested, collection, below=below, after=after, limit=PAGE
            )
            for stored in page:
                name = f"{stored.collection}/{stored.key}"
                try:
                    if self._write(collection, stored.key, change(stored)):
                        yield TakenOver(name, Done.WRITTEN)
                except ValueError as error:
                    yield TakenOver(name, Done.LEFT, f"{name} {error}")
            if len(page) < PAGE:
                return
            after = page[-1]

    def _write(self, collection: str, key: str, change: Change) -> bool:
        """Whether anything was to be written."""
        is_changed = False

        def noted(before: Fields | None) -> Fields:
            nonlocal is_changed
            stored = before or {}
            if (version_of(stored) or 0) > SCHEMA_VERSION:
                raise Foreign("has a document of a newer release here: upgrade, and run it again")
            changes = change(before)
            is_changed = any(stored.get(name) != value for name, value in changes.items())
            return {} if self._dry_run else changes

        keep_trying(modify, self._catalog, collection, key, noted)
        return is_changed

    def _unit_change(self, stored: Stored) -> Change:
        if not _UNIT.fullmatch(stored.key):
            raise Foreign("is no unit: its id is not PAN and three digits")

        def change(before: Fields | None) -> Fields:
            fields = before or {}
            said = {"name": stored.key, "location": place_in(fields)} | said_in(fields, UNIT)
            return completed(Unit, fields, {}, said, f"units/{stored.key}")

        return change

    def _observation_change(self, stored: Stored) -> Change:
        sequence = sequence_of(stored.key)
        require_parent(stored, sequence.unit_id)
        path = f"{stored.collection}/{stored.key}"
        longitude = self._longitude(sequence.unit_id)

        def change(before: Fields | None) -> Fields:
            fields = (before or {}) if path == f"observations/{stored.key}" else stored.fields
            said = said_in(fields, OBSERVATION)
            said |= {"healpix": cell_of(said, "ra", "dec")}
            said.setdefault("status", OBSERVATION_STATUS[0])
            kind = image_type_of_field(said.get("field_name")) or ImageType.LIGHT
            said.setdefault("image_type", kind.value)
            ids = ids_of(sequence, longitude)
            changes = completed(Observation, before or {}, ids, said, path)
            return changes | underived((before or {}) | changes)

        self._camera(sequence, stored.fields)
        return change

    def _image_change(self, stored: Stored) -> Change:
        sequence = sequence_of_image(stored)
        require_parent(stored, sequence.unit_id)
        moment = time_of(stored.key, sequence)
        path = f"{stored.collection}/{stored.key}"
        longitude = self._longitude(sequence.unit_id)
        kind = kind_of(stored.fields, self._field_name(sequence, stored.fields, longitude))
        ids = ids_of(sequence, longitude) | {
            "image_id": stored.key,
            "uid": f"{sequence.sequence_id}_{stored.key.rpartition('_')[2]}",
            "time": moment,
            "night": night_of(moment, longitude),
        }

        def change(before: Fields | None) -> Fields:
            fields = (before or {}) if path == f"images/{stored.key}" else stored.fields
            said = said_in(fields, IMAGE)
            said["healpix"] = cell_of(said, "ra_image", "dec_image") or cell_of(
                said, "ra_mnt", "dec_mnt"
            )
            if isinstance(exptime := said.get("exptime"), float):
                said["exposure_end"] = moment + timedelta(seconds=exptime)
            said.setdefault("status", IMAGE_STATUS[0])
            said["image_type"] = kind
            return completed(Image, before or {}, ids, said, path)

        return change

    def _longitude(self, unit_id: str) -> float | None:
        if unit_id not in self._longitudes:
            stored = keep_trying(self._catalog.get, "units", unit_id)
            place = place_in(stored.fields) if stored else None
            self._longitudes[unit_id] = place.longitude if place else None
            if stored is None:
                self._write("units", unit_id, lambda before: before or Unit(name=unit_id).fields())
        return self._longitudes[unit_id]

    def _camera(self, sequence: ObservationName, fields: Fields) -> None:
        ids = {"unit_id": sequence.unit_id, "camera_id": sequence.camera_id}
        camera = Camera.model_validate(ids | said_in(fields, CAMERA)).fields()
        key = f"{sequence.unit_id}_{sequence.camera_id}"
        self._write("cameras", key, lambda before: lacking(camera, before or {}))

    def _field_name(
        self, sequence: ObservationName, image: Fields, longitude: float | None
    ) -> str | None:
        """The field of an image's observation, which is made, or told its place, where it must.

        Images come in the order of their times: the first of an observation describes it.
        """
        if self._observation[0] == sequence.sequence_id:
            return self._observation[1]
        said = said_in(image, IMAGE_OF_OBSERVATION)
        ours = said_in(image, IMAGE)
        for ra, dec in (("ra_mnt", "dec_mnt"), ("ra_image", "dec_image")):
            if ra in ours:
                said |= {"ra": ours[ra], "dec": ours[dec]}
        if "exptime" in ours:
            said["exptime"] = ours["exptime"]

        def change(before: Fields | None) -> Fields:
            stored = before or {}
            if before is None:
                self._camera(sequence, {})
                said["status"], said["image_type"] = OBSERVATION_STATUS[0], ImageType.LIGHT.value
            elif stored.get("adopted") is None:
                return {}  # ours: its files describe it
            told = {k: v for k, v in said.items() if "ra" not in stored or k not in ("ra", "dec")}
            told["healpix"] = cell_of(stored | told, "ra", "dec")
            known = ids_of(sequence, longitude) | told | {"schema_version": SCHEMA_VERSION}
            changes = lacking(known, stored)
            return changes | underived(stored | changes)

        self._write("observations", sequence.sequence_id, change)
        stored = keep_trying(self._catalog.get, "observations", sequence.sequence_id)
        name = stored.fields.get("field_name") if stored else None
        self._observation = sequence.sequence_id, name if isinstance(name, str) else None
        return self._observation[1]
