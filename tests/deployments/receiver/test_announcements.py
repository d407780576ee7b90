"""The event, the automation that waits for it, and the documentation say the same."""

from __future__ import annotations

import fnmatch
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2.sandbox import ImmutableSandboxedEnvironment

from deployments.receiver.announcements import ARRIVED, LABELS, Event, Incoming, announce
from panoptes.network.events import FileArrived
from tests.network.test_events import NAME, push

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def announced(name: str, *, live_nights: int = 36_500) -> Event:
    arrived = FileArrived("incoming", name, 7, 5, NOW, "OBJECT_FINALIZE", "17")
    return announce(arrived, name, received=NOW, live_nights=live_nights)


def trigger(repository: Path) -> dict[str, Any]:
    document = yaml.safe_load((repository / "prefect.yaml").read_text())
    triggers = [each for d in document["deployments"] for each in d.get("triggers", [])]
    (found,) = [each for each in triggers if "panoptes.file.arrived" in each["expect"]]
    return dict(found)


def test_the_automation_matches_the_event_and_nothing_that_is_left_to_the_sweep(
    repository: Path,
) -> None:
    wanted = trigger(repository)

    def matches(event: Event) -> bool:
        labels = event["resource"]
        return event["event"] in wanted["expect"] and all(
            fnmatch.fnmatch(labels.get(label, ""), pattern)
            for label, pattern in wanted["match"].items()
        )

    event = announced(NAME)
    assert matches(event)
    assert set(wanted["for_each"]) <= event["resource"].keys()
    assert event["resource"].keys() >= LABELS
    assert not matches(announced("no name"))
    assert not matches(announced(NAME, live_nights=3))


def test_an_old_night_is_queued_behind_tonights() -> None:
    recent = announced("PAN001/14d3bd/20251231T110623/20251231T112430.fits", live_nights=3)
    assert recent["resource"]["panoptes.queue"] == "live"
    assert announced(NAME, live_nights=3)["resource"]["panoptes.queue"] == "backfill"


def test_the_window_of_prefect_yaml_is_the_same_in_its_three_places(repository: Path) -> None:
    document = yaml.safe_load((repository / "prefect.yaml").read_text())
    (sweep,) = [d for d in document["deployments"] if "sweep" in d["entrypoint"]]
    window = trigger(repository)["within"]
    assert trigger(repository)["schedule_after"] == window + 10
    assert sweep["schedules"][0]["interval"] == window


@pytest.mark.parametrize(
    "name",
    [
        NAME,
        'PAN001/Some "Field"/14d3bd/20180216T110623/20180216T112430.fits.fz',
        "PAN001/14d3bd/20180216T110623/pointing00.fits",
        "x.fits",
        'a/b\n"}/c.fits',
    ],
)
def test_the_template_for_prefect_cloud_makes_the_same_event(repository: Path, name: str) -> None:
    text = (repository / "docs" / "events.md").read_text()
    found = re.search(r"<!-- webhook.jinja -->\n```jinja\n(.*?)```", text, re.S)
    assert found is not None
    rendered = ImmutableSandboxedEnvironment().from_string(found[1]).render(body=push(name))
    made, ours = json.loads(rendered), announced(name)
    assert made["event"] == ours["event"]
    assert made["payload"]["name"] == name
    if made["event"] == ARRIVED:
        assert made["resource"] == ours["resource"]


@pytest.mark.parametrize(
    ("address", "bucket", "name", "known"),
    [
        ("gs://incoming", "incoming", "a/b", "a/b"),
        ("gs://incoming/up/loads/", "incoming", "up/loads/a", "a"),
        ("gs://incoming/up", "incoming", "upper/a", None),
        ("gs://incoming/up", "incoming", "up/", None),
        ("gs://incoming", "elsewhere", "a", None),
        ("/srv/incoming", "/srv/incoming", "a", "a"),
    ],
)
def test_only_files_of_the_incoming_location_are_ours(
    address: str, bucket: str, name: str, known: str | None
) -> None:
    arrived = FileArrived(bucket, name, 1, None, None, "", "")
    assert Incoming.at(address).name_of(arrived) == known
