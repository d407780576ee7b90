"""Runs on Kubernetes: real worker and runs, a cluster that answers, and what happens in one.

Pods are processes; the cluster is `kubernetes_api`. No run is left as running, no file is lost.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.local_stack.stack import LocalStack
from panoptes.network.site import Site
from tests.deployments.work_pools.kubernetes_api import Cluster, cluster_in
from tests.deployments.work_pools.pooled import (
    Pool,
    all_is_archived,
    half_done,
    pool_on,
    small_site,
    swept_up,
    two_files,
)

pytestmark = pytest.mark.skipif("CLOUD_CHECK" not in os.environ, reason="runs in make cloud-check")

BY_ITS_OBSERVER = "No active or succeeded pods found for any job"
"""What Prefect's worker says of a run whose job has failed."""


@pytest.fixture(scope="module")
def pool(prefect_stack: LocalStack) -> Iterator[Pool]:
    with pool_on(prefect_stack, "kubernetes") as made:
        yield made


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster_in(tmp_path_factory.mktemp("cluster")) as cluster:
        yield cluster


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return small_site(tmp_path)


def test_a_run_out_of_memory_is_crashed_and_the_next_sweep_goes_on_while_the_api_often_fails(
    pool: Pool, cluster: Cluster, site: Site, tmp_path: Path
) -> None:
    every_request = cluster.refusals.of("", in_a_row=2)
    with every_request, pool.worker(tmp_path, cluster.environment):
        run = half_done(pool, site)
        cluster.kill_for_memory(cluster.job_of(run))
        assert pool.await_state(run, "Crashed").message == BY_ITS_OBSERVER
        swept_up(pool, site)
    refused = Counter(cluster.refusals.refused)
    assert refused["POST /apis/batch/v1/namespaces/default/jobs"] == 4, "two for each job"
    assert {"GET /apis/batch/v1/jobs", "GET /api/v1/pods"} <= refused.keys(), "and those who watch"


def test_an_evicted_run_ends_by_itself_or_is_started_again(
    pool: Pool, cluster: Cluster, site: Site, tmp_path: Path
) -> None:
    with pool.worker(tmp_path, cluster.environment):
        run = half_done(pool, site)
        cluster.evict(cluster.job_of(run))
        pool.await_state(run, "Crashed")
        swept_up(pool, site)


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl")
def test_a_job_that_its_operator_deletes_is_a_run_that_crashed(
    pool: Pool, cluster: Cluster, site: Site, tmp_path: Path
) -> None:
    with pool.worker(tmp_path, cluster.environment):
        run = half_done(pool, site)
        subprocess.run(
            ["kubectl", "--cache-dir", str(tmp_path / "cache"), "delete", "job", "--wait=false",
             "--selector", f"prefect.io/flow-run-id={run}"],
            env=os.environ | cluster.environment, check=True,
        )  # fmt: skip
        pool.await_state(run, "Crashed")
        swept_up(pool, site)


def test_a_run_whose_job_is_refused_is_crashed_and_the_next_sweep_makes_another(
    pool: Pool, cluster: Cluster, site: Site, tmp_path: Path
) -> None:
    two_files(site)
    pool.save(site)
    with pool.worker(tmp_path, cluster.environment):
        with cluster.refusals.of("POST .*/jobs"):
            run = pool.start()
            assert "Service Unavailable" in str(pool.await_state(run, "Crashed").message)
        swept_up(pool, site)


def test_a_pod_that_finds_no_machine_is_waited_for_by_one_run_and_not_without_end(
    pool: Pool, cluster: Cluster, site: Site, tmp_path: Path
) -> None:
    two_files(site)
    pool.save(site)
    cluster.has_room = False
    try:
        with pool.worker(tmp_path, cluster.environment):
            run = pool.start()
            pool.await_state(run, "InfrastructurePending")
            pool.outlast_a_lease(run)
            pool.sweep()
            assert pool.runs()[0].id == run, "no other run is made to wait beside it"
            cluster.pass_deadline(cluster.job_of(run))
            pool.await_state(run, "Crashed")
            cluster.has_room = True
            swept_up(pool, site)
    finally:
        cluster.has_room = True


def test_a_pod_that_finds_a_machine_late_does_the_work(
    pool: Pool, cluster: Cluster, site: Site, tmp_path: Path
) -> None:
    two_files(site)
    pool.save(site)
    cluster.has_room = False
    try:
        with pool.worker(tmp_path, cluster.environment):
            run = pool.start()
            pool.await_state(run, "InfrastructurePending")
            cluster.has_room = True
            pool.await_state(run, "Completed")
            all_is_archived(site)
    finally:
        cluster.has_room = True


def test_a_run_that_ends_while_its_worker_is_dead_is_crashed_by_the_next_worker(
    pool: Pool, cluster: Cluster, site: Site, tmp_path: Path
) -> None:
    with pool.worker(tmp_path, cluster.environment) as worker:
        run = half_done(pool, site)
        worker.kill()
        worker.wait()
    cluster.kill_for_memory(cluster.job_of(run))
    with pool.worker(tmp_path, cluster.environment):
        assert pool.await_state(run, "Crashed").message == BY_ITS_OBSERVER
        swept_up(pool, site)
