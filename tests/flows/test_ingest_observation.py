"""The flow on a real Prefect server: as a work-pool job, and in this process."""

from __future__ import annotations

import base64
import io
import re
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest
from PIL import Image
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import FlowRun, State, TaskRun

from blocks.network import PanoptesNetwork
from deployments.local_stack.stack import LocalStack
from flows.ingest_observation import ingest_observation
from panoptes.network.catalog.catalog import Query
from panoptes.network.documents import File
from panoptes.network.ingest.lease import Lease
from panoptes.network.ingest.listing import waiting_for
from panoptes.network.names import parse_sequence_id
from panoptes.network.simulator.night import Night, Sent
from panoptes.network.site import Site
from tasks.derive import compress
from tasks.refusing import unless_refused
from tests import sites
from tests.patience import PATIENT_SECONDS

INGEST = "ingest-observation/local"

SITE = "https://panoptes.example.org"


class Plant:
    """A network with a night waiting in it, known to the server by a name of its own."""

    def __init__(self, root: Path, stack: LocalStack, images: int = 2) -> None:
        self.stack = stack
        self.name = f"plant-{uuid.uuid4().hex[:8]}"
        self.site = Site.in_folder(root, lease_seconds=5.0, site_url=SITE, **sites.AT_ONCE)
        self.site.check()
        self.incoming = root / "incoming"
        self.sent: list[Sent] = Night(images=images, seed=7).send(self.incoming)
        with stack.settings():
            PanoptesNetwork.of(self.site).save(self.name, overwrite=True)

    @property
    def sequence_ids(self) -> list[str]:
        return sorted({sent.sequence_id for sent in self.sent if sent.sequence_id})

    def of(self, sequence_id: str) -> list[Sent]:
        return [sent for sent in self.sent if sent.sequence_id == sequence_id]

    def waiting(self) -> set[str]:
        return {info.name for info in self.site.store("incoming").list()}

    def entry(self, name: str) -> File:
        found = self.site.catalog.query(Query("files", where=[("name", "==", name)]))
        return File.model_validate(next(iter(found)).fields)

    def ingest(self, sequence_id: str) -> State[Any]:
        """Run the flow in this process."""
        with self.stack.settings():
            return ingest_observation(sequence_id, network=self.name, return_state=True)

    def run_job(self, sequence_id: str) -> FlowRun:
        """Run the flow as the work pool does."""
        parameters = {"sequence_id": sequence_id, "network": self.name}
        return self.stack.await_runs([self.stack.run_deployment(INGEST, parameters)])[0]

    def task_runs(self, run: FlowRun) -> list[TaskRun]:
        wanted = FlowRunFilter(id=FlowRunFilterId(any_=[run.id]))
        with self.stack.client() as client:
            deadline = time.monotonic() + PATIENT_SECONDS
            while True:  # the server writes task runs down a little later than they end
                assert time.monotonic() < deadline
                runs = client.read_task_runs(flow_run_filter=wanted, limit=200)
                settled = [r for r in runs if r.name.startswith("settle")]
                if settled and all(r.state and r.state.is_final() for r in runs):
                    return runs


@pytest.fixture
def plant(tmp_path: Path, prefect_stack: LocalStack) -> Plant:
    return Plant(tmp_path, prefect_stack)


def test_a_job_archives_and_catalogues_an_observation_and_says_so(plant: Plant) -> None:
    sequence_id = plant.sequence_ids[0]
    run = plant.run_job(sequence_id)
    assert run.name == f"ingest {sequence_id}"
    assert run.state is not None
    assert run.state.is_completed()
    for sent in plant.of(sequence_id):
        entry = plant.entry(sent.name)
        assert (entry.outcome, entry.code) == (sent.fate, sent.code), sent.name
        if entry.code is None:  # where its time went
            assert entry.run_made == run.created
            moments = [
                each
                for each in (entry.run_made, entry.run_begun, entry.opened, entry.derived)
                if each is not None
            ]
            assert len(moments) == 4
            assert moments == sorted(moments)
    observation = plant.site.catalog.get("observations", sequence_id)
    assert observation is not None
    images = {s.image_id for s in plant.of(sequence_id) if s.fate == "archived"}
    assert observation.fields["num_images"] == len(images)
    assert observation.fields["total_exptime"] == 120.0 * len(images)
    assert not {name for name in plant.waiting() if name in {s.name for s in plant.of(sequence_id)}}


def test_a_job_shows_each_step_of_each_file_by_name(plant: Plant) -> None:
    run = plant.run_job(plant.sequence_ids[0])
    names = {task_run.name for task_run in plant.task_runs(run)}
    for sent in plant.of(plant.sequence_ids[0]):
        if sent.fate == "archived":
            assert sent.file_type is not None
            label = f"{sent.image_id} {sent.file_type.value}"
            assert f"verify {label}" in names
            assert f"record {label}" in names


def test_a_table_artifact_names_every_file(plant: Plant) -> None:
    sequence_id = plant.sequence_ids[0]
    plant.ingest(sequence_id)
    key = f"files-{sequence_id.lower().replace('_', '-')}"
    with plant.stack.client() as client:
        artifact = next(a for a in client.read_artifacts() if a.key == key)
    for sent in plant.of(sequence_id):
        assert sent.name in str(artifact.data)
    assert "From arrival to the catalogue: half within" in str(artifact.description)


