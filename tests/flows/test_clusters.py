"""The images of a run on other machines: workers that share nothing with it but the stores."""

from __future__ import annotations

import importlib.util
import os
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
)
from prefect.client.schemas.objects import State, TaskRun
from prefect.settings import PREFECT_RESULTS_DEFAULT_STORAGE_BLOCK, temporary_settings
from prefect_gcp import GcpCredentials, GcsBucket
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from blocks.network import PanoptesNetwork
from deployments.local_stack.stack import LocalStack
from flows.ingest_observation import ingest_observation
from panoptes.network.catalog.catalog import Query
from panoptes.network.documents import File
from panoptes.network.site import Site
from tests import sites
from tests.clusters import dask_cluster, ray_cluster, tls_settings
from tests.emulators.demo import emulated_bucket
from tests.files import SEQUENCE, SEQUENCE_ID, place, tiny_fits
from tests.google_key import service_account
from tests.local_http import free_port, serving
from tests.patience import PATIENT_SECONDS

DIES = """
import os, signal
import tasks.record

tasks.record.record_image_file = lambda *given: os.kill(os.getpid(), signal.SIGKILL)
"""
STUMBLES = """
from panoptes.network.site import Site

def away_at_first(read):
    met = []

    def read_or_not(self, source):
        met.append(source.name)
        if len(met) == 1:
            raise ConnectionError("the store is away")
        return read(self, source)

    return read_or_not

if Site.read.__name__ == "read":  # Dask runs this twice
    Site.read = away_at_first(Site.read)
"""
HANGS_ONCE = """
import time
from pathlib import Path
from panoptes.network.site import Site

def hanging_once(read):
    def read_or_hang(self, source):
        try:
            Path({met!r}).touch(exist_ok=False)
        except FileExistsError:
            return read(self, source)
        time.sleep(3600)

    return read_or_hang

if Site.read.__name__ == "read":
    Site.read = hanging_once(Site.read)
"""
STALL_SECONDS = 60.0
IMAGES = 6
only_in_cloud_check = pytest.mark.skipif(
    "CLOUD_CHECK" not in os.environ, reason="runs in make cloud-check"
)


@pytest.fixture
def results_bucket(gcs_emulator: str, prefect_api: LocalStack) -> Iterator[None]:
    """Prefect's results in a bucket, as is documented for runs on several machines."""

    def token(request: Request) -> Response:
        return JSONResponse({"access_token": "any", "expires_in": 3600, "token_type": "Bearer"})

    with serving(lambda: Starlette(routes=[Route("/token", token, methods=["POST"])])) as google:
        name = f"results-{uuid.uuid4().hex[:8]}"
        key = service_account() | {"token_uri": f"{google}/token"}
        bucket = emulated_bucket(gcs_emulator, name)
        credentials = GcpCredentials(service_account_info=key)
        GcsBucket(bucket=bucket, gcp_credentials=credentials).save(name)
        with temporary_settings({PREFECT_RESULTS_DEFAULT_STORAGE_BLOCK: f"gcs-bucket/{name}"}):
            yield


def test_on_dask_every_frame_is_catalogued_once_though_a_worker_is_killed_in_the_middle(
    tmp_path: Path, prefect_api: LocalStack, results_bucket: None, on_google: Site
) -> None:
    with dask_cluster(tmp_path, {"dies": DIES, "stumbles": STUMBLES}) as (address, processes):
        names = upload(on_google)
        state = ingest(on_google, address)
        assert processes.status("dies", within=PATIENT_SECONDS) == -9
    assert state.message == f"{IMAGES} catalogued, 1 quarantined (truncated-file)"
    entries = judge(on_google, names)
    assert sorted(entry.attempts for entry in entries) == [1] * IMAGES + [2], "one was killed"
    judge_runs(prefect_api, state)


@only_in_cloud_check
def test_over_tls_a_worker_that_hangs_ends_itself_and_its_image_is_taken_by_another(
    tmp_path: Path, prefect_api: LocalStack, results_bucket: None, on_google: Site
) -> None:
    hangs_once = HANGS_ONCE.format(met=str(tmp_path / "met"))
    preloads, tls = dict.fromkeys(["one", "another"], hangs_once), tls_settings(tmp_path)
    with dask_cluster(tmp_path, preloads, nannies=True, tls=tls) as (address, _):
        assert address.startswith("dask+tls://")
        names = upload(on_google)
        state = ingest(on_google.changed(stall_seconds=STALL_SECONDS), address)
        logs = {name: (tmp_path / "logs" / f"{name}.log").read_text() for name in preloads}
    assert state.is_completed(), state.message
    judge(on_google, names)
    (hung,) = (text for text in logs.values() if "Timeout (0:01:00)" in text)
    assert "in read_or_hang" in hung, "it says where it hung"
    assert "Restarting worker" in hung


