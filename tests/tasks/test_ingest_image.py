"""The steps of an ingest as Prefect tasks, on a real server."""

from __future__ import annotations

import re
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import cloudpickle
import pytest
from prefect import flow
from prefect.client.schemas.filters import FlowRunFilter, FlowRunFilterId
from prefect.client.schemas.objects import State, TaskRun
from prefect.filesystems import LocalFileSystem
from prefect.settings import PREFECT_RESULTS_DEFAULT_STORAGE_BLOCK, temporary_settings
from prefect.task_runners import ThreadPoolTaskRunner

import tasks.ingest_image
from blocks.network import PanoptesNetwork
from deployments.local_stack.stack import LocalStack
from flows.ingest_observation import ingest_observation
from panoptes.network.errors import BadInput
from panoptes.network.ingest.listing import waiting_for
from panoptes.network.ingest.outcome import FileResult
from panoptes.network.ingest.take import Calls, Watch, take, take_all
from panoptes.network.names import parse_sequence_id
from panoptes.network.site import Site
from panoptes.network.upload import Source
from tasks.derive import compress
from tasks.ingest_image import AsTasks
from tests import sites
from tests.files import IMAGE, SEQUENCE, SEQUENCE_ID, place, tiny_fits
from tests.patience import PATIENT_SECONDS


def night(folder: Path, files: int, **policies: Any) -> Site:
    site = sites.drained(folder, **({"previews_wanted": False} | policies))
    for number in range(files):
        name = f"{SEQUENCE}/20180216T11{number:02}00.fits"
        place(sites.incoming(site), name, tiny_fits(seed=number))
    return site


def saved(site: Site) -> str:
    name = f"steps-{uuid.uuid4().hex[:8]}"
    PanoptesNetwork.of(site).save(name, overwrite=True)
    return name


def ingest(name: str) -> State[Any]:
    return ingest_observation(SEQUENCE_ID, network=name, return_state=True)


def task_runs(stack: LocalStack, state: State[Any]) -> dict[str, TaskRun]:
    """The task runs of a flow run by name, once the server has them all."""
    flow_run_id = state.state_details.flow_run_id
    assert flow_run_id is not None
    wanted = FlowRunFilter(id=FlowRunFilterId(any_=[flow_run_id]))
    deadline = time.monotonic() + PATIENT_SECONDS
    with stack.client() as client:
        while True:
            runs = client.read_task_runs(flow_run_filter=wanted, limit=200)
            ended = [run for run in runs if run.state and run.state.is_final()]
            if len(ended) == len(runs) and any(run.name.startswith("settle") for run in runs):
                return {run.name: run for run in runs}
            assert time.monotonic() < deadline
            time.sleep(0.2)


def name_of(run: TaskRun) -> str:
    assert run.state is not None
    return run.state.name or ""


LABEL = "PAN001_14d3bd_20180216T110000 fits"


def test_passing_trouble_is_tried_again_by_prefect_and_the_file_is_archived(
    tmp_path: Path, prefect_api: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = night(tmp_path, 1)
    read, calls = Site.read, []

    def away_at_first(self: Site, source: Source) -> bytes:
        calls.append(source.name)
        if len(calls) == 1:
            raise ConnectionError("the store is away")
        return read(self, source)

    monkeypatch.setattr(Site, "read", away_at_first)
    state = ingest(saved(site))
    assert state.message == "1 catalogued"
    runs = task_runs(prefect_api, state)
    assert runs[f"compress {LABEL}"].run_count == 2
    assert {run.run_count for name, run in runs.items() if not name.startswith("compress")} == {1}
    assert name_of(runs[f"ingest {LABEL}"]) == "Completed"


KILLED = """
import os, signal, sys
import tasks.record
tasks.record.record_image_file = lambda *given: os.kill(os.getpid(), signal.SIGKILL)
from flows.ingest_observation import ingest_observation
ingest_observation(sys.argv[1], network=sys.argv[2])
"""


def test_a_run_that_was_killed_before_it_recorded_finds_its_derivations_in_prefects_cache(
    tmp_path: Path, prefect_api: LocalStack
) -> None:
    site = night(tmp_path, 1, lease_seconds=2.0)
    name = saved(site)
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, SEQUENCE_ID, name],
        env=prefect_api.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -9, killed.stderr
    (written,) = site.store("images").list()
    deadline = time.monotonic() + PATIENT_SECONDS
    while "another run" in ((state := ingest(name)).message or ""):
        assert time.monotonic() < deadline
        time.sleep(0.5)
    assert state.message == "1 catalogued"
    assert name_of(task_runs(prefect_api, state)[f"compress {LABEL}"]) == "Cached"
    assert list(site.store("images").list()) == [written], "nothing was derived twice"


