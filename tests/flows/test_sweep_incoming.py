"""The sweep on a real server: what it starts, what it leaves alone, and what it says."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun, State
from prefect.states import Crashed, InfrastructurePending, Pending

from blocks.network import PanoptesNetwork
from deployments.local_stack.stack import LocalStack
from flows.runs import Runs
from flows.sweep_incoming import sweep_incoming
from panoptes.network.ingest.backlog import survey
from panoptes.network.ingest.lease import Lease
from panoptes.network.ingest.ledger import close_failed, open_entry
from panoptes.network.ingest.listing import everything_waiting
from panoptes.network.names import parse_sequence_id
from panoptes.network.site import Site
from tests import sites
from tests.hindrances import mounted
from tests.patience import PATIENT_SECONDS

FIRST, SECOND = "PAN001_14d3bd_20180216T110623", "PAN001_14d3bd_20180216T120000"


@flow(name="stands-in")
def stands_in(sequence_id: str, site: str) -> None:
    """Has a deployment that nobody works on, so that its runs stay as they are made."""


class Plant:
    """A network of the test's own, and a deployment whose runs can be looked at."""

    def __init__(self, root: Path, stack: LocalStack, **policies: Any) -> None:
        self.stack, self.incoming = stack, root / "incoming"
        self.name = f"plant-{uuid.uuid4().hex[:8]}"
        self.site = Site.in_folder(root, **(sites.AT_ONCE | policies))
        self.site.check()
        with stack.settings():
            PanoptesNetwork.of(self.site).save(self.name, overwrite=True)
        with stack.client() as client:
            made = client.create_flow(stands_in)
            self.deployment_id = client.create_deployment(made, self.name)

    def put(self, name: str, data: bytes = b"x", *, age: float = 0) -> Path:
        path = self.incoming / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        then = time.time() - age
        os.utime(path, (then, then))
        return path

    def upload(self, sequence_id: str, *, age: float = 0) -> Path:
        sequence = parse_sequence_id(sequence_id)
        return self.put(f"{sequence.folder}/20180216T112430.fits", age=age)

    def sweep(self, **parameters: Any) -> State[Any]:
        ours = f"stands-in/{self.name}"
        given = {"network": self.name, "deployment": ours, "backfill": ours} | parameters
        with self.stack.settings():
            state: State[Any] = sweep_incoming(**given, return_state=True)
        return state

    def runs(self) -> list[FlowRun]:
        ours = DeploymentFilter(id=DeploymentFilterId(any_=[self.deployment_id]))
        with self.stack.client() as client:
            return client.read_flow_runs(deployment_filter=ours)

    def started(self) -> list[str]:
        return sorted(str(run.parameters["sequence_id"]) for run in self.runs())

    def waiting(self) -> set[str]:
        return {source.name for source in everything_waiting(self.site)}


@pytest.fixture
def make_site(tmp_path: Path, prefect_stack: LocalStack) -> Callable[..., Plant]:
    def make(**policies: Any) -> Plant:
        return Plant(tmp_path / "plant", prefect_stack, **policies)

    return make


@pytest.fixture
def plant(make_site: Callable[..., Plant]) -> Plant:
    return make_site()


def test_each_observation_that_waits_gets_one_run_and_no_second_while_that_is_to_come(
    plant: Plant,
) -> None:
    for sequence_id in (FIRST, SECOND):
        plant.upload(sequence_id)
    state = plant.sweep()
    assert state.is_completed()
    assert state.message is not None
    assert "2 runs started" in state.message
    assert plant.started() == [FIRST, SECOND]
    assert {run.parameters["network"] for run in plant.runs()} == {plant.name}
    plant.sweep()
    assert plant.started() == [FIRST, SECOND]


def test_what_a_crashed_run_left_is_started_again_by_the_next_sweep(plant: Plant) -> None:
    plant.upload(FIRST)
    plant.sweep()
    (run,) = plant.runs()
    with plant.stack.client() as client:
        client.set_flow_run_state(run.id, Crashed(), force=True)
    plant.sweep()
    assert plant.started() == [FIRST, FIRST]