@only_in_cloud_check
@pytest.mark.skipif(
    importlib.util.find_spec("prefect_ray") is None,
    reason="needs Ray: pip install -c constraints.txt 'panoptes-network[ray]'",
)
def test_on_ray_every_frame_is_catalogued_once_though_a_node_is_killed_in_the_middle(
    tmp_path: Path, prefect_api: LocalStack, results_bucket: None, on_google: Site
) -> None:
    names = upload(on_google)
    ended = threading.Event()
    with ray_cluster(tmp_path, ["dies", "lives"]) as (address, processes):

        def kill() -> None:
            while not on_google.catalog.aggregate(Query("images"))["count"]:
                if ended.wait(0.1):
                    return
            node = psutil.Process(processes.process_id("dies"))
            for each in (*node.children(recursive=True), node):
                each.kill()

        killing = threading.Thread(target=kill)
        killing.start()
        try:
            state = ingest(on_google, address)
            for _ in range(2):  # the process that Ray starts for a client now and then dies at once
                if "no Ray cluster answers" in (state.message or ""):
                    state = ingest(on_google, address)
        finally:
            ended.set()
            killing.join()
    assert state.is_completed(), state.message
    assert "1 quarantined (truncated-file)" in (state.message or "")
    judge(on_google, names)


def test_a_run_whose_cluster_is_away_says_so_and_takes_nothing(
    tmp_path: Path, prefect_api: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.image_runners.CONNECT_SECONDS", 1)
    site = sites.drained(tmp_path)
    place(sites.incoming(site), f"{SEQUENCE}/20180216T110000.fits", tiny_fits())
    state = ingest(site, address := f"dask://127.0.0.1:{free_port()}")
    assert state.is_failed()
    said = f"broken off, the next sweep goes on: no Dask cluster answers at {address}"
    assert (state.message or "").startswith(said)
    assert len(sites.waiting(site)) == 1


def upload(site: Site) -> list[str]:
    """A bad image and good ones, to be taken there; their names without suffix."""
    names = [f"{SEQUENCE}/20180216T11{number:02}00" for number in range(IMAGES + 1)]
    for number, name in enumerate(names):
        data = tiny_fits(seed=number)
        site.store("incoming").put(f"{name}.fits", data if number else data[:-2880])
    return names


def ingest(site: Site, address: str) -> State[Any]:
    network = f"cluster-{uuid.uuid4().hex[:8]}"
    PanoptesNetwork.of(site).changed(task_runner=address, previews_wanted=False).save(network)
    return ingest_observation(SEQUENCE_ID, network=network, return_state=True)


def judge(site: Site, names: list[str]) -> list[File]:
    """Each has ended once, in its own way; gives their entries in the ledger."""
    assert sites.waiting(site) == []
    images = {info.name for info in site.store("images").list()}
    assert images == {f"{name}.fits.fz" for name in names[1:]}
    assert len(list(site.catalog.query(Query("images")))) == IMAGES
    assert sites.document(site, "observations", SEQUENCE_ID)["num_images"] == IMAGES
    entries = [sites.entry_of(site, f"{name}.fits") for name in names]
    assert [entry.outcome for entry in entries] == ["quarantined"] + ["archived"] * IMAGES
    assert all(entry.run_made for entry in entries[1:]), "the lag is known"
    return entries


def judge_runs(stack: LocalStack, state: State[Any]) -> None:
    runs = task_runs(stack, state)
    kinds = Counter((run.name.partition(" ")[0], run.state_name) for run in runs)
    assert kinds["compress", "Cached"] == 1, "of whom was killed; from the bucket"
    assert kinds["compress", "Bad input"] == 1
    assert kinds["ingest", "Quarantined"] == 1
    assert kinds["ingest", "Completed"] == IMAGES
    assert 2 in [run.run_count for run in runs], "passing trouble was tried again there"


def task_runs(stack: LocalStack, state: State[Any]) -> list[TaskRun]:
    """Once the server has them all."""
    assert state.state_details.flow_run_id is not None
    wanted = FlowRunFilter(id=FlowRunFilterId(any_=[state.state_details.flow_run_id]))
    deadline = time.monotonic() + PATIENT_SECONDS
    with stack.client() as client:
        while True:
            runs = client.read_task_runs(flow_run_filter=wanted, limit=200)
            ended = [run.name for run in runs if run.state and run.state.is_final()]
            if sum(name.startswith(("ingest", "settle")) for name in ended) == IMAGES + 2:
                return runs
            assert time.monotonic() < deadline
            time.sleep(0.2)