def test_a_file_that_could_not_be_recorded_is_red_and_not_derived_again(
    tmp_path: Path, prefect_api: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = night(tmp_path, 2)
    name = saved(site)

    def ours(*given: object) -> FileResult:
        raise RuntimeError("a defect")

    with monkeypatch.context() as patched:
        patched.setattr("tasks.record.record_image_file", ours)
        state = ingest(name)
    assert state.is_failed()
    runs = task_runs(prefect_api, state)
    assert name_of(runs[f"record {LABEL}"]) == "Failed"
    failed = runs[f"ingest {LABEL}"].state
    assert failed is not None
    assert failed.is_failed()
    assert "a defect" in (failed.message or "")
    state = ingest(name)
    assert state.message == "2 catalogued"
    runs = task_runs(prefect_api, state)
    assert [name_of(run) for each, run in runs.items() if each.startswith("compress")] == [
        "Cached"
    ] * 2


def test_a_quarantined_file_is_no_red_failure_and_says_so_by_name(
    tmp_path: Path, prefect_api: LocalStack
) -> None:
    site = sites.drained(tmp_path)
    place(sites.incoming(site), f"{IMAGE}.fits", tiny_fits()[:-2880])
    state = ingest(saved(site))
    assert state.is_completed()
    assert state.message == "1 quarantined (truncated-file)"
    runs = task_runs(prefect_api, state)
    kinds = {name.partition(" ")[0]: name_of(run) for name, run in runs.items()}
    assert kinds == {
        "ingest": "Quarantined",
        "compress": "Bad input",
        "quarantine": "Completed",
        "settle": "Completed",
    }
    for name in kinds.keys() & {"ingest", "compress"}:
        told = next(run for each, run in runs.items() if each.startswith(name)).state
        assert told is not None
        assert told.is_completed()
        assert "part of it is missing" in (told.message or "")


def test_what_was_refused_is_judged_anew_the_next_time(
    tmp_path: Path, prefect_api: LocalStack
) -> None:
    """The same generation: a kept file, once the archive in its way was moved away."""
    site = sites.kept(tmp_path, previews_wanted=False)
    place(sites.incoming(site), f"{IMAGE}.fits", tiny_fits())
    (source,) = waiting_for(site, parse_sequence_id(SEQUENCE_ID))
    in_the_way = site.store("images").put(f"{IMAGE}.fits.fz", b"another's", if_generation=0)
    network = PanoptesNetwork.of(site)

    def derive() -> State[Any]:
        source.memory.clear()
        return cast("State[Any]", cast("Any", compress)(network, source, return_state=True))

    refused = derive()
    assert refused.name == "Bad input"
    bad = refused.result()
    assert isinstance(bad, BadInput)
    assert bad.code == "conflicts-with-archive"
    assert derive().name == "Bad input"
    site.store("images").delete(in_the_way.name)
    assert derive().name == "Completed"
    assert derive().name == "Cached"


class Crowd:
    """Who is at work at once."""

    def __init__(self, awaited: int) -> None:
        self.present = self.peak = self.begun = 0
        self._awaited = awaited
        self._moved = threading.Condition()

    def __call__(self, site: Site, source: Source, steps: Any) -> FileResult:
        with self._moved:
            self.begun += 1
            self.present += 1
            self.peak = max(self.peak, self.present)
            self._moved.notify_all()
            self._moved.wait_for(lambda: self.peak >= self._awaited, timeout=PATIENT_SECONDS)
        try:
            return take(site, source, steps)
        finally:
            with self._moved:
                self.present -= 1


def test_no_more_images_are_in_the_works_than_workers(
    tmp_path: Path, prefect_api: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    crowd = Crowd(awaited=3)
    monkeypatch.setattr(tasks.ingest_image, "take", crowd)
    state = ingest(saved(night(tmp_path, 9, workers=3)))
    assert state.message == "9 catalogued"
    assert (crowd.peak, crowd.begun) == (3, 9)


class Stop(Exception):
    pass


class Impatient(Watch):
    def taken(self, result: FileResult) -> None:
        raise Stop


@pytest.mark.parametrize("way", ["as tasks", "as calls"])
def test_when_it_is_broken_off_what_is_in_the_works_ends_and_nothing_more_begins(
    tmp_path: Path, prefect_api: LocalStack, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    site = night(tmp_path, 9, workers=2)
    crowd = Crowd(awaited=2)
    for module in ("tasks.ingest_image", "panoptes.network.ingest.take"):
        monkeypatch.setattr(f"{module}.take", crowd)
    sources = waiting_for(site, parse_sequence_id(SEQUENCE_ID))
    steps = AsTasks(PanoptesNetwork.of(site)) if way == "as tasks" else Calls(site)

    @flow(name="broken-off")
    def broken_off() -> int:
        try:
            take_all(sources, steps=steps, watch=Impatient())
        except Stop:
            return crowd.present
        raise AssertionError

    assert broken_off() == 0, "the lease is given back now"
    assert crowd.begun <= 4
    assert len(sites.waiting(site)) == 9 - crowd.begun


AS_A_JOB = """
import sys
from prefect.task_runners import ProcessPoolTaskRunner
from flows.ingest_observation import ingest_observation
flow = ingest_observation.with_options(task_runner=ProcessPoolTaskRunner(max_workers=2))
print(flow(sys.argv[1], network=sys.argv[2], return_state=True).message)
"""


def in_processes(name: str, stack: LocalStack) -> str:
    """As a worker's job, whose settings are in its environment, and its processes' too."""
    job = subprocess.run(
        [sys.executable, "-c", AS_A_JOB, SEQUENCE_ID, name],
        env=stack.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return job.stdout.splitlines()[-1]


def in_threads(name: str, _: LocalStack) -> str:
    runner = cast(Any, ThreadPoolTaskRunner(max_workers=1))
    by_one = ingest_observation.with_options(task_runner=runner)
    return str(by_one(SEQUENCE_ID, network=name, return_state=True).message)


@pytest.mark.parametrize("run", [in_threads, in_processes])
def test_the_task_runner_is_the_deployments_choice(
    tmp_path: Path, prefect_api: LocalStack, run: Callable[[str, LocalStack], str]
) -> None:
    plainly, site = night(tmp_path / "plainly", 3), night(tmp_path / "site", 3, workers=2)
    for each in (plainly, site):
        place(sites.incoming(each), f"{SEQUENCE}/20180216T115900.fits", b"")
    sites.run(plainly)
    assert run(saved(site), prefect_api) == "3 catalogued, 1 quarantined (empty-file)"
    assert sites.waiting(site) == []
    assert comparable(site) == comparable(plainly)


def comparable(site: Site) -> dict[str, str]:
    """The documents, but for the uploads' generations, and whether Prefect was told."""
    return {
        key: re.sub(r"(@|'generation': )\d+|'announced': \w+", "", repr(fields))
        for key, fields in sites.documents(site).items()
    }


def test_results_lie_where_prefects_setting_says(tmp_path: Path, prefect_api: LocalStack) -> None:
    """A folder's block here; a *GCS Bucket* block is one of the same kind."""
    results, block = tmp_path / "results", f"results-{uuid.uuid4().hex[:8]}"
    LocalFileSystem(basepath=str(results)).save(block, overwrite=True)
    with temporary_settings({PREFECT_RESULTS_DEFAULT_STORAGE_BLOCK: f"local-file-system/{block}"}):
        assert ingest(saved(night(tmp_path, 1))).message == "1 catalogued"
    (record,) = [path for path in results.rglob("*") if path.is_file()]
    assert record.name.startswith("compress-")
    assert record.stat().st_size < 20_000


def test_what_travels_to_a_task_is_settings_and_names(tmp_path: Path) -> None:
    site = night(tmp_path, 2)
    network = PanoptesNetwork.of(site)
    sources = waiting_for(network.site, parse_sequence_id(SEQUENCE_ID))
    for source in sources:
        assert len(network.site.read(source)) > 2880
    network.site.catalog.check()
    sent = cloudpickle.dumps({"network": network, "files": sources})
    assert len(sent) < 20_000
    there = cloudpickle.loads(sent)
    assert there["files"] == sources
    assert there["files"][0].memory.data is None
    assert sites.waiting(there["network"].site) == [source.name for source in sources]
