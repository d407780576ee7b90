"""The whole stack: workers are killed, the server is restarted, events come as they like."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Collection, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from blocks.network import PanoptesNetwork
from deployments.local_stack.stack import LocalStack
from panoptes.network.catalog.catalog import Query
from panoptes.network.simulator.night import Fate
from tests.deployments.receiver.receiving import receiving
from tests.faults import children
from tests.faults.conftest import scale
from tests.faults.nights import Night, night_of, small_night, tiny_night, upload
from tests.faults.steps import count_waiting
from tests.faults.test_overlaps import BY_THE_ORDER
from tests.faults.trials import Trials
from tests.faults.worlds import Backend, World, folder_world
from tests.files import IMAGE, SEQUENCE_ID, tiny_fits
from tests.network.test_events import push
from tests.outages import end_process, start_server_again, start_worker_again
from tests.patience import PATIENT_SECONDS

INGEST, SWEEP = "ingest-observation/local", "sweep-incoming/local"
LEASE_SECONDS = 3.0
UNROUTABLE: tuple[Fate, str] = ("quarantined", "unroutable-name")


@dataclass
class Plant:
    """A network on folders that a stack works on."""

    stack: LocalStack
    world: World
    name: str
    """Of its block."""

    def ingest(self) -> UUID:
        return self.stack.run_deployment(INGEST, {"network": self.name, "sequence_id": SEQUENCE_ID})

    def sweep(self) -> UUID:
        return self.stack.run_deployment(SWEEP, {"network": self.name})

    def runs(self, but: Collection[UUID] = ()) -> set[UUID]:
        """Runs of this network's observations."""
        with self.stack.client() as client:
            found = client.read_flow_runs()
        return {
            each.id
            for each in found
            if each.parameters.get("network") == self.name
            and "sequence_id" in each.parameters
            and each.id not in but
        }

    def begin(self, night: Night, files: int, *, sweep: bool = False) -> None:
        """Send a night and let a run, or a sweep, work until so many files have an entry."""
        self.world.send_all(night)
        self.sweep() if sweep else self.ingest()
        site = self.world.open()
        deadline = time.monotonic() + PATIENT_SECONDS
        while time.monotonic() < deadline:
            if sum(1 for _ in site.catalog.query(Query("files"))) >= files:
                site.catalog.close()
                return
            time.sleep(0.01)
        raise TimeoutError(f"{files} files were not taken up")

    def until_nothing_waits(self, *, seconds: float = 180.0) -> int:
        """Sweep until nothing is left; gives how many sweeps it took."""
        dead = self.runs()
        deadline = time.monotonic() + seconds
        for sweeps in range(1, 100):
            self.stack.await_runs([self.sweep()])
            # What was killed may be taken for alive for ever; what this sweep began is not.
            started = self.runs(dead)
            self.stack.await_runs(list(started))
            if not children.call(count_waiting, self.world):
                return sweeps
            if time.monotonic() > deadline:
                break
            time.sleep(LEASE_SECONDS / 2)
        raise TimeoutError("files still wait")


@pytest.fixture
def backend() -> Backend:
    return "folder"


@pytest.fixture(scope="module")
def stack(prefect_stack: LocalStack) -> Iterator[LocalStack]:
    """No sweep by the clock: tests count those that they ask for."""
    with prefect_stack.client() as client:
        sweep = client.read_deployment_by_name(SWEEP)
        schedules = [each.id for each in client.read_deployment_schedules(sweep.id)]
        for each in schedules:
            client.update_deployment_schedule(sweep.id, each, active=False)
    yield prefect_stack
    with prefect_stack.client() as client:
        for each in schedules:
            client.update_deployment_schedule(sweep.id, each, active=True)


@pytest.fixture
def make_site(stack: LocalStack, tmp_path: Path) -> Callable[[], Plant]:
    made = iter(range(1000))

    def make() -> Plant:
        name = f"faults-{tmp_path.name.replace('_', '-')}-{next(made)}"
        world = folder_world(tmp_path / name, lease_seconds=LEASE_SECONDS)
        with stack.settings():
            PanoptesNetwork.of(world.open()).save(name, overwrite=True)
        return Plant(stack, world, name)

    return make


def test_a_worker_that_is_killed_with_its_run_at_work(
    make_site: Callable[[], Plant], trials: Trials
) -> None:
    night = tiny_night()
    like = trials.faultless(night)
    with_runs = not scale(0, trials.turn % 2)
    plant = make_site()
    taken = trials.chance.randint(1, 6)
    plant.begin(night, taken)
    kill_worker(plant.stack, with_runs=with_runs)
    start_worker_again(plant.stack)
    sweeps = plant.until_nothing_waits()
    how = "with its runs" if with_runs else "alone"
    label = f"at file {taken}, {sweeps} sweeps after"
    trials.judge(f"worker killed {how} (folder)", label, plant.world, night, like=like)


def test_a_sweep_that_dies_with_its_worker_keeps_no_other_from_its_work(
    make_site: Callable[[], Plant], trials: Trials
) -> None:
    """With Prefect's concurrency limit it did for five minutes."""
    stray = [upload(f"PAN001/stray-{n}.fits", tiny_fits(), *UNROUTABLE) for n in range(30)]
    night = {**small_night(), **night_of(*stray)}
    plant = make_site()
    plant.begin(night, 3, sweep=True)
    kill_worker(plant.stack, with_runs=True)
    start_worker_again(plant.stack)
    assert plant.until_nothing_waits() == 1
    trials.judge("sweep killed with its worker (folder)", "", plant.world, night, like=None)


