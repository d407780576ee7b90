"""Which unit, observation and image a document of another program's is of."""

from __future__ import annotations

from datetime import datetime

from panoptes.network.catalog.catalog import Fields, Stored
from panoptes.network.errors import BadInput
from panoptes.network.image_types import ImageType, image_type_of_field
from panoptes.network.ingest.provenance import recorded_sources
from panoptes.network.names import ObservationName, parse_sequence_id, parse_time, parse_upload
from panoptes.network.nighttime import night_of


class Foreign(ValueError):
    """The document is none of a unit, an observation or an image; the message says why."""


def ids_of(sequence: ObservationName, longitude: float | None) -> Fields:
    """The fields that follow from an observation's id, and its unit's longitude (degrees)."""
    return {
        "sequence_id": sequence.sequence_id,
        "unit_id": sequence.unit_id,
        "camera_id": sequence.camera_id,
        "time": sequence.time,
        "night": night_of(sequence.time, longitude),
        "night_is_rough": longitude is None or None,
    }


def sequence_of(sequence_id: object) -> ObservationName:
    """The observation of this id. Raises Foreign."""
    try:
        return parse_sequence_id(str(sequence_id))
    except ValueError as error:
        raise Foreign(f"is no observation: {error}") from None


def sequence_of_image(stored: Stored) -> ObservationName:
    """By the path of a nested image, by what a flat one says of itself. Raises Foreign."""
    if "/" in stored.collection:
        return sequence_of(stored.collection.split("/")[-2])
    if isinstance(stored.fields.get("sequence_id"), str):
        return sequence_of(stored.fields["sequence_id"])
    for name in ("uid", "bucket_path", "file_path"):
        said = stored.fields.get(name)
        if not isinstance(said, str):
            continue
        if name == "uid":
            return sequence_of(said.rpartition("_")[0])
        try:
            return parse_upload(said).sequence
        except BadInput:
            continue
    raise Foreign("does not say which observation it belongs to")


def time_of(image_id: str, sequence: ObservationName) -> datetime:
    """When an exposure began, by its id. Raises Foreign."""
    camera = f"{sequence.unit_id}_{sequence.camera_id}_"
    try:
        if image_id.startswith(camera):
            return parse_time(image_id.removeprefix(camera))
    except ValueError:
        pass
    raise Foreign(f"is no image of {sequence.sequence_id}: its id is not {camera}TIME")


def require_parent(stored: Stored, unit_id: str) -> None:
    """Raises Foreign where a nested document lies below another unit."""
    parts = stored.collection.split("/")
    if len(parts) > 1 and parts[:2] != ["units", unit_id]:
        raise Foreign("lies below another unit than its id says")


def kind_of(image: Fields, field_name: str | None) -> str:
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
