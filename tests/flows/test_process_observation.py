"""Light curves are made once Prefect is told that an observation is complete."""

from __future__ import annotations

import time
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from blocks.network import PanoptesNetwork
from deployments.local_stack.stack import LocalStack
from flows.events import announce_observations
from flows.process_observation import process_observation
from panoptes.network.catalog.catalog import modify
from panoptes.network.ingest.settle import settle_observation
from panoptes.network.names import parse_sequence_id
from panoptes.network.site import Site
from tasks.make_light_curves import make_light_curves
from tests import measured
from tests.measured import SEQUENCE_ID
from tests.patience import PATIENT_SECONDS

pytestmark = pytest.mark.usefixtures("prefect_api")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return measured.ingested(tmp_path_factory.mktemp("network"))


def saved(site: Site) -> str:
    name = f"measured-{uuid.uuid4().hex[:8]}"
    PanoptesNetwork.of(site).save(name, overwrite=True)
    return name


def test_a_run_measures_and_reports(site: Site, prefect_api: LocalStack) -> None:
    parameters = {"sequence_id": SEQUENCE_ID, "network": saved(site)}
    run_id = prefect_api.run_deployment("process-observation/local", parameters)
    (run,) = prefect_api.await_runs([run_id])
    assert run.state is not None
    assert run.state.is_completed(), run.state.message
    assert f"stars in {measured.FRAMES} images" in str(run.state.message)
    with prefect_api.client() as client:
        (report,) = [each for each in client.read_artifacts() if each.flow_run_id == run_id]
    assert "# Light curves of " in str(report.data)
    assert "By magnitude" in str(report.data)
    assert "data:image/svg+xml;base64," in str(report.data)
    state = process_observation(**parameters, only_if_new=True, return_state=True)
    assert "nothing has come" in str(state.message), "told twice, it is made once"


def test_what_cannot_be_measured_is_no_failure_and_says_why(site: Site) -> None:
    odd = "PAN001_ee04d1_20200101T000000"
    state = process_observation(odd, network=saved(site), return_state=True)
    assert (state.is_completed(), state.name) == (True, "Nothing to measure")
    assert odd in str(state.message)
    task = make_light_curves(PanoptesNetwork.of(site), odd, return_state=True)
    assert (task.is_completed(), task.name) == (True, "Nothing to measure")
    assert odd in str(task.message)
    away = process_observation(
        SEQUENCE_ID, network=saved(site.changed(measurements=None)), return_state=True
    )
    assert "no `measurements`" in str(away.message)


def announced(site: Site) -> Any:
    stored = site.catalog.get("observations", SEQUENCE_ID)
    return stored and stored.fields["announced"]


def test_prefect_is_told_once_of_a_complete_observation_and_makes_a_run(
    site: Site, prefect_api: LocalStack
) -> None:
    settle_observation(site, parse_sequence_id(SEQUENCE_ID))
    assert announce_observations(site) == 0, "it has just had files"
    assert announced(site) is False
    old = datetime.now(UTC) - timedelta(hours=3)
    modify(
        site.catalog,
        "observations",
        SEQUENCE_ID,
        lambda _: {"last_arrival": old, "status": "received"},
    )
    assert announce_observations(site, busy={SEQUENCE_ID}) == 0
    assert announce_observations(site) == 1
    assert announced(site) is True
    assert announce_observations(site) == 0
    deadline = time.monotonic() + PATIENT_SECONDS
    while not (made := _runs_by_automation(prefect_api)):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert made == [{"sequence_id": SEQUENCE_ID, "network": "default", "only_if_new": True}]


def _runs_by_automation(stack: LocalStack) -> list[dict[str, Any]]:
    with stack.client() as client:
        runs = client.read_flow_runs()
    return [
        run.parameters
        for run in runs
        if run.parameters.get("sequence_id") == SEQUENCE_ID
        and run.created_by is not None
        and run.created_by.type == "AUTOMATION"
    ]
