"""The whole way on real parts, without a hand being moved.

An upload to fake-gcs-server, Pub/Sub's push, the receiver, Prefect's server with its
automation, a worker's job, and documents in Firestore.
"""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import httpx
import pytest

from deployments.local_stack.stack import LocalStack
from deployments.work_pools.window import set_window
from panoptes.network.catalog.catalog import Query
from panoptes.network.errors import TransientError
from panoptes.network.simulator.night import Night, Sent
from panoptes.network.site import Site
from tests.deployments.receiver.receiving import receiving
from tests.emulators.demo import emulated_network
from tests.emulators.servers import Emulators, Notify, NotInstalled
from tests.patience import PATIENT_SECONDS
from tests.stacks import begun_stack

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

pytestmark = pytest.mark.xdist_group("upload_to_catalog")

PROJECT, TOPIC = "panoptes", "uploads"
WINDOW, MARGIN = 4.0, 1.0
"""Seconds."""


@dataclass(frozen=True)
class Plant:
    """Everything that stands between a unit and the catalogue."""

    stack: LocalStack
    site: Site
    pubsub: str

    @contextmanager
    def listening(self) -> Iterator[None]:
        """A receiver, and a subscription that pushes to it."""
        with receiving(self.stack.api_url, incoming=self.site.settings.incoming) as receiver:
            name = f"projects/{PROJECT}/subscriptions/s-{uuid.uuid4().hex}"
            subscription = {
                "topic": f"projects/{PROJECT}/topics/{TOPIC}",
                "pushConfig": {"pushEndpoint": str(receiver.base_url.join("/events"))},
            }
            httpx.put(
                f"{self.pubsub}/v1/{name}", json=subscription, timeout=PATIENT_SECONDS
            ).raise_for_status()
            try:
                yield
            finally:
                httpx.delete(f"{self.pubsub}/v1/{name}", timeout=PATIENT_SECONDS).raise_for_status()

    def upload(self, night: Night) -> list[Sent]:
        """In bursts: all files of the night as fast as they can be made."""
        upload = self.site.store("incoming").put
        sent = []
        for each, data in night.uploads():
            upload(each.name, data)
            sent.append(each)
        return sent

    def waiting(self) -> set[str]:
        return {info.name for info in self.site.store("incoming").list()}

    def runs(self, sequence_id: str) -> list[FlowRun]:
        with self.stack.client() as client:
            runs = client.read_flow_runs()
        return [run for run in runs if run.parameters.get("sequence_id") == sequence_id]

    def missing(self, sent: list[Sent]) -> set[str]:
        """Images of the night that are not in the catalogue yet."""
        wanted = {each.image_id for each in sent if each.image_id and each.fate == "archived"}
        night = Query("images", where=[("sequence_id", "in", sorted(sequences(sent)))])
        found = self.site.catalog.query(night)
        return {str(name) for name in wanted} - {
            stored.key for stored in found if stored.fields["status"] == "uploaded"
        }

    def counted(self, sequence_id: str) -> int | None:
        """The images of an observation, as its document says."""
        stored = self.site.catalog.get("observations", sequence_id)
        return None if stored is None else stored.fields.get("num_images")

    def until(self, is_so: Callable[[], bool], *, seconds: float = 180) -> bool:
        deadline = time.monotonic() + seconds
        while True:
            # An emulator on a busy machine may be late with an answer to the test, too.
            with suppress(TransientError):
                if is_so():
                    return True
            if time.monotonic() > deadline:
                return False
            self.stack.check()
            time.sleep(0.25)


def sequences(sent: list[Sent]) -> set[str]:
    return {each.sequence_id for each in sent if each.sequence_id}


def night(day: int, *, oddities: bool = False) -> Night:
    """Two cameras that observe at the same time, a few images each."""
    start = datetime(2026, 1, day, 6, tzinfo=UTC)
    return Night(seed=day, images=2, start=start, oddities=oddities)


@pytest.fixture(scope="module")
def plant(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Plant]:
    with ExitStack() as open_:
        patch = open_.enter_context(pytest.MonkeyPatch.context())
        emulators = open_.enter_context(Emulators(tmp_path_factory.mktemp("emulators")))
        try:
            address = emulators.pubsub()
            pubsub = f"http://{address}"
            topic = f"{pubsub}/v1/projects/{PROJECT}/topics/{TOPIC}"
            httpx.put(topic, json={}, timeout=PATIENT_SECONDS).raise_for_status()
            storage = emulators.storage(notify=Notify(address, PROJECT, TOPIC))
            emulators.firestore()
        except NotInstalled as error:
            if os.environ.get("CI"):
                pytest.fail(str(error))
            pytest.skip(str(error))
        for name, value in emulators.environment.items():
            patch.setenv(name, value)
        site = emulated_network(storage)
        home = tmp_path_factory.mktemp("stack")
        stack = open_.enter_context(begun_stack(tmp_path_factory, home, site=site))
        with stack.client() as client:
            window, margin = timedelta(seconds=WINDOW), timedelta(seconds=MARGIN)
            set_window(client, window, margin=margin)
            # A sweep by the clock would add runs of its own to those that are counted here.
            sweep = client.read_deployment_by_name("sweep-incoming/local")
            for schedule in client.read_deployment_schedules(sweep.id):
                client.update_deployment_schedule(sweep.id, schedule.id, active=False)
        yield Plant(stack, site, pubsub)


def test_bursts_of_uploads_become_catalogued_images_by_one_run_a_window(plant: Plant) -> None:
    with plant.listening():
        begun = time.monotonic()
        sent = plant.upload(night(15))
        assert len(sequences(sent)) == 2
        assert plant.until(lambda: not plant.missing(sent)), plant.missing(sent)
        assert plant.until(lambda: not plant.waiting())
        # Until then the events of the last files may have come, on a busy machine.
        windows = (time.monotonic() - begun) // WINDOW + 2
    for sequence_id in sequences(sent):
        runs = plant.runs(sequence_id)
        assert 1 <= len(runs) <= windows
        # Files leave incoming before the run counts what it has.
        assert plant.until(lambda: plant.counted(sequence_id) == 2)  # noqa: B023  called at once


def test_what_nobody_told_of_is_found_by_one_sweep_and_nothing_is_left(plant: Plant) -> None:
    sent = plant.upload(night(17, oddities=True))
    sweep = plant.stack.run_deployment("sweep-incoming/local")
    (swept,) = plant.stack.await_runs([sweep])
    assert swept.state is not None
    assert swept.state.is_completed(), swept.state.message
    ids = [run.id for sequence_id in sequences(sent) for run in plant.runs(sequence_id)]
    assert len(ids) == len(sequences(sent))
    plant.stack.await_runs(ids)
    assert plant.waiting() == set()
    assert plant.missing(sent) == set()
    entries = plant.site.catalog.query(Query("files"))
    fates = {stored.fields["name"]: stored.fields["outcome"] for stored in entries}
    assert {each.name: fates[each.name] for each in sent} == {each.name: each.fate for each in sent}
