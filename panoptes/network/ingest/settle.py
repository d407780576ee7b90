"""Counts and status of an observation and its unit, asked of the catalog, never added up."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

from panoptes.network.catalog.catalog import Condition, Fields, Query, modify
from panoptes.network.documents import OBSERVATION_STATUS, Unit, folded, forward
from panoptes.network.image_types import NOT_LIGHTS, ImageType
from panoptes.network.ingest.ledger import now
from panoptes.network.names import ObservationName
from panoptes.network.nighttime import night_of
from panoptes.network.site import Site

INGESTED = (
    *("received", "uploaded", "solved", "matched", "error"),
    *("RECEIVED", "CALIBRATING", "SOLVED", "MATCHED", "ERROR"),
)
"""Words of an image whose file has been here: ours, and what panoptes-pipeline goes on to."""

_OF_AN_IMAGE = re.compile(r"\d{8}T\d{6}\.mp4", re.ASCII)


def settle_observation(site: Site, sequence: ObservationName, *, with_unit: bool = True) -> Fields:
    """Write the derived fields of an observation and its unit; gives the observation's.

    Without the unit where many of its observations are settled: it is counted after the last.

    An observation is received after `quiet_hours` without files, or once its camera has
    begun the next one. One that has no document (nothing of it could be taken) stays so.
    """
    catalog = site.catalog
    stored = catalog.get("observations", sequence.sequence_id)
    if stored is None:
        return {}
    kind = _image_type(site, sequence)
    if kind is not None and kind != stored.fields.get("image_type"):
        # Before the unit, which counts the observations that have lights.
        modify(catalog, "observations", sequence.sequence_id, lambda before: {"image_type": kind})
    later = _next_begun(site, sequence)
    _end_earlier(site, sequence)

    def observation(before: Fields | None) -> Fields:
        last = _last_arrival(site, sequence)
        quiet = last is not None and now() - last >= timedelta(hours=site.settings.quiet_hours)
        wanted = "received" if later or quiet else "receiving_files"
        found = _totals(site, ("sequence_id", "==", sequence.sequence_id))
        if film := _film(site, sequence):
            found["timelapse_path"] = film
        name = (before or {}).get("field_name")
        if isinstance(name, str):  # an earlier release's run beside ours does not fold it
            found["field_folded"] = folded(name)
        found |= {
            "last_arrival": last,
            "status": forward(OBSERVATION_STATUS, (before or {}).get("status"), wanted),
        }
        news = ("status", "num_images")
        if any(found[each] != (before or {}).get(each) for each in news):
            found["announced"] = False  # a sweep tells Prefect, once it is complete
        return found

    def unit(before: Fields | None) -> Fields:
        made = Unit(name=sequence.unit_id).fields() if before is None else {}
        return made | unit_totals(site, sequence.unit_id)

    if with_unit:
        modify(catalog, "units", sequence.unit_id, unit)
    _mend_nights(site, sequence)
    return modify(catalog, "observations", sequence.sequence_id, observation)


def _image_type(site: Site, sequence: ObservationName) -> str | None:
    """Light if there is a light, else what the first exposure is for; None where there is none."""
    own: Condition = ("sequence_id", "==", sequence.sequence_id)
    first = next(iter(site.catalog.query(Query("images", [own], [("time", "asc")], limit=1))), None)
    if first is None:
        return None
    said = first.fields.get("image_type")
    # Counted only where the first is none: calibrations lie in observations of their own.
    if said not in NOT_LIGHTS or _totals(site, own)["num_images"]:
        return ImageType.LIGHT.value
    return str(said)


def _film(site: Site, sequence: ObservationName) -> str | None:
    """The unit's film of the whole observation: the one named by it, else the first by name."""
    own = f"{sequence.folder}/{sequence.sequence_time}.mp4"
    names = [info.name for info in site.store("timelapse").list(f"{sequence.folder}/")]
    theirs = (name for name in names if name != sequence.timelapse)
    whole = [n for n in theirs if not _OF_AN_IMAGE.fullmatch(n.rpartition("/")[2])]
    return own if own in names else min(whole, default=None)