def test_a_run_that_never_began_counts_only_for_as_long_as_beginning_takes(plant: Plant) -> None:
    plant.upload(FIRST)
    plant.sweep()
    (run,) = plant.runs()
    with plant.stack.client() as client:
        client.set_flow_run_state(run.id, Pending(), force=True)
        runs = Runs(client, f"stands-in/{plant.name}", plant.name)
        assert runs.due(start_seconds=3600) == {FIRST}
        assert runs.due(start_seconds=-1) == set()
        client.set_flow_run_state(run.id, InfrastructurePending(), force=True)
        assert runs.due(start_seconds=-1) == {FIRST}, "its cluster looks for a machine"
        assert Runs(client, f"stands-in/{plant.name}", "another").due(start_seconds=3600) == set()


def test_every_run_to_come_is_seen_however_many_there_are(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("flows.runs.PAGE", 4)
    names = [f"PAN001_{number:06}_20180216T110623" for number in range(10)]
    with plant.stack.client() as client:
        runs = Runs(client, f"stands-in/{plant.name}", plant.name)
        assert runs.start(names, key="one") == 10
        assert runs.due(start_seconds=60) == set(names)


def test_an_observation_that_a_live_run_holds_is_left_to_it(plant: Plant) -> None:
    plant.upload(FIRST)
    plant.upload(SECOND)
    assert Lease(plant.site.catalog, FIRST, 3600).take()
    plant.sweep()
    assert plant.started() == [SECOND]


def test_an_observation_whose_run_died_is_taken_up_though_nothing_waits(plant: Plant) -> None:
    assert Lease(plant.site.catalog, FIRST, -1).take()
    plant.sweep()
    assert plant.started() == [FIRST]


def test_those_that_wait_longest_come_first_and_the_rest_is_said(plant: Plant) -> None:
    plant.upload(FIRST, age=10)
    plant.upload(SECOND, age=7200)
    state = plant.sweep(most_runs=1)
    assert plant.started() == [SECOND]
    assert state.message is not None
    assert "1 run started, 1 more observation waits" in state.message
    assert "1 of them overdue, the oldest for 2.0 h" in state.message


def test_old_nights_are_queued_behind_tonight_and_only_so_many_at_a_time(plant: Plant) -> None:
    moment = datetime.now(UTC) - timedelta(hours=2)
    tonight = f"PAN001_14d3bd_{moment:%Y%m%dT%H%M%S}"
    for sequence_id in (FIRST, SECOND, tonight):
        plant.upload(sequence_id)
    with plant.stack.client() as client:
        made = client.create_flow(stands_in)
        client.create_deployment(made, f"{plant.name}-old")
        behind = Runs(client, f"stands-in/{plant.name}-old", plant.name)
        state = plant.sweep(backfill=f"stands-in/{plant.name}-old", most_runs=1)
        assert plant.started() == [tonight]
        assert state.message is not None
        assert "2 more observations wait" in state.message
        plant.sweep(backfill=f"stands-in/{plant.name}-old", most_runs=1)
        assert len(behind.due(start_seconds=60)) == 1
        for _ in range(2):
            plant.sweep(backfill=f"stands-in/{plant.name}-old")
            assert behind.due(start_seconds=60) == {FIRST, SECOND}
    assert plant.started() == [tonight]


def test_a_file_whose_name_says_nothing_is_put_aside_once_nobody_writes_it(
    make_site: Callable[..., Plant],
) -> None:
    plant = make_site(incomplete_seconds=3600)
    plant.put("notes.txt", age=1000)  # times that came along say nothing
    plant.put("soon.txt", age=-86400)
    passing = plant.put("PAN001/14d3bd/20180216T110623/20180216T112430.fits.part", age=200_000)
    assert plant.sweep().is_completed()
    assert plant.waiting() == {"notes.txt", "soon.txt"}
    plant = make_site(incomplete_seconds=0.5)
    deadline = time.monotonic() + PATIENT_SECONDS
    while plant.waiting():
        assert time.monotonic() < deadline
        plant.sweep()
    kept = {info.name.partition("@")[0] for info in plant.site.store("quarantine").list()}
    assert kept == {"notes.txt", "soon.txt"}
    assert passing.exists()


def test_the_sweep_says_what_was_given_up_under_passing_names(
    plant: Plant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panoptes.network.ingest.backlog.FORGOTTEN_SECONDS", 0.0)
    plant.put(f"{FIRST}/a.fits.part")
    message = plant.sweep().message
    assert message is not None
    assert "1 file unchanged for a day under passing names" in message


def test_an_observation_that_is_still_being_written_gets_no_run_yet(plant: Plant) -> None:
    with plant.upload(FIRST).open("ab"):
        plant.sweep()
        assert plant.started() == []
    plant.sweep()
    assert plant.started() == [FIRST]


def test_hostile_names_end_in_quarantine_and_nowhere_else(plant: Plant) -> None:
    names = {"%2e%2e/x.fits", "é" * 100 + ".fits", "a b\x7f.fits", "x" * 250}
    for name in names:
        plant.put(name)
    assert plant.sweep().is_completed()
    assert plant.waiting() == set()
    assert len(list(plant.site.store("quarantine").list())) == len(names)


def test_a_file_on_which_nothing_more_can_be_done_starts_no_run(
    make_site: Callable[..., Plant],
) -> None:
    plant = make_site(failure_limit=2)
    plant.upload(FIRST)
    (source,) = everything_waiting(plant.site)
    for number in range(2):
        assert survey(plant.site).observations, f"after {number} failures it is tried again"
        open_entry(plant.site, source)
        close_failed(plant.site, source, RuntimeError("ours"), passing=False)
    plant.sweep()
    assert plant.started() == []
    plant.upload(FIRST, age=5)
    plant.sweep()
    assert plant.started() == [FIRST], "a newer generation is another file"


def test_a_pipe_is_reported_once_and_does_not_keep_the_sweep_busy(plant: Plant) -> None:
    os.mkfifo(plant.incoming / "pipe")
    plant.sweep()
    assert survey(plant.site).unroutable == []
    assert plant.sweep().is_completed()


def test_what_cannot_be_removed_is_told_of_and_starts_no_run(plant: Plant) -> None:
    plant.upload(FIRST)
    with mounted(plant.incoming / "PAN001"):
        sites.ingest_all(plant.site)
        state = plant.sweep()
        assert plant.started() == []
    assert state.message is not None
    assert "1 file stays in incoming though done: " in state.message
    assert f"{plant.incoming / 'PAN001'} is a mount of its own" in state.message
    plant.sweep()
    assert plant.started() == [FIRST]


def test_files_that_are_kept_are_done_when_the_ledger_says_so(
    tmp_path: Path, prefect_stack: LocalStack
) -> None:
    source = tmp_path / "night"
    source.mkdir()
    plant = Plant(tmp_path / "plant", prefect_stack, incoming=source)
    plant.incoming = source
    plant.put("notes.txt")
    plant.sweep()
    assert plant.waiting() == {"notes.txt"}
    assert survey(plant.site).unroutable == []
    plant.upload(FIRST)
    plant.sweep()
    assert plant.started() == [FIRST]


def test_an_observation_becomes_received_after_its_quiet_hours(plant: Plant) -> None:
    other = "PAN002_14d3bd_20180216T110623"
    for sequence_id, hours in ((FIRST, 3), (other, 1)):
        sequence, last = parse_sequence_id(sequence_id), datetime.now(UTC) - timedelta(hours=hours)
        observation = {
            "sequence_id": sequence_id,
            "unit_id": sequence.unit_id,
            "camera_id": sequence.camera_id,
            "time": sequence.time,
            "status": "receiving_files",
            "last_arrival": last,
        }
        file = {"sequence_id": sequence_id, "arrived": last, "outcome": "archived"}
        plant.site.catalog.create("observations", sequence_id, observation)
        plant.site.catalog.create("files", f"a file of {sequence_id}", file)
    plant.sweep()
    statuses = {
        name: stored.fields["status"]
        for name in (FIRST, other)
        if (stored := plant.site.catalog.get("observations", name))
    }
    assert statuses == {FIRST: "received", other: "receiving_files"}


def test_what_waits_is_said_in_an_event(plant: Plant) -> None:
    plant.upload(FIRST, age=7200)
    plant.sweep()
    query = {
        "filter": {"resource": {"id": [f"panoptes.network.{plant.name}"]}},
        "limit": 10,
    }
    deadline = time.monotonic() + PATIENT_SECONDS
    events: list[dict[str, Any]] = []
    while not events and time.monotonic() < deadline:
        with plant.stack.client() as client:
            events = client.request("POST", "/events/filter", json=query).json()["events"]
        time.sleep(0.1)
    (event,) = events
    assert event["event"] == "panoptes.incoming.swept"
    said = event["payload"]
    assert (said["files"], said["observations"], said["overdue"], said["started"]) == (1, 1, 1, 1)
    assert 7200 <= said["oldest_seconds"] < 7300


def test_a_network_that_is_not_there_is_said(plant: Plant) -> None:
    state = plant.sweep(network="absent")
    assert state.is_failed()
    assert state.message is not None
    assert "'absent'" in state.message
