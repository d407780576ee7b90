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
from datetime import datetime, timedelta

from pydantic import ValidationError

from panoptes.network.adoption.said import (
    CAMERA,
    IMAGE,
    IMAGE_OF_OBSERVATION,
    OBSERVATION,
    UNIT,
    place_in,
    said_in,
)
from panoptes.network.adoption.taken import Became, Taken
from panoptes.network.audit.inventory import PAGE, pages
from panoptes.network.catalog.catalog import Catalog, Fields, Query, Stored, modify
from panoptes.network.documents import (
    IMAGE_STATUS,
    OBSERVATION_STATUS,
    SCHEMA_VERSION,
    Camera,
    Document,
    Image,
    Observation,
    Unit,
    folded,
    healpix_of,
    version_of,
)
from panoptes.network.errors import BadInput
from panoptes.network.ingest.provenance import recorded_sources
from panoptes.network.ingest.retries import keep_trying
from panoptes.network.names import (
    ImageType,
    ObservationName,
    image_type_of_field,
    parse_sequence_id,
    parse_time,
    parse_upload,
)
from panoptes.network.nighttime import night_of

_UNIT = re.compile(r"PAN\d{3}", re.ASCII)
_EMPTY = (None, "")

Change = Callable[[Fields | None], Fields]


class Foreign(ValueError):
    """The document is none of a unit, an observation or an image; the message says why."""


class Documents:
    """One pass over the documents of a catalogue; with `dry_run` nothing is written."""

    def __init__(self, catalog: Catalog, unit: str | None, *, dry_run: bool) -> None:
        self._catalog, self._unit, self._dry_run = catalog, unit, dry_run
        self._longitudes: dict[str, float | None] = {}
        self._observation: tuple[str, str | None] = ("", None)
        """The last image's, and the name of its field."""

    def take_over(self) -> Iterator[Taken]:
        """Units before what needs their longitude, observations before their images."""
        for collection, change in (
            ("units", self._unit_change),
            ("observations", self._observation_change),
            ("images", self._image_change),
        ):
            yield from self._flat(collection, change)
            if collection != "units":
                yield from self._nested(collection, change)

    def _flat(self, collection: str, change: Callable[[Stored], Change]) -> Iterator[Taken]:
        for stored in pages(self._catalog, Query(collection)):
            is_current = (version_of(stored.fields) or 0) >= SCHEMA_VERSION
            is_whole = collection != "observations" or not _underived(stored.fields)
            if (is_current and is_whole) or not stored.key.startswith(self._unit or ""):
                continue
            name = f"{collection}/{stored.key}"
            try:
                if self._write(
                    collection, stored.key, _underived if is_current else change(stored)
                ):
                    yield Taken(name, Became.COMPLETED)
            except ValueError as error:  # what no catalogue holds, too
                yield Taken(name, Became.LEFT, f"{name} {error}")

    def _nested(self, collection: str, change: Callable[[Stored], Change]) -> Iterator[Taken]:
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
                        yield Taken(name, Became.WRITTEN)
                except ValueError as error:
                    yield Taken(name, Became.LEFT, f"{name} {error}")
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
            return _completed(Unit, fields, {}, said, f"units/{stored.key}")

        return change

    def _observation_change(self, stored: Stored) -> Change:
        sequence = _sequence(stored.key)
        _require_parent(stored, sequence.unit_id)
        path = f"{stored.collection}/{stored.key}"
        longitude = self._longitude(sequence.unit_id)

        def change(before: Fields | None) -> Fields:
            fields = (before or {}) if path == f"observations/{stored.key}" else stored.fields
            said = said_in(fields, OBSERVATION)
            said |= {"healpix": _cell(said, "ra", "dec")}
            said.setdefault("status", OBSERVATION_STATUS[0])
            kind = image_type_of_field(said.get("field_name")) or ImageType.LIGHT
            said.setdefault("image_type", kind.value)
            ids = _of(sequence, longitude)
            changes = _completed(Observation, before or {}, ids, said, path)
            return changes | _underived((before or {}) | changes)

        self._camera(sequence, stored.fields)
        return change

    def _image_change(self, stored: Stored) -> Change:
        sequence = _sequence_of_image(stored)
        _require_parent(stored, sequence.unit_id)
        moment = _time_of(stored.key, sequence)
        path = f"{stored.collection}/{stored.key}"
        longitude = self._longitude(sequence.unit_id)
        kind = _kind_of(stored.fields, self._field_name(sequence, stored.fields, longitude))
        ids = _of(sequence, longitude) | {
            "image_id": stored.key,
            "uid": f"{sequence.sequence_id}_{stored.key.rpartition('_')[2]}",
            "time": moment,
            "night": night_of(moment, longitude),
        }

        def change(before: Fields | None) -> Fields:
            fields = (before or {}) if path == f"images/{stored.key}" else stored.fields
            said = said_in(fields, IMAGE)
            said["healpix"] = _cell(said, "ra_image", "dec_image") or _cell(
                said, "ra_mnt", "dec_mnt"
            )
            if isinstance(exptime := said.get("exptime"), float):
                said["exposure_end"] = moment + timedelta(seconds=exptime)
            said.setdefault("status", IMAGE_STATUS[0])
            said["image_type"] = kind
            return _completed(Image, before or {}, ids, said, path)

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
        self._write("cameras", key, lambda before: _lacking(camera, before or {}))

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
            told["healpix"] = _cell(stored | told, "ra", "dec")
            known = _of(sequence, longitude) | told | {"schema_version": SCHEMA_VERSION}
            changes = _lacking(known, stored)
            return changes | _underived(stored | changes)

        self._write("observations", sequence.sequence_id, change)
        stored = keep_trying(self._catalog.get, "observations", sequence.sequence_id)
        name = stored.fields.get("field_name") if stored else None
        self._observation = sequence.sequence_id, name if isinstance(name, str) else None
        return self._observation[1]