def test_a_report_shows_the_pictures_the_images_and_where_the_time_went(plant: Plant) -> None:
    sequence_id = plant.sequence_ids[0]
    plant.ingest(sequence_id)
    with plant.stack.client() as client:
        key = f"run-{sequence_id.lower().replace('_', '-')}"
        report = next(str(a.data) for a in client.read_artifacts() if a.key == key)
    picture = re.search(r"\]\(data:image/jpeg;base64,([\w+/=]+)\)", report)
    assert picture is not None
    with Image.open(io.BytesIO(base64.b64decode(picture[1]))) as sheet:
        assert sheet.width > 2 * sheet.height  # side by side
    for image_id in {s.image_id for s in plant.of(sequence_id) if s.fate == "archived"}:
        assert f"]({SITE}/images/{image_id}) | light | 120 s |" in report
    assert "| in all |" in report


def test_bad_input_is_never_retried_and_never_fails_the_run(plant: Plant) -> None:
    broken = next(s for s in plant.sent if s.code == "truncated-file")
    assert broken.sequence_id is not None
    run = plant.run_job(broken.sequence_id)
    assert run.state is not None
    assert run.state.is_completed()
    assert "1 quarantined (truncated-file)" in (run.state.message or "")
    states = [(t.state, t.run_count) for t in plant.task_runs(run) if t.state]
    assert not [state for state, _ in states if state.is_failed()]
    refused = [(state.message or "", tries) for state, tries in states if state.name == "Bad input"]
    assert [(message.partition(":")[0], tries) for message, tries in refused] == [
        ("truncated-file", 1)
    ]
    assert "Quarantined" in {state.name for state, _ in states}


def test_a_second_run_changes_nothing(plant: Plant) -> None:
    sequence_id = plant.sequence_ids[0]
    plant.ingest(sequence_id)
    before = _world(plant)
    state = plant.ingest(sequence_id)
    assert state.message == "nothing to do"
    assert _world(plant) == before


def test_a_run_that_finds_the_lease_taken_leaves_word_and_completes(plant: Plant) -> None:
    sequence_id = plant.sequence_ids[0]
    lease = Lease(plant.site.catalog, sequence_id, 60.0)
    assert lease.take()
    state = plant.ingest(sequence_id)
    assert state.is_completed()
    assert "another run" in (state.message or "")
    assert {s.name for s in plant.of(sequence_id)} <= plant.waiting()
    assert not lease.give_back(), "the holder is told to look again"
    assert lease.give_back()


def test_a_cached_derivation_whose_output_is_gone_is_done_again(plant: Plant) -> None:
    """A run that died after it derived leaves results behind that later ones would take."""
    sequence_id = next(s.sequence_id for s in plant.sent if s.name.endswith(".fits"))
    assert sequence_id is not None
    source = next(
        source
        for source in waiting_for(plant.site, parse_sequence_id(sequence_id))
        if source.name.endswith(".fits")
    )
    with plant.stack.settings():
        network = PanoptesNetwork.of(plant.site)
        made = unless_refused(compress(network, source))
        again: State[Any] = cast("Any", compress)(network, source, return_state=True)
        assert again.name == "Cached"
    images = plant.site.store("images")
    images.delete(made.outputs[0].path)
    state = plant.ingest(sequence_id)
    assert state.is_completed(), state.message
    assert images.stat(made.outputs[0].path).crc32c == made.outputs[0].crc32c
    assert not [s for s in plant.of(sequence_id) if s.name in plant.waiting()]


def test_an_unknown_network_or_observation_fails_with_a_sentence(plant: Plant) -> None:
    with plant.stack.settings():
        state = ingest_observation("PAN001", network=plant.name, return_state=True)
        assert state.is_failed()
        assert "UNIT_CAMERA_SEQUENCETIME" in (state.message or "")
        state = ingest_observation(plant.sequence_ids[0], network="nowhere", return_state=True)
        assert state.is_failed()
        assert "'nowhere'" in (state.message or "")


def test_the_forms_parameters_explain_themselves(prefect_stack: LocalStack) -> None:
    with prefect_stack.client() as client:
        for name in (INGEST, "sweep-incoming/local"):
            schema = client.read_deployment_by_name(name).parameter_openapi_schema
            assert schema is not None
            for parameter in schema["properties"].values():
                assert len(parameter["description"]) > 20


def test_a_sweep_quarantines_what_belongs_nowhere_and_starts_the_rest(plant: Plant) -> None:
    run_id = plant.stack.run_deployment("sweep-incoming/local", {"network": plant.name})
    run = plant.stack.await_runs([run_id])[0]
    assert run.state is not None
    assert run.state.is_completed(), run.state.message
    lost = next(s for s in plant.sent if s.code == "unroutable-name")
    assert plant.entry(lost.name).outcome == "quarantined"
    with plant.stack.client() as client:
        started = [
            r
            for r in client.read_flow_runs(limit=200)
            if r.parameters.get("network") == plant.name and "sequence_id" in r.parameters
        ]
    assert sorted(r.parameters["sequence_id"] for r in started) == plant.sequence_ids
    plant.stack.await_runs([r.id for r in started])
    assert not plant.waiting()


def _world(plant: Plant) -> dict[str, object]:
    """Every document but the ledger's clocks, and every object with its generation."""
    catalog = plant.site.catalog
    world: dict[str, object] = {}
    for collection in ("units", "cameras", "observations", "images", "files"):
        for stored in catalog.query(Query(collection)):
            world[f"{collection}/{stored.key}"] = stored.fields
    for location in ("images", "originals", "rgb", "previews", "timelapse", "quarantine"):
        for info in plant.site.store(location).list():
            world[f"{location}/{info.name}"] = info.generation
    return world


def test_an_id_of_an_observation_is_read_strictly() -> None:
    parse: Callable[[str], object] = parse_sequence_id
    assert parse("PAN001_14d3bd_20180216T110623")
    for wrong in ("", "PAN1_14d3bd_20180216T110623", "PAN001_14d3bd_20181316T110623", "../x"):
        with pytest.raises(ValueError, match=r"observation's id|real date"):
            parse(wrong)
