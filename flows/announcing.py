"""Prefect is told of each file that went to quarantine, so that an automation can tell people.

The ledger says whether Prefect has been told. Its mark is set after Prefect has answered,
so a case is told of at least once; whoever is killed in between leaves it to the next
sweep. The event's id is the case's own, and Prefect lets no id that it has just seen
trigger anything again.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

from pydantic import ValidationError

from panoptes.network.catalog.catalog import Fields, Operator, Query, Stored, modify
from panoptes.network.documents import File
from panoptes.network.errors import ADVICE
from panoptes.network.ingest.cases import QUARANTINED, event_id, report_case
from panoptes.network.safe_text import one_line, safe_log
from panoptes.network.site import Site

AT_ONCE = 100
"""Events in one request."""
MOST = 1000
"""Events that one run sends; a sweep sends the rest later."""

log = safe_log(__name__)


def announce_cases(site: Site, *, sequence_id: str | None = None) -> int:
    """Tell Prefect of cases that it has not been told of, all or an observation's.

    Gives how many were told. Where Prefect cannot be reached they are left to a later run;
    an entry of the ledger that cannot be read is told of in the log and left as it is.
    """
    import httpx
    from prefect.client.orchestration import get_client

    where: list[tuple[str, Operator, Any]] = [
        ("outcome", "==", "quarantined"),
        ("announced", "==", False),
    ]
    if sequence_id is not None:
        where.append(("sequence_id", "==", sequence_id))
    found = site.catalog.query(Query("files", where=where, limit=MOST))
    waiting = [(stored, event) for stored in found if (event := _event_of(stored))]
    told = 0
    for start in range(0, len(waiting), AT_ONCE):
        batch = waiting[start : start + AT_ONCE]
        try:
            with get_client(sync_client=True) as client:
                events = [event for _, event in batch]
                client.request("POST", "/events", json=events).raise_for_status()
        except httpx.HTTPError as error:
            log.warning("Prefect was not told of %d quarantined files: %s", len(batch), error)
            break
        for stored, _ in batch:
            _mark(site, stored)
        told += len(batch)
    return told


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


def _mark(site: Site, stored: Stored) -> None:
    """Write down that Prefect knows, unless the file has been judged anew meanwhile."""

    def change(fields: Fields | None) -> Fields | None:
        same = fields is not None and all(
            fields.get(name) == stored.fields.get(name)
            for name in ("generation", "outcome", "code", "history")
        )
        return {"announced": True} if same else None

    modify(site.catalog, "files", stored.key, change)
