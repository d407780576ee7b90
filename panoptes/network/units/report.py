"""What people want to know of each unit: whether it is there, works, and may send."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from panoptes.network.catalog.catalog import Catalog, Query, Stored
from panoptes.network.document_json import document_json, to_json
from panoptes.network.fits.header_json import Json
from panoptes.network.ingest.allowance import daily_bytes, taken_bytes
from panoptes.network.search import all_units
from panoptes.network.site import Site
from panoptes.network.units.telemetry import CLOCKS, HISTORY, last_said, moment_of, safety_of

NOT_SHOWN = {"config"}
"""A record with all settings of a unit, which are nobody else's."""


def unit_reports(site: Site, *, now: datetime | None = None) -> Iterator[dict[str, Json]]:
    """The report of every unit, by its id."""
    return (unit_report(site, stored, now=now) for stored in all_units(site.catalog))


def unit_report(site: Site, stored: Stored, *, now: datetime | None = None) -> dict[str, Json]:
    """A unit's document as JSON, and what is to be known of it beside."""
    moment = now or datetime.now(UTC)
    safety = safety_of(stored.fields, moment)
    most = daily_bytes(site, stored.key)
    heard = last_heard(site.catalog, stored, now=moment)
    found: dict[str, Any] = {
        "is_registered": is_registered(stored),
        "last_heard": heard,
        "last_image": _last_image(site.catalog, stored.key),
        "is_safe": safety.is_safe,
        "unsafe_because": list(safety.reasons),
        "safety_as_of": safety.said,
        "daily_bytes": most,
        "taken_today": None if most is None else taken_bytes(site, stored.key),
    }
    document = document_json(stored, "unit_id")
    written = document.get(HISTORY)
    if isinstance(written, Mapping):
        document[HISTORY] = {k: v for k, v in written.items() if k not in NOT_SHOWN}
    return document | {name: to_json(value) for name, value in found.items()}


def is_registered(stored: Stored) -> bool:
    """Whether an operator entered this unit; others are known by their uploads alone."""
    return isinstance(stored.fields.get("registered"), datetime)


def last_heard(catalog: Catalog, stored: Stored, *, now: datetime) -> datetime | None:
    """When a unit last told of itself, or sent a file."""
    # A file may be dated in the future, by a clock or by a person.
    query = Query(
        "files",
        [("unit_id", "==", stored.key), ("arrived", "<=", now + CLOCKS)],
        [("arrived", "desc")],
        limit=1,
    )
    sent = [moment_of(each.fields.get("arrived"), now) for each in catalog.query(query)]
    return max(filter(None, [last_said(stored.fields, now), *sent]), default=None)


def _last_image(catalog: Catalog, unit_id: str) -> dict[str, Any] | None:
    query = Query("images", [("unit_id", "==", unit_id)], [("time", "desc")], limit=1)
    for stored in catalog.query(query):
        return {"image_id": stored.key, "time": stored.fields["time"]}
    return None
