"""Prefect is told of each file that went to quarantine and of each observation that is complete.

Automations then tell people, and have light curves made. The catalogue says whether Prefect has
been told. Its mark is set after Prefect has answered, so a thing is told of at least once;
whoever is killed in between leaves it to the next sweep. The event's id is of what it tells, and
Prefect lets no id that it has just seen trigger anything again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid4, uuid5

from pydantic import ValidationError

from panoptes.network.catalog.catalog import Condition, Fields, Query, Stored, modify
from panoptes.network.catalog.values import number
from panoptes.network.documents import File
from panoptes.network.errors import ADVICE
from panoptes.network.ingest.cases import QUARANTINED, event_id, report_case
from panoptes.network.processing.process import LEAST_FRAMES
from panoptes.network.safe_text import one_line, safe_log
from panoptes.network.site import Site

AT_ONCE = 100
"""Events in one request."""
MOST = 1000
"""Events that one run sends; a sweep sends the rest later."""
RECEIVED = "panoptes.observation.received"
SETTLED = timedelta(minutes=10)
"""Without a file, until an observation that is complete is told of: stragglers are waited for."""

log = safe_log(__name__)


def announce_cases(site: Site, *, sequence_id: str | None = None) -> int:
    """Tell Prefect of cases that it has not been told of, all or an observation's.

    Gives how many were told. Where Prefect cannot be reached they are left to a later run;
    an entry of the ledger that cannot be read is told of in the log and left as it is.
    """
    where: list[Condition] = [
        ("outcome", "==", "quarantined"),
        ("announced", "==", False),
    ]
    if sequence_id is not None:
        where.append(("sequence_id", "==", sequence_id))
    found = site.catalog.query(Query("files", where=where, limit=MOST))
    waiting = [(stored, event) for stored in found if (event := _event_of(stored))]
    told = 0
    for stored in _told(waiting, "quarantined files"):
        _mark(site, "files", stored, ("generation", "outcome", "code", "history"))
        told += 1
    return told


def announce_observations(site: Site, *, busy: Collection[str] = ()) -> int:
    """Tell Prefect of observations that are complete and that it has not been told of.

    Those that got a file in the last `SETTLED`, or are in `busy`, are left to a later sweep.
    Gives how many were told.
    """
    before = datetime.now(UTC) - SETTLED
    waiting = []
    complete: list[Condition] = [("status", "==", "received"), ("announced", "==", False)]
    for stored in site.catalog.query(Query("observations", complete)):
        last = stored.fields.get("last_arrival")
        is_late = isinstance(last, datetime) and last > before
        if stored.key not in busy and not is_late:
            waiting.append((stored, _event_of_observation(site, stored)))
    told = 0
    for stored in _told(waiting[:MOST], "complete observations"):
        _mark(site, "observations", stored, ("last_arrival", "num_images"))
        told += 1
    return told


def _told(waiting: list[tuple[Stored, dict[str, Any]]], what: str) -> Iterator[Stored]:
    """Send events to Prefect, and give what each is about once it has been told."""
    import httpx
    from prefect.client.orchestration import get_client

    for start in range(0, len(waiting), AT_ONCE):
        batch = waiting[start : start + AT_ONCE]
        try:
            with get_client(sync_client=True) as client:
                events = [event for _, event in batch]
                client.request("POST", "/events", json=events).raise_for_status()
        except httpx.HTTPError as error:
            log.warning("Prefect was not told of %d %s: %s", len(batch), what, error)
            return
        yield from (stored for stored, _ in batch)


def _event_of_observation(site: Site, stored: Stored) -> dict[str, Any]:
    said = stored.fields
    can_be_measured = said.get("image_type", "light") == "light"
    can_be_measured &= (number(said, "num_images") or 0) >= LEAST_FRAMES
    is_wanted = site.settings.measurements is not None and can_be_measured
    owners = {"panoptes.unit.id": said.get("unit_id"), "panoptes.camera.id": said.get("camera_id")}
    resource = {
        "prefect.resource.id": f"panoptes.observation.{stored.key}",
        "prefect.resource.name": stored.key,
        "panoptes.observation.id": stored.key,
        "panoptes.light-curves": "wanted" if is_wanted else "not wanted",
        **{label: value for label, value in owners.items() if isinstance(value, str)},
    }
    payload = {"images": said.get("num_images"), "field": said.get("field_name")}
    # Whoever wants it told anew writes to the document.
    about = f"{stored.key} {stored.version}"
    return prefect_event(RECEIVED, resource, payload, id_=uuid5(NAMESPACE_OID, about))


def _event_of(stored: Stored) -> dict[str, Any] | None:
    """The event about a file in quarantine; None where its entry cannot be read."""
    try:
        entry = File.model_validate(stored.fields)
    except ValidationError as error:
        log.warning("the ledger's entry %s cannot be read: %s", stored.key, error)
        return None
    report = report_case(stored.key, entry)
    labels = {
        "panoptes.case.id": report.id,
        "panoptes.code": report.code,
        "panoptes.unit.id": entry.unit_id,
        "panoptes.camera.id": entry.camera_id,
        "panoptes.observation.id": entry.sequence_id,
    }
    owners = (("observation", entry.sequence_id), ("unit", entry.unit_id))
    advice = ADVICE.get(report.code or "")
    resource = {
        "prefect.resource.id": f"panoptes.case.{report.id}",
        "prefect.resource.name": one_line(report.file),
        **{label: value for label, value in labels.items() if value},
    }
    related = [
        {"prefect.resource.id": f"panoptes.{role}.{name}", "prefect.resource.role": role}
        for role, name in owners
        if name
    ]
    payload = {
        "case": report.id,
        "file": one_line(report.file),
        "code": report.code,
        "sentence": advice.sentence if advice else report.sentence,
        "reason": one_line(report.sentence),
        "advice": report.next_step,
        "unit": entry.unit_id,
        "observation": entry.sequence_id,
        "kept_as": one_line(report.kept_as) if report.kept_as else None,
        "size": entry.size,
        "judged_before": len(report.history),
    }
    id_ = event_id(stored.key, entry)
    return prefect_event(QUARANTINED, resource, payload, id_=id_) | {"related": related}


def prefect_event(
    name: str,
    resource: dict[str, str],
    payload: dict[str, Any],
    *,
    id_: UUID | None = None,
    occurred: datetime | None = None,
) -> dict[str, Any]:
    """As Prefect's ``POST /events`` takes it; of now, and with an id of its own by default.

    Prefect lets no event of an id that it has just seen trigger anything again.
    """
    return {
        "id": str(id_ or uuid4()),
        "occurred": (occurred or datetime.now(UTC)).isoformat(),
        "event": name,
        "resource": resource,
        "related": [],
        "payload": payload,
    }


def _mark(site: Site, collection: str, stored: Stored, unchanged: tuple[str, ...]) -> None:
    """Write down that Prefect knows, unless there is something new to tell of it meanwhile."""

    def change(fields: Fields | None) -> Fields | None:
        same = fields is not None and all(
            fields.get(name) == stored.fields.get(name) for name in unchanged
        )
        return {"announced": True} if same else None

    modify(site.catalog, collection, stored.key, change)
