"""The flow that reports nights, on a real Prefect server."""

from __future__ import annotations

import base64
import re
import uuid
from typing import Any
from xml.etree import ElementTree

import pytest

from blocks.network import PanoptesNetwork
from deployments.local_stack.stack import LocalStack
from flows.night_report import night_report
from panoptes.network.site import Site
from panoptes.network.timelapse import kept_timelapse
from tests.network.nights.simulated import CAMERA, NIGHT, OBSERVING, SILENT, simulated

pytestmark = pytest.mark.usefixtures("prefect_api")

SITE = "https://panoptes.example.org"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return simulated(tmp_path_factory.mktemp("nights")).changed(site_url=SITE)


@pytest.fixture
def name(archive: Site) -> str:
    name = f"nights-{uuid.uuid4().hex[:8]}"
    PanoptesNetwork.of(archive).save(name, overwrite=True)
    return name


def artifacts_of(stack: LocalStack, run_id: object) -> dict[str, str]:
    with stack.client() as client:
        mine = [each for each in client.read_artifacts() if each.flow_run_id == run_id]
    return {each.key or "": str(each.data) for each in mine}


def test_a_run_leaves_a_report_of_each_unit_and_a_table_of_all(
    name: str, archive: Site, prefect_api: LocalStack
) -> None:
    run_id = prefect_api.run_deployment("night-report/local", {"network": name, "night": NIGHT})
    run = prefect_api.await_runs([run_id])[0]
    assert run.state is not None
    assert run.state.is_completed(), run.state.message
    assert run.state.message == "1 of 2 units observed, 7 images; nothing of PAN002"
    found = artifacts_of(prefect_api, run.id)
    assert found.keys() >= {"nights", "night-pan001", "night-pan002"}
    report, silent = found["night-pan001"], found["night-pan002"]
    assert f"# [PAN001]({SITE}/nights/{NIGHT}/PAN001)" in report
    assert "The file ends too early" in report
    assert "| 8 | 7 | 7 | 1 | 137 |" in report
    plots = re.findall(r"data:image/svg\+xml;base64,([^)]+)\)", report)
    assert len(plots) == 3
    assert "![Exposures, PAN001, night of 2026-01-14. It is dark from" in report
    for plot in plots:
        ElementTree.fromstring(base64.b64decode(plot))
    assert "the weather is not safe (cloud: Very Cloudy)" in silent
    film = kept_timelapse(archive, f"{OBSERVING}_{CAMERA}_20260115T060000")
    assert film is not None
    assert film.size > 1000


def test_the_reports_are_the_runs_result(name: str) -> None:
    state = night_report(name, night=NIGHT, units=[OBSERVING], return_state=True)
    reports: Any = state.result()
    found = [(each["unit_id"], each["night"], each["lights"]) for each in reports]
    assert found == [(OBSERVING, NIGHT, 7)]


def test_a_night_without_a_light_is_named_so_and_a_wrong_one_is_refused(name: str) -> None:
    nothing = night_report(name, units=[SILENT], return_state=True)
    assert nothing.name == "Nothing observed"
    assert "nothing of PAN002" in (nothing.message or "")
    for night, units, sentence in (
        ("yesterday", None, "names no night"),
        (NIGHT, ["PAN999"], "there is no unit PAN999"),
    ):
        failed = night_report(name, night=night, units=units, return_state=True)
        assert failed.is_failed()
        assert sentence in (failed.message or "")
