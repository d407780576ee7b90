"""What the catalogue holds of a unit's night: every question is one that an index answers."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from panoptes.network.audit.scope import Span as Ids
from panoptes.network.catalog.catalog import Catalog, Condition, Fields, Order, Query, Stored
from panoptes.network.names import parse_sequence_id
from panoptes.network.nighttime import night_bounds, night_of

EARLIER_IMAGES = 200
"""So many of the newest before a night tell the unit's cadence."""
EARLIER_OBSERVATIONS = 300
EARLIER_NIGHTS = 14
"""So many of the nights with observations before tell what the unit usually brings."""
RECORD_DAYS = 60
"""What is older says nothing of how the unit is now."""
_MOST_CAMERAS = 50
MOST_UNROUTED = 50


_OBSERVATION = ("camera_id", "field_name", "image_type", "num_images", "time")
_IMAGE = (
    "airmass", "camera_id", "camtemp", "dec_image", "dec_mnt", "exptime", "focpos", "image_type",
    "measev", "measured", "moonfrac", "moonsep", "quality", "ra_image", "ra_mnt", "sequence_id",
    "solution", "time",
)  # fmt: skip
_FILE = (
    "adopted", "arrived", "camera_id", "case_id", "closed", "code", "derived", "file_type",
    "generation", "history", "image_id", "name", "next_step", "opened", "outcome", "reason",
    "run_begun", "run_made", "sequence_id", "size",
)  # fmt: skip
"""What is read of a document: most of it is about other things."""


def observations_between(
    catalog: Catalog, unit_id: str, start: datetime, end: datetime
) -> list[Stored]:
    """Observations that began from `start` up to `end`, in the order of time."""
    where = _of_unit(unit_id, start, end)
    return list(catalog.query(Query("observations", where, [("time", "asc")], only=_OBSERVATION)))


def images_between(catalog: Catalog, unit_id: str, start: datetime, end: datetime) -> list[Stored]:
    """Images that were begun from `start` up to `end`, in the order of time."""
    where = _of_unit(unit_id, start, end)
    newest = catalog.query(Query("images", where, [("time", "desc")], only=_IMAGE))
    return list(newest)[::-1]


def images_before(catalog: Catalog, unit_id: str, moment: datetime) -> list[Stored]:
    """The last images before a moment, in the order of time."""
    where = _of_unit(unit_id, moment - timedelta(days=RECORD_DAYS), moment)
    order: list[Order] = [("time", "desc")]
    newest = Query("images", where, order, limit=EARLIER_IMAGES, only=_IMAGE)
    return list(catalog.query(newest))[::-1]


def nights_before(
    catalog: Catalog, unit_id: str, moment: datetime, longitude: float | None
) -> list[tuple[date, list[Stored]]]:
    """The observations of each of the last nights before a moment, the newest first."""
    where = _of_unit(unit_id, moment - timedelta(days=RECORD_DAYS), moment)
    order: list[Order] = [("time", "desc")]
    found = list(
        catalog.query(
            Query("observations", where, order, limit=EARLIER_OBSERVATIONS, only=_OBSERVATION)
        )
    )
    nights: dict[str, list[Stored]] = {}
    for stored in found:
        nights.setdefault(night_of(stored.fields["time"], longitude), []).append(stored)
    if len(found) == EARLIER_OBSERVATIONS and len(nights) > 1:
        nights.popitem()  # perhaps not all of it
    return [(date.fromisoformat(each), seen) for each, seen in nights.items()][:EARLIER_NIGHTS]


def files_of_night(
    catalog: Catalog, unit_id: str, night: date, longitude: float | None
) -> Iterator[Fields]:
    """The ledger's entries of all files whose observations began in the night.

    However late they arrived, and whether or not anything of the observation was catalogued.
    """
    start, end = night_bounds(night, longitude)
    for camera_id in _cameras(catalog, unit_id):
        span = Ids(unit_id, camera_id, f"{start:%Y%m%dT%H%M%S}", f"{end:%Y%m%dT%H%M%S}")
        low, high = span.ids
        where: list[Condition] = [("sequence_id", ">=", low), ("sequence_id", "<", high)]
        for stored in catalog.query(Query("files", where, only=_FILE)):
            if stored.fields.get("camera_id") == camera_id:
                yield stored.fields


def unrouted(
    catalog: Catalog, unit_id: str, start: datetime | None = None, end: datetime | None = None
) -> list[Fields]:
    """The ledger's entries of files in quarantine that lie below the unit's folder under a name
    that says no more, and arrived from `start` up to `end`; the newest first."""
    low, high = f"{unit_id}/", f"{unit_id}0"  # 0 is what follows the stroke
    named: list[Condition] = [("name", ">=", low), ("name", "<", high)]
    where: list[Condition] = [("outcome", "==", "quarantined"), *named]
    found = (each.fields for each in catalog.query(Query("files", where, only=_FILE)))
    held = [
        (arrived, each)
        for each in found
        if each.get("sequence_id") is None
        and isinstance(arrived := each.get("arrived"), datetime)
        and (start is None or arrived >= start)
        and (end is None or arrived < end)
    ]
    held.sort(key=lambda each: each[0], reverse=True)
    return [each for _, each in held[:MOST_UNROUTED]]


def _cameras(catalog: Catalog, unit_id: str) -> list[str]:
    """The cameras that the catalogue knows, and those of which files alone are known."""
    found = {
        camera_id
        for stored in catalog.query(Query("cameras", [("unit_id", "==", unit_id)]))
        if isinstance(camera_id := stored.fields.get("camera_id"), str)
    }
    low, high = f"{unit_id}_", f"{unit_id}_~"
    for _ in range(_MOST_CAMERAS):
        where: list[Condition] = [("sequence_id", ">=", low), ("sequence_id", "<", high)]
        stored = next(
            iter(catalog.query(Query("files", where, limit=1, only=("sequence_id",)))), None
        )
        if stored is None:
            break
        try:
            camera_id = parse_sequence_id(stored.fields["sequence_id"]).camera_id
        except ValueError:  # another program's
            low = f"{stored.fields['sequence_id']} "
            continue
        found.add(camera_id)
        low = f"{unit_id}_{camera_id}_~"
    return sorted(found)


def _of_unit(unit_id: str, start: datetime, end: datetime) -> list[Condition]:
    return [("unit_id", "==", unit_id), ("time", ">=", start), ("time", "<", end)]
