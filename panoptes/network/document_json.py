"""Documents of the catalog as JSON and as rows of CSV.

Documents may hold what other programs wrote: whatever JSON has no word for becomes text,
and what is no finite number becomes null.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime

from panoptes.network.catalog.catalog import Stored
from panoptes.network.documents import GeoPoint, Image
from panoptes.network.fits.header_json import Json
from panoptes.network.safe_text import csv_cell

OBSERVATION_COLUMNS = (
    "sequence_id",
    "unit_id",
    "camera_id",
    "field_name",
    "coordinates.mount_ra",
    "coordinates.mount_dec",
    "time",
    "status",
    "num_images",
    "exptime",
    "total_exptime",
    "total_minutes_exptime",
    "ra",
    "dec",
    "iso",
    "camera_filter",
    "project",
    "software_version",
    "night",
    "image_type",
)
"""The first eleven are those that panoptes-data reads; the others were in the network's
earlier lists, or are ours."""

_NOT_IN_ROWS = {"sources", "notes", "rgb_paths", "schema_version", "healpix", "field_folded"}
IMAGE_COLUMNS = (
    "time",
    "uid",
    *(name for name in Image.model_fields if name not in {"time", "uid"} | _NOT_IN_ROWS),
    "public_url",
)


def document_json(stored: Stored, id_name: str) -> dict[str, Json]:
    """A document with its key under `id_name`; times are ISO 8601 in UTC."""
    fields = {name: to_json(value) for name, value in stored.fields.items()}
    return {id_name: stored.key} | fields | {id_name: stored.key}


def to_json(value: object) -> Json:
    """A value of a document in JSON's types."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return value if math.isfinite(value) else None
        case datetime():
            return value.isoformat().replace("+00:00", "Z")
        case GeoPoint():
            return {"latitude": value.latitude, "longitude": value.longitude}
        case Mapping():
            return {str(name): to_json(each) for name, each in value.items()}
        case list() | tuple():
            return [to_json(each) for each in value]
    return str(value)


def observation_row(stored: Stored) -> dict[str, object]:
    """The columns of an observation in the lists that astronomers read.

    The mount's coordinates are those that other programs wrote, or else the observation's
    own. A field without a name is called unknown, since the published client fails on a
    missing one (it takes the column for text).
    """
    fields = stored.fields
    written = fields.get("coordinates")
    mount = written if isinstance(written, Mapping) else {}
    total = fields.get("total_exptime")
    return {
        **fields,
        "sequence_id": stored.key,
        "field_name": fields.get("field_name") or "unknown",
        "coordinates.mount_ra": _number(mount.get("mount_ra"), fields.get("ra")),
        "coordinates.mount_dec": _number(mount.get("mount_dec"), fields.get("dec")),
        "num_images": fields.get("num_images") or 0,
        "total_minutes_exptime": total / 60 if isinstance(total, int | float) else None,
    }


def _number(*values: object) -> int | float | None:
    """The first of these that is one: a client reads the whole column as numbers."""
    numbers = (v for v in values if isinstance(v, int | float) and not isinstance(v, bool))
    return next(numbers, None)


def image_row(stored: Stored, public_url: str | None) -> dict[str, object]:
    """The columns of an archived image; `uid` is what its path is made from."""
    fields = stored.fields
    image_time = stored.key.rpartition("_")[2]
    uid = fields.get("uid") or f"{fields.get('sequence_id')}_{image_time}"
    return {**fields, "image_id": stored.key, "uid": uid, "public_url": public_url}


def csv_lines(columns: Iterable[str], rows: Iterable[Mapping[str, object]]) -> Iterator[str]:
    """A table with a head line, line by line (RFC 4180, but lines end in a line feed).

    Times are written as pandas does, so that they sort and compare as text, and always
    with their fraction, since pandas reads a column in one format.
    """
    names = list(columns)
    writer = csv.writer(_Line(), lineterminator="\n")
    yield writer.writerow(names)
    for row in rows:
        yield writer.writerow([_cell(row.get(name)) for name in names])


class _Line:
    """What a writer of CSV writes to, so that it gives back the line."""

    def write(self, line: str) -> str:
        return line


def _cell(value: object) -> object:
    match value:
        case None:
            return ""
        case float():
            return value if math.isfinite(value) else ""
        case str():
            return csv_cell(value)
        case bool() | int():
            return value
        case datetime():
            return value.isoformat(sep=" ", timespec="microseconds")
    return str(to_json(value))
