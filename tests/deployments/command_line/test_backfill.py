"""`panoptes-network backfill`: old nights get their runs, in the queue behind tonight's."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.states import Scheduled
from typer.testing import CliRunner, Result

from blocks.network import PanoptesNetwork
from deployments.command_line.main import app
from deployments.local_stack.stack import LocalStack
from flows.runs import INGEST
from panoptes.network.site import Site
from tests import sites
from tests.files import place

FIRST, NEXT = "PAN001_14d3bd_20180216T110623", "PAN001_14d3bd_20180217T110623"
OTHER = "PAN002_14d3bd_20180216T110623"


@flow(name="stands-in-for-old")
def stands_in(sequence_id: str, site: str) -> None:
    """Has a deployment that nobody works on."""


class Command:
    """The command over a network with three observations waiting."""

    def __init__(self, site: Site, stack: LocalStack) -> None:
        self.name = f"old-{uuid.uuid4().hex[:8]}"
        self.site, self.stack = site, stack
        PanoptesNetwork.of(site).save(self.name, overwrite=True)
        with stack.client() as client:
            client.create_deployment(client.create_flow(stands_in), self.name)

    def __call__(self, *arguments: str) -> Result:
        deployment = f"stands-in-for-old/{self.name}"
        given = ["backfill", *arguments, "--network", self.name, "--deployment", deployment]
        return CliRunner().invoke(app, given)

    def answer(self, *arguments: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self(*arguments, "--json").stdout)
        return found


@pytest.fixture
def backfill(tmp_path: Path, prefect_api: LocalStack) -> Command:
    site = sites.drained(tmp_path)
    for sequence_id in (FIRST, NEXT, OTHER):
        folder = sequence_id.replace("_", "/")
        for minute in range(2):
            place(sites.incoming(site), f"{folder}/20180218T11{minute:02}00.fits", b"x")
    place(sites.incoming(site), "notes.txt", b"x")
    return Command(site, prefect_api)


def test_a_dry_run_says_what_waits_and_starts_nothing(backfill: Command) -> None:
    for _ in range(2):
        found = backfill.answer("--from", "2018-02-15", "--to", "2018-02-16", "--dry-run")
        assert found["observations"] == [
            {"sequence_id": FIRST, "files": 2},
            {"sequence_id": OTHER, "files": 2},
            {"sequence_id": NEXT, "files": 2},
        ]
        assert found["started"] == 0


def test_a_dry_run_needs_no_prefect(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path / "no profile"))
    data = tmp_path / "network"
    place(data, f"incoming/{FIRST.replace('_', '/')}/20180218T110000.fits", b"x")
    Site.in_folder(data).check()
    asked = ["backfill", "--from", "2018-02-15", "--data", str(data)]
    done = CliRunner().invoke(app, [*asked, "--dry-run"])
    assert done.exit_code == 0, done.output
    assert f"{FIRST}: 1 file waits\n1 observation waits; " in done.stdout
    assert "PREFECT_API_URL is not set" in done.stdout
    refused = CliRunner().invoke(app, asked)
    assert (refused.exit_code, "--data is for --dry-run" in refused.stderr) == (1, True)


def test_each_observation_of_the_nights_gets_one_run_however_often_it_is_asked_for(
    backfill: Command,
) -> None:
    done = backfill("--unit", "PAN001", "--from", "20180215", "--to", "2018-02-16")
    assert done.exit_code == 0
    assert "2 runs created" in done.stdout
    again = backfill.answer("--unit", "PAN001", "--from", "2018-02-15", "--to", "2018-02-16")
    assert (again["started"], again["waiting"], again["observations"]) == (0, 2, [])
    assert backfill.answer("--from", "2018-02-15")["started"] == 1, "the other unit's"
    assert backfill.answer("--from", "2018-02-20")["waiting"] == 0


def test_an_observation_whose_live_run_is_still_to_come_is_left_to_it(backfill: Command) -> None:
    with backfill.stack.client() as client:
        live = client.create_flow_run_from_deployment(
            client.read_deployment_by_name(INGEST).id,
            parameters={"sequence_id": FIRST, "network": backfill.name},
            state=Scheduled(scheduled_time=datetime.now(UTC) + timedelta(hours=1)),
        )
        try:
            found = backfill.answer("--from", "2018-02-15", "--to", "2018-02-16", "--dry-run")
            assert [each["sequence_id"] for each in found["observations"]] == [OTHER, NEXT]
        finally:
            client.delete_flow_run(live.id)


def test_what_is_beyond_the_limit_is_left_and_said(backfill: Command) -> None:
    done = backfill("--from", "2018-02-15", "--to", "2018-02-16", "--most", "2")
    assert done.exit_code == 3
    assert "run it again" in done.stdout
    assert backfill.answer("--from", "2018-02-15", "--to", "2018-02-16")["started"] == 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--from", "2018-02-30"], "--from '2018-02-30' is no date"),
        (["--from", "2018-02-16", "--to", "2018-02-15"], "is before --from"),
    ],
)
def test_nights_that_are_none_are_refused(
    backfill: Command, arguments: list[str], sentence: str
) -> None:
    done = backfill(*arguments)
    assert done.exit_code == 1
    assert sentence in done.stderr


def test_without_prefect_it_says_what_to_set() -> None:
    done = CliRunner().invoke(app, ["backfill", "--from", "2018-02-15"])
    assert done.exit_code == 1
    assert "PREFECT_API_URL" in done.stderr
