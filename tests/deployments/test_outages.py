"""Prefect goes away while files land, and afterwards one sweep leaves nothing behind."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from deployments.local_stack.stack import LocalStack
from deployments.work_pools.window import set_window
from panoptes.network.catalog.catalog import Query
from panoptes.network.simulator.night import Night, Sent
from panoptes.network.site import Site
from tests import sites
from tests.deployments.receiver.receiving import receiving
from tests.outages import deploy_again, end_process, start_server_again
from tests.patience import PATIENT_SECONDS
from tests.stacks import begun_stack

pytestmark = pytest.mark.xdist_group("outages")

WINDOW, MARGIN = timedelta(seconds=15), timedelta(seconds=1)
"""Long enough for a deployment within it."""


@dataclass(frozen=True)
class Plant:
    """A network in folders, its stack and its receiver."""

    site: Site
    stack: LocalStack
    receiver: httpx.Client

    def upload(self, night: Night, *, patience: float = 0.0) -> dict[Sent, int]:
        """All files of a night; what the receiver answered to the event of each.

        Who is asked to come again does so, for up to `patience` seconds.
        """
        incoming = self.site.store("incoming")
        sizes = {sent: incoming.put(sent.name, data).size for sent, data in night.uploads()}

        def tell(sent: Sent) -> int:
            deadline = time.monotonic() + patience
            while (answer := self._tell(sent, sizes[sent])) == 503 and time.monotonic() < deadline:
                time.sleep(0.2)
            return answer

        with ThreadPoolExecutor(len(sizes)) as senders:
            return dict(zip(sizes, senders.map(tell, sizes), strict=True))

    def _tell(self, sent: Sent, size: int) -> int:
        event = {
            "bucket": self.site.settings.incoming,
            "name": sent.name,
            "generation": "1",
            "metageneration": "1",
            "size": str(size),
            "timeCreated": datetime.now(UTC).isoformat(),
        }
        headers = {
            "ce-id": sent.name.replace("/", "-"),
            "ce-source": f"//storage.googleapis.com/projects/_/buckets/"
            f"{self.site.settings.incoming}",
            "ce-specversion": "1.0",
            "ce-type": "google.cloud.storage.object.v1.finalized",
            "ce-subject": f"objects/{sent.name}",
        }
        return self.receiver.post("/events", json=event, headers=headers).status_code

    def sweep(self) -> None:
        """One sweep, after which no other comes."""
        run = self.stack.run_deployment("sweep-incoming/local")
        (swept,) = self.stack.await_runs([run])
        assert swept.state is not None
        assert swept.state.is_completed(), swept.state.message

    def settle(self, *, seconds: float = PATIENT_SECONDS) -> None:
        """Wait until no run is due or under way."""
        deadline = time.monotonic() + seconds
        live = {"flow_runs": {"state": {"type": {"any_": ["SCHEDULED", "PENDING", "RUNNING"]}}}}
        with httpx.Client(base_url=self.stack.api_url, timeout=60) as client:
            while client.post("/flow_runs/count", json=live).json():
                assert time.monotonic() < deadline, "runs are left over"
                time.sleep(0.5)

    def assert_nothing_is_left(self, sent: dict[Sent, int]) -> None:
        assert list(self.site.store("incoming").list()) == []
        entries = self.site.catalog.query(Query("files"))
        fates = {entry.fields["name"]: entry.fields["outcome"] for entry in entries}
        assert {each.name: fates.get(each.name) for each in sent} == {
            each.name: each.fate for each in sent
        }


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    folder = tmp_path_factory.mktemp("outages")
    site = Site.in_folder(Path(folder, "data"), **sites.AT_ONCE)
    site.check()
    with ExitStack() as open_:
        stack = begun_stack(tmp_path_factory, folder / "prefect", site=site)
        open_.enter_context(stack)
        receiver = open_.enter_context(receiving(stack.api_url, incoming=site.settings.incoming))
        keep_to_one_sweep(stack)
        yield Plant(site, stack, receiver)


def keep_to_one_sweep(stack: LocalStack) -> None:
    """A short window, and nothing by the clock: no sweep but the test's own."""
    with stack.client() as client:
        set_window(client, WINDOW, margin=MARGIN)
        for deployment in client.read_deployments():
            for schedule in client.read_deployment_schedules(deployment.id):
                client.update_deployment_schedule(deployment.id, schedule.id, active=False)


def night(day: int) -> Night:
    return Night(seed=day, images=2, start=datetime(2026, 1, day, 6, tzinfo=UTC))


def test_uploads_while_the_server_is_stopped(plant: Plant) -> None:
    end_process(plant.stack, "server")
    sent = plant.upload(night(10))
    assert set(sent.values()) == {503}  # the sender is told, and here it never comes again
    start_server_again(plant.stack)
    plant.sweep()
    plant.settle()
    plant.assert_nothing_is_left(sent)


def test_a_server_killed_two_seconds_after_it_took_the_events(plant: Plant) -> None:
    sent = plant.upload(night(11), patience=PATIENT_SECONDS)
    assert set(sent.values()) == {204}
    time.sleep(2)
    end_process(plant.stack, "server", with_signal=signal.SIGKILL)
    start_server_again(plant.stack)
    plant.sweep()
    plant.settle()
    plant.assert_nothing_is_left(sent)


def test_a_deployment_within_the_window(plant: Plant) -> None:
    sent = plant.upload(night(12), patience=PATIENT_SECONDS)
    assert set(sent.values()) == {204}
    deploy_again(plant.stack)
    keep_to_one_sweep(plant.stack)
    plant.sweep()
    plant.settle()
    plant.assert_nothing_is_left(sent)
