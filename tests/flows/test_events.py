"""Prefect is told of files in quarantine: at least once, and not twice of one judgement."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from deployments.local_stack.stack import LocalStack
from flows.events import announce_cases
from panoptes.network.catalog.catalog import modify
from panoptes.network.ingest.cases import QUARANTINED, case_id_of, find_case
from panoptes.network.ingest.rescue import rescue_case
from panoptes.network.names import document_key
from panoptes.network.site import Site
from tests import sites
from tests.files import IMAGE, SEQUENCE_ID, place
from tests.patience import PATIENT_SECONDS

NAME = f"{IMAGE}.fits"
KEY = document_key(NAME)


@pytest.fixture
def site(tmp_path: Path, prefect_api: LocalStack) -> Site:
    site = sites.drained(tmp_path)
    place(sites.incoming(site), NAME, b"junk")
    sites.run(site)
    return site


def events(stack: LocalStack, *, least: int, since: str) -> list[dict[str, Any]]:
    """The events about our case, the oldest first, once there are so many."""
    query = {
        "filter": {
            "event": {"name": [QUARANTINED]},
            "resource": {"id": [f"panoptes.case.{case_id_of(KEY)}"]},
            "occurred": {"since": since},
            "order": "ASC",
        },
        "limit": 50,
    }
    deadline = time.monotonic() + PATIENT_SECONDS
    while True:
        with stack.client() as client:
            found = client.request("POST", "/events/filter", json=query).json()["events"]
        if len(found) >= least or time.monotonic() > deadline:
            return list(found)
        time.sleep(0.1)


def now() -> str:
    from datetime import UTC, datetime

    return datetime.now(UTC).isoformat()


def test_an_event_says_what_a_notification_needs(site: Site, prefect_stack: LocalStack) -> None:
    since = now()
    assert announce_cases(site, sequence_id="PAN001_14d3bd_20200101T000000") == 0
    assert announce_cases(site, sequence_id=SEQUENCE_ID) == 1
    (event,) = events(prefect_stack, least=1, since=since)
    resource, payload = event["resource"], event["payload"]
    assert resource["prefect.resource.name"] == NAME
    assert resource["panoptes.unit.id"] == "PAN001"
    assert resource["panoptes.observation.id"] == SEQUENCE_ID
    assert resource["panoptes.code"] == payload["code"] == "not-fits"
    assert payload["sentence"] == "The file is not a FITS file, whatever its name says."
    assert payload["advice"].startswith("Check how it was made")
    assert payload["case"] == case_id_of(KEY)
    assert {each["prefect.resource.role"] for each in event["related"]} == {"observation", "unit"}


def test_a_case_is_told_of_once_and_again_only_when_it_was_judged_again(
    site: Site, prefect_stack: LocalStack
) -> None:
    since = now()
    assert announce_cases(site) == 1
    assert announce_cases(site) == 0
    rescue_case(site, find_case(site, NAME), by="me")
    assert announce_cases(site) == 0
    sites.run(site)
    assert announce_cases(site) == 1
    first, second = events(prefect_stack, least=2, since=since)
    assert first["id"] != second["id"]
    assert second["payload"]["judged_before"] == 1


def test_an_entry_that_cannot_be_read_keeps_no_other_from_being_told_of(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    fields = sites.document(site, "files", KEY)
    site.catalog.create("files", "A-bad-entry", fields | {"failures": "x"})
    site.catalog.create(
        "files", "Of-year-1", fields | {"sequence_id": "PAN001_14d3bd_00010101T000000"}
    )
    assert announce_cases(site) == 2
    assert "A-bad-entry cannot be read" in caplog.text


def test_whoever_died_before_writing_down_that_it_told_lets_the_next_one_tell_again(
    site: Site, prefect_stack: LocalStack
) -> None:
    since = now()
    announce_cases(site)
    modify(site.catalog, "files", KEY, lambda before: {"announced": False})
    assert announce_cases(site) == 1
    told = events(prefect_stack, least=1, since=since)
    assert len({event["id"] for event in told}) == 1, "Prefect lets one id trigger once"


def test_where_prefect_is_away_the_case_is_left_to_a_later_run(
    site: Site, prefect_stack: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    with temporary_settings(
        {PREFECT_API_URL: "http://127.0.0.1:9/api", PREFECT_CLIENT_MAX_RETRIES: 0}
    ):
        assert announce_cases(site) == 0
    assert announce_cases(site) == 1


def test_the_automation_of_the_docs_is_one_that_prefect_takes(
    repository: Path, prefect_stack: LocalStack
) -> None:
    import yaml
    from prefect.events.schemas.automations import AutomationCore, EventTrigger

    text = (repository / "docs" / "operations.md").read_text()
    (example,) = [part for part in text.split("```yaml\n") if "quarantined.yaml" in part[:90]]
    automation = AutomationCore.model_validate(yaml.safe_load(example.partition("```")[0]))
    assert isinstance(automation.trigger, EventTrigger)
    assert automation.trigger.expect == {QUARANTINED}
    with prefect_stack.client() as client:
        client.delete_automation(client.create_automation(automation))
