"""Each unit at a glance: whether it is there, its last picture, and what is wrong."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pydantic import ValidationError

from panoptes.network.catalog.catalog import Condition, Query, Stored
from panoptes.network.documents import File, GeoPoint
from panoptes.network.ingest.lag import IN_ALL, lag_of, percentile
from panoptes.network.names import parse_time
from panoptes.network.nights import unrouted
from panoptes.network.nighttime import night_of
from panoptes.network.search import all_units
from panoptes.network.site import Site
from panoptes.network.units.health import health_of
from panoptes.network.units.registry import RESTING
from panoptes.network.units.report import is_registered
from panoptes.network.units.telemetry import CLOCKS, Safety, last_said, moment_of, safety_of

_FILES = 30
"""The last ones of a unit, which tell its lag."""
_RECENT = timedelta(hours=24)


@dataclass(frozen=True)
class Glance:
    """A unit, as one sees it first."""

    unit_id: str
    name: str | None
    is_registered: bool
    is_resting: bool
    heard: datetime | None
    image: Stored | None
    """The last one."""
    lag: float | None
    """Seconds from arrival to the catalogue, of the last files, at the median."""
    safety: Safety
    trouble: tuple[str, ...]
    refused_night: str | None
    """Whose page lists the newest file of the last day that is in quarantine."""
    has_nameless: bool
    """Whether one of the last day is in quarantine whose name says no night."""
    night: str
    """That which is going on where it stands, or comes next: YYYY-MM-DD."""
    last_night: str | None
    """Of its last image."""


@dataclass(frozen=True)
class Tonight:
    """The network at a glance: who was heard last comes first."""

    units: tuple[Glance, ...]
    nearly_full: tuple[str, ...]


def tonight(site: Site, now: datetime) -> Tonight:
    """What there is to be seen now."""
    health = health_of(site, now=now)
    units = [
        glance(site, each, now, health.silent.get(each.key)) for each in all_units(site.catalog)
    ]
    long_ago = datetime.min.replace(tzinfo=now.tzinfo)
    units.sort(key=lambda each: each.heard or long_ago, reverse=True)
    return Tonight(tuple(units), tuple(health.nearly_full))


def glance(site: Site, unit: Stored, now: datetime, silent: str | None = None) -> Glance:
    """One unit. `silent` is what is said of its silence."""
    files = list(_last_files(site, unit.key, now))
    arrived = [moment_of(each.fields.get("arrived"), now) for each in files]
    heard = max(filter(None, [last_said(unit.fields, now), *arrived]), default=None)
    safety = safety_of(unit.fields, now)
    place = unit.fields.get("location")
    longitude = place.longitude if isinstance(place, GeoPoint) else None
    image = last_image(site, unit.key)
    last_night = image.fields.get("night") if image else None
    refused = [e.fields.get("sequence_id") for e in files if _is_refused(e, now)]
    return Glance(
        unit_id=unit.key,
        name=_own_name(unit),
        is_registered=is_registered(unit),
        is_resting=unit.fields.get("status") == RESTING,
        heard=heard,
        image=image,
        lag=_lag(files),
        safety=safety,
        trouble=(
            *([] if silent is None else [silent]),
            *safety.reasons,
            *_trouble(site, unit.key, files, now),
        ),
        refused_night=_refused_night(refused, longitude),
        has_nameless=bool(refused) and bool(unrouted(site.catalog, unit.key, now - _RECENT)),
        night=night_of(now, longitude),
        last_night=last_night if isinstance(last_night, str) else None,
    )


def _own_name(unit: Stored) -> str | None:
    """Its name, where that says more than the id: headers name a unit ``PANOPTES PAN001``."""
    name = unit.fields.get("name")
    says_no_more = not isinstance(name, str) or name.split() in ([unit.key], ["PANOPTES", unit.key])
    return None if says_no_more else str(name)


def _is_refused(file: Stored, now: datetime) -> bool:
    return file.fields.get("outcome") == "quarantined" and _is_recent(file, now)


def _refused_night(sequence_ids: list[object], longitude: float | None) -> str | None:
    for each in sequence_ids:
        with suppress(ValueError):
            return night_of(parse_time(str(each).rpartition("_")[2]), longitude)
    return None


def last_image(site: Site, unit_id: str) -> Stored | None:
    """The newest image of a unit."""
    query = Query("images", [("unit_id", "==", unit_id)], [("time", "desc")], limit=1)
    return next(iter(site.catalog.query(query)), None)


def _last_files(site: Site, unit_id: str, now: datetime) -> Iterator[Stored]:
    # A file may be dated in the future, by a clock or by a person.
    where: list[Any] = [("unit_id", "==", unit_id), ("arrived", "<=", now + CLOCKS)]
    return iter(site.catalog.query(Query("files", where, [("arrived", "desc")], limit=_FILES)))


def _lag(files: list[Stored]) -> float | None:
    seconds = []
    for each in files:
        try:
            seconds.append(lag_of(File.model_validate(each.fields)).get(IN_ALL))
        except ValidationError:
            continue  # another program's
    known = [each for each in seconds if each is not None]
    return percentile(known, 0.5) if known else None


def _trouble(site: Site, unit_id: str, files: list[Stored], now: datetime) -> Iterator[str]:
    recent = [each.fields.get("outcome") for each in files if _is_recent(each, now)]
    if "quarantined" in recent:
        count = _quarantined(site, unit_id)
        yield (
            "a file of the last day is in quarantine"
            if count == 1
            else f"{count} files are in quarantine, some of them of the last day"
        )
    failed = recent.count("failed")
    if failed == 1:
        yield "a file of the last day could not be taken"
    elif failed:
        yield f"{failed} of the last {len(recent)} files could not be taken"


def _quarantined(site: Site, unit_id: str) -> int:
    """How many files of a unit are in quarantine, whatever their names say of their time."""
    count = 0
    for separator, following in (("/", "0"), ("_", "`")):  # what follows each in the order of names
        where: list[Condition] = [
            ("outcome", "==", "quarantined"),
            ("name", ">=", f"{unit_id}{separator}"),
            ("name", "<", f"{unit_id}{following}"),
        ]
        count += int(site.catalog.aggregate(Query("files", where))["count"])
    return count


def _is_recent(file: Stored, now: datetime) -> bool:
    arrived = moment_of(file.fields.get("arrived"), now)
    return arrived is not None and now - arrived <= _RECENT
