"""The images of a run on other machines: workers that share nothing with it but the stores."""

from __future__ import annotations

import time
import uuid
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
from panoptes.network.site import Site
from tests import sites
from tests.clusters import dask_cluster
from tests.emulators.demo import emulated_bucket
from tests.files import SEQUENCE, SEQUENCE_ID, tiny_fits
from tests.google_key import service_account
from tests.local_http import serving
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
IMAGES = 6


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
        run_and_judge(prefect_api, on_google, address)
        assert processes.status("dies", within=PATIENT_SECONDS) == -9


def run_and_judge(stack: LocalStack, site: Site, address: str) -> None:
    """Ingest good images and a bad one there; each is to end once, in its own way."""
    names = [f"{SEQUENCE}/20180216T11{number:02}00" for number in range(IMAGES + 1)]
    for number, name in enumerate(names):
        data = tiny_fits(seed=number)
        site.store("incoming").put(f"{name}.fits", data if number else data[:-2880])
    network = f"cluster-{uuid.uuid4().hex[:8]}"
    PanoptesNetwork.of(site).changed(task_runner=address, previews_wanted=False).save(network)
    state = ingest_observation(SEQUENCE_ID, network=network, return_state=True)

    assert state.message == f"{IMAGES} catalogued, 1 quarantined (truncated-file)"
    assert sites.waiting(site) == []
    images = {info.name for info in site.store("images").list()}
    assert images == {f"{name}.fits.fz" for name in names[1:]}
    catalogued = list(site.catalog.query(Query("images")))
    assert len(catalogued) == IMAGES
    observation = sites.document(site, "observations", SEQUENCE_ID)
    assert observation["num_images"] == IMAGES
    entries = [sites.entry_of(site, f"{name}.fits") for name in names]
    assert Counter(entry.outcome for entry in entries) == {"archived": IMAGES, "quarantined": 1}
    assert sorted(entry.attempts for entry in entries) == [1] * IMAGES + [2], "one was killed"
    assert all(entry.run_made for entry in entries[1:]), "the lag is known"
    runs = task_runs(stack, state)
    kinds = Counter((run.name.partition(" ")[0], run.state_name) for run in runs)
    assert kinds["compress", "Cached"] == 1, "of whom was killed; from the bucket"
    assert kinds["compress", "Bad input"] == 1
    assert kinds["ingest", "Quarantined"] == 1
    assert kinds["ingest", "Completed"] == IMAGES
    assert [run.run_count for run in runs].count(2) >= 1, "passing trouble was tried again there"


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
