"""The list of units, and one unit with its cameras, nights, pictures and history."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from deployments.services.pages.tonight import Glance, glance, last_image
from panoptes.network.catalog.catalog import Condition, Fields, Query, Stored
from panoptes.network.document_json import to_json
from panoptes.network.documents import Location
from panoptes.network.ingest.allowance import daily_bytes, taken_bytes
from panoptes.network.nights import NightCase, NightRow, cases_of, nights_of, unrouted
from panoptes.network.search import all_units
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound
from panoptes.network.units.health import silence_of
from panoptes.network.units.registry import RESTING, is_unit_id
from panoptes.network.units.report import NOT_SHOWN, is_registered, last_heard
from panoptes.network.units.telemetry import NoHistory, history, said_at, telemetry_of

MOST_NIGHTS, MOST_OBSERVATIONS, MOST_IMAGES, MOST_SAID = 14, 12, 12, 20


@dataclass(frozen=True)
class Row:
    """A unit in the list."""

    unit_id: str
    name: object
    heard: datetime | None
    last: object
    state: str
    fields: Fields


@dataclass(frozen=True)
class Said:
    """A record of what a unit said, as text."""

    kind: str
    at: datetime | None
    values: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class UnitPage:
    """One unit."""

    fields: Fields
    glance: Glance
    daily_bytes: int | None
    taken_today: int | None
    unrouted: tuple[NightCase, ...]
    """Files in quarantine below its folder, whose names say no more; without names where
    callers are not told of quarantine."""
    cameras: tuple[Stored, ...]
    nights: tuple[NightRow, ...]
    observations: tuple[Stored, ...]
    """The last ones, the newest first; so are the images."""
    images: tuple[Stored, ...]
    said: tuple[Said, ...]
    history: tuple[Said, ...] | None
    """None where the catalogue keeps none."""


def unit_rows(site: Site, now: datetime) -> list[Row]:
    """Every unit, by its id."""
    rows = []
    for unit in all_units(site.catalog):
        image = last_image(site, unit.key)
        rows.append(
            Row(
                unit.key,
                unit.fields.get("name"),
                last_heard(site.catalog, unit, now=now),
                image.fields.get("time") if image else None,
                state_of(unit),
                unit.fields,
            )
        )
    return rows


def state_of(unit: Stored) -> str:
    """Whether it is entered, and observes."""
    if unit.fields.get("status") == RESTING:
        return "resting"
    return "active" if is_registered(unit) else "not registered"


def unit_stored(site: Site, unit_id: str) -> Stored:
    """The document of a unit. Raises NotFound."""
    stored = site.catalog.get("units", unit_id) if is_unit_id(unit_id) else None
    if stored is None:
        raise NotFound(f"there is no unit {unit_id[:40]}")
    return stored


def unit_page(site: Site, unit_id: str, now: datetime, *, hidden: frozenset[Location]) -> UnitPage:
    """Everything that the page of a unit shows. Raises NotFound."""
    unit = unit_stored(site, unit_id)
    of_unit: Condition = ("unit_id", "==", unit_id)
    newest: Any = [("time", "desc")]
    ask = site.catalog.query
    most = daily_bytes(site, unit_id)
    return UnitPage(
        fields=unit.fields,
        glance=glance(site, unit, now, silence_of(site, unit, now)),
        daily_bytes=most,
        taken_today=None if most is None else taken_bytes(site, unit_id),
        unrouted=_unrouted(site, unit_id, open_to_all="quarantine" in hidden),
        cameras=tuple(ask(Query("cameras", [of_unit]))),
        nights=tuple(nights_of(site, unit_id, limit=MOST_NIGHTS)),
        observations=tuple(ask(Query("observations", [of_unit], newest, limit=MOST_OBSERVATIONS))),
        images=tuple(ask(Query("images", [of_unit], newest, limit=MOST_IMAGES))),
        said=tuple(
            _said(kind, record, said_at(unit.fields, kind, now))
            for kind, record in telemetry_of(unit.fields).items()
            if kind not in NOT_SHOWN
        ),
        history=_history(site, unit_id),
    )


def _unrouted(site: Site, unit_id: str, *, open_to_all: bool) -> tuple[NightCase, ...]:
    cases = cases_of(unrouted(site.catalog, unit_id))
    return tuple(replace(each, name="") for each in cases) if open_to_all else cases


def _history(site: Site, unit_id: str) -> tuple[Said, ...] | None:
    try:
        found = history(site.catalog, unit_id, limit=MOST_SAID)
    except NoHistory:
        return None
    return tuple(
        _said(str(each.get("record_type", "")), each, each.get("received_time"))
        for each in found
        if each.get("record_type") not in NOT_SHOWN
    )


def _said(kind: str, record: Mapping[str, Any], at: object) -> Said:
    """Nested values as they are in JSON."""
    about = {"record_type", "received_time", "date"}
    values = tuple(
        (str(name), str(to_json(value))) for name, value in record.items() if name not in about
    )
    return Said(kind, at if isinstance(at, datetime) else None, values)