def _completed(
    kind: type[Document], before: Fields, ids: Fields, said: Fields, path: str
) -> Fields:
    """The changes that make a document of `kind` of what there is.

    `ids` follow from its key and hold; of what was `said`, what it has already stays.
    """
    changes = {k: v for k, v in ids.items() if before.get(k) != v}
    is_itself = path.count("/") == 1
    earlier = _adopted_from(before, path)
    for name, value in said.items():
        stored = before.get(name)
        is_unread = is_itself and not isinstance(stored, type(value))
        if value is not None and (
            stored in _EMPTY or is_unread or (name in earlier and stored == earlier[name])
        ):
            changes[name] = value
    changes["schema_version"] = SCHEMA_VERSION
    if ours := recorded_sources(before):
        changes["sources"] = {k: v for k, v in before["sources"].items() if k in ours}
    changes |= dict.fromkeys(_unreadable(kind, before | changes))
    if is_itself and version_of(before) is None:
        theirs = {k: v for k, v in before.items() if k in kind.model_fields and ids.get(k) != v}
        changes["adopted"] = {"document": path, "said": theirs | earlier}
    elif is_itself:
        unsaid = {
            k: before[k]
            for k, v in changes.items()
            if k != "schema_version" and before.get(k) not in _EMPTY and before[k] != v
        }
        if unsaid:
            changes["adopted"] = {"document": path, "said": unsaid | earlier}
    elif not before or earlier:
        given = {k: v for k, v in said.items() if v is not None}
        changes["adopted"] = {"document": path, "said": given}
    return changes


def _adopted_from(before: Fields, path: str) -> Fields:
    adopted = before.get("adopted")
    if not isinstance(adopted, dict) or adopted.get("document") != path:
        return {}
    said = adopted.get("said")
    return said if isinstance(said, dict) else {}


def _unreadable(kind: type[Document], fields: Fields) -> set[str]:
    """Fields with our names in which another program keeps something else."""
    try:
        kind.model_validate(fields)
    except ValidationError as error:
        return {str(each["loc"][0]) for each in error.errors()} & fields.keys()
    return set()


def _lacking(fields: Fields, before: Fields) -> Fields:
    return {k: v for k, v in fields.items() if v is not None and before.get(k) in _EMPTY}


def _of(sequence: ObservationName, longitude: float | None) -> Fields:
    return {
        "sequence_id": sequence.sequence_id,
        "unit_id": sequence.unit_id,
        "camera_id": sequence.camera_id,
        "time": sequence.time,
        "night": night_of(sequence.time, longitude),
        "night_is_rough": longitude is None or None,
    }


def _cell(fields: Fields, ra: str, dec: str) -> int | None:
    east, north = fields.get(ra), fields.get(dec)
    if not isinstance(east, int | float) or not isinstance(north, int | float):
        return None
    return healpix_of(east, north)


def _underived(observation: Fields | None) -> Fields:
    """What this release derives of an observation and an earlier one of ours did not."""
    fields = observation or {}
    name = fields.get("field_name")
    wanted = {"field_folded": folded(name)} if isinstance(name, str) else {}
    return {k: v for k, v in wanted.items() if fields.get(k) != v}


def _sequence(sequence_id: object) -> ObservationName:
    try:
        return parse_sequence_id(str(sequence_id))
    except ValueError as error:
        raise Foreign(f"is no observation: {error}") from None


def _sequence_of_image(stored: Stored) -> ObservationName:
    """By the path of a nested image, by what a flat one says of itself."""
    if "/" in stored.collection:
        return _sequence(stored.collection.split("/")[-2])
    if isinstance(stored.fields.get("sequence_id"), str):
        return _sequence(stored.fields["sequence_id"])
    for name in ("uid", "bucket_path", "file_path"):
        said = stored.fields.get(name)
        if not isinstance(said, str):
            continue
        if name == "uid":
            return _sequence(said.rpartition("_")[0])
        try:
            return parse_upload(said).sequence
        except BadInput:
            continue
    raise Foreign("does not say which observation it belongs to")


def _time_of(image_id: str, sequence: ObservationName) -> datetime:
    camera = f"{sequence.unit_id}_{sequence.camera_id}_"
    try:
        if image_id.startswith(camera):
            return parse_time(image_id.removeprefix(camera))
    except ValueError:
        pass
    raise Foreign(f"is no image of {sequence.sequence_id}: its id is not {camera}TIME")


def _require_parent(stored: Stored, unit_id: str) -> None:
    parts = stored.collection.split("/")
    if len(parts) > 1 and parts[:2] != ["units", unit_id]:
        raise Foreign("lies below another unit than its id says")


def _kind_of(image: Fields, field_name: str | None) -> str:
    """What an image is for, by the names of its uploads, or its observation's field."""
    if isinstance(said := image.get("image_type"), str):
        return said
    for source in recorded_sources(image).values():
        try:
            if kind := parse_upload(source["name"]).image_type:
                return kind.value
        except BadInput:
            continue
    return (image_type_of_field(field_name) or ImageType.LIGHT).value