def unit_totals(site: Site, unit_id: str) -> Fields:
    """What the counts of a unit are, by its images and observations."""
    own: Condition = ("unit_id", "==", unit_id)
    every = site.catalog.aggregate(Query("observations", [own]))
    others = site.catalog.aggregate(Query("observations", [own, ("image_type", "in", NOT_LIGHTS)]))
    counted = int(every["count"] - others["count"])
    return _totals(site, own) | {"num_observations": counted}


def _mend_nights(site: Site, sequence: ObservationName) -> None:
    """Nights that were counted from Greenwich, now that the unit's longitude is known."""
    longitude = site.longitude(sequence.unit_id)
    if longitude is None:
        return

    def mend(before: Fields | None) -> Fields | None:
        moment = (before or {}).get("time")
        if not (before or {}).get("night_is_rough") or not isinstance(moment, datetime):
            return None
        return {"night": night_of(moment, longitude), "night_is_rough": None}

    for collection in ("images", "observations"):
        rough = Query(
            collection,
            where=[("sequence_id", "==", sequence.sequence_id), ("night_is_rough", "==", True)],
        )
        for stored in list(site.catalog.query(rough)):
            modify(site.catalog, collection, stored.key, mend)


def _totals(site: Site, own: Condition) -> Fields:
    """Of the lights: all images but the others, which few observations have."""
    types: Condition = ("image_type", "in", NOT_LIGHTS)
    count, exptime = _ingested(site, [own], INGESTED)
    if site.catalog.aggregate(Query("images", [own, types]))["count"]:
        # Firestore takes 30 combinations of values in a query: five words and six types.
        for words in (INGESTED[:5], INGESTED[5:]):
            others, seconds = _ingested(site, [own, types], words)
            count, exptime = count - others, exptime - seconds
    return {"num_images": count, "total_exptime": round(exptime, 3)}


def _ingested(site: Site, where: list[Condition], words: tuple[str, ...]) -> tuple[int, float]:
    """How many images of these words there are, and their seconds."""
    query = Query("images", [*where, ("status", "in", list(words))])
    found = site.catalog.aggregate(query, sums=["exptime"])
    return int(found["count"]), found["exptime"]


def _last_arrival(site: Site, sequence: ObservationName) -> datetime | None:
    newest = Query(
        "files",
        where=[("sequence_id", "==", sequence.sequence_id)],
        order_by=[("arrived", "desc")],
        limit=1,
    )
    last = next(iter(site.catalog.query(newest)), None)
    return last.fields["arrived"] if last else None


def _next_begun(site: Site, sequence: ObservationName) -> bool:
    later = Query(
        "observations",
        where=[
            ("unit_id", "==", sequence.unit_id),
            ("camera_id", "==", sequence.camera_id),
            ("time", ">", sequence.time),
            ("time", "<=", now()),  # a camera's clock that is ahead has begun nothing
        ],
        order_by=[("time", "asc")],
        limit=1,
    )
    return any(True for _ in site.catalog.query(later))


def _end_earlier(site: Site, sequence: ObservationName) -> None:
    """This camera has begun `sequence`: what it observed before is complete.

    Unless the sequence is dated later than now: its camera's clock is wrong.
    """
    if sequence.time > now():
        return
    earlier = Query(
        "observations",
        where=[
            ("unit_id", "==", sequence.unit_id),
            ("camera_id", "==", sequence.camera_id),
            ("status", "==", "receiving_files"),
            ("time", "<", sequence.time),
        ],
        order_by=[("time", "asc")],
    )

    def end(before: Fields | None) -> Fields | None:
        if before is None or before.get("num_images") is None:
            return None  # not settled yet: the status is all by which that is found
        status = forward(OBSERVATION_STATUS, before.get("status"), "received")
        return {"status": status, "announced": False}

    for stored in list(site.catalog.query(earlier)):
        modify(site.catalog, "observations", stored.key, end)