def test_a_server_that_is_restarted_while_a_run_is_at_work(
    make_site: Callable[[], Plant], trials: Trials
) -> None:
    if not scale(False, True):
        pytest.skip("takes half a minute: make faults does it")
    night = tiny_night()
    like = trials.faultless(night)
    plant = make_site()
    taken = trials.chance.randint(1, 6)
    plant.begin(night, taken)
    how = (signal.SIGKILL, signal.SIGTERM)[trials.turn % 2]
    restart_server(plant.stack, how, away=trials.chance.uniform(0, 5))
    sweeps = plant.until_nothing_waits()
    label = f"{how.name} at file {taken}, {sweeps} sweeps after"
    trials.judge("Prefect's server restarted (folder)", label, plant.world, night, like=like)


def test_events_ten_times_at_once_in_any_order_late_or_lost(
    make_site: Callable[[], Plant], trials: Trials
) -> None:
    """Through the receiver; whatever was not told is found by one sweep."""
    night = {name: each for name, each in tiny_night().items() if name != f"{IMAGE}.fits.fz"}
    plant = make_site()
    told = sorted(night)
    dropped = {told.pop(trials.chance.randrange(len(told)))}  # a tenth of ten files or fewer
    deliveries = told * 10
    trials.chance.shuffle(deliveries)
    late = [deliveries.pop() for _ in range(len(deliveries) // 10)]
    with receiving(plant.stack.api_url) as receiver, automated(plant, receiver) as earlier:

        def deliver(name: str, event_time: str) -> None:
            event = push(name, eventTime=event_time)
            deadline = time.monotonic() + PATIENT_SECONDS
            while receiver.post("/events", json=event).status_code != 204:
                assert time.monotonic() < deadline
                time.sleep(0.2)  # as a sender that is asked to come again

        with ThreadPoolExecutor(8) as senders:
            # Some are told of before they are there, as a slow listing would have it.
            posted = [senders.submit(deliver, name, "2026-01-01T00:00:00Z") for name in deliveries]
            for name, each in night.items():
                plant.world.send(name, each.data)
            for each_post in posted:
                each_post.result()
        deadline = time.monotonic() + PATIENT_SECONDS
        while not plant.runs(earlier):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        plant.stack.await_runs(list(plant.runs()))
        for name in late:
            deliver(name, "2025-12-31T23:00:00Z")
    plant.stack.await_runs(list(plant.runs()))
    assert plant.until_nothing_waits() == 1
    like = trials.faultless(night)
    label = f"{len(late)} late, {', '.join(dropped)} dropped, {len(plant.runs(earlier))} runs"
    kind = "events through the receiver, ten times each (folder)"
    faults = len(told) * 10
    trials.judge(kind, label, plant.world, night, like=like, passing=BY_THE_ORDER, faults=faults)


@contextmanager
def automated(plant: Plant, receiver: httpx.Client) -> Iterator[set[UUID]]:
    """The automation makes this plant's runs, two seconds after an observation's first file.

    Gives the runs that showed it awake: the server heeds a change only after a moment.
    """
    from prefect.events.actions import RunDeployment
    from prefect.events.schemas.automations import AutomationCore, EventTrigger

    with plant.stack.client() as client:
        deployment = client.read_deployment_by_name(INGEST)
        resource = f"prefect.deployment.{deployment.id}"
        (found,) = client.read_resource_related_automations(resource)
        usual = AutomationCore.model_validate(found.model_dump(exclude={"id", "owner_resource"}))
        ours = usual.model_copy(deep=True)
        assert isinstance(ours.trigger, EventTrigger)
        assert isinstance(ours.actions[0], RunDeployment)
        ours.trigger.within = timedelta(seconds=2)
        ours.actions[0].schedule_after = timedelta(seconds=2.5)
        ours.actions[0].parameters = (ours.actions[0].parameters or {}) | {"network": plant.name}
        client.update_automation(found.id, ours)
        try:
            deadline = time.monotonic() + PATIENT_SECONDS
            while not (woken := plant.runs()):
                assert time.monotonic() < deadline
                start = f"PAN001/{uuid4().hex[:6]}/20180216T110623"
                receiver.post("/events", json=push(f"{start}/20180216T112430.fits.fz"))
                time.sleep(0.5)
            yield woken
        finally:
            client.update_automation(found.id, usual)


def kill_worker(stack: LocalStack, *, with_runs: bool) -> None:
    """As a power cut does, or as an operator who finds the wrong process."""
    doomed = _descendants(stack.process_id("worker")) if with_runs else []
    end_process(stack, "worker", with_signal=signal.SIGKILL)
    for pid in doomed:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def restart_server(stack: LocalStack, how: signal.Signals, *, away: float) -> None:
    """End it, be away for some seconds, and come back on the same port with the same database."""
    end_process(stack, "server", with_signal=how)
    time.sleep(away)
    start_server_again(stack)


def _descendants(pid: int) -> list[int]:
    parents: dict[int, list[int]] = {}
    for status in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = status.read_text().rpartition(")")[2].split()
            parents.setdefault(int(fields[1]), []).append(int(status.parent.name))
    found, open_ = [], [pid]
    while open_:
        below = parents.get(open_.pop(), [])
        found += below
        open_ += below
    return found
