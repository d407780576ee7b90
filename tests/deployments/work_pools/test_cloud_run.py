"""Runs on Cloud Run: real worker and runs, an API that answers, and all that it may do.

Executions are processes; the API is `cloud_run_api`. No run is left as running, no file is lost,
and no job definition is left behind.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from deployments.local_stack.stack import LocalStack
from deployments.work_pools.zombies import (
    UNBORN_MESSAGE,
    ZOMBIE_MESSAGE,
    make_unborn_automation,
)
from panoptes.network.site import Site
from tests.deployments.work_pools.cloud_run_api import (
    PROJECT,
    REGION,
    CloudRun,
    cloud_run_in,
)
from tests.deployments.work_pools.pooled import (
    Pool,
    all_is_archived,
    awaited,
    half_done,
    pool_on,
    small_site,
    swept_up,
    two_files,
)
from tests.patience import PATIENT_SECONDS

pytestmark = pytest.mark.skipif("CLOUD_CHECK" not in os.environ, reason="runs in make cloud-check")
POLLS, DELETION = "^GET .*/(jobs|executions)/[^/]+$", "^DELETE .*/jobs/[^/]+$"


@pytest.fixture(scope="module")
def pool(prefect_stack: LocalStack) -> Iterator[Pool]:
    with pool_on(prefect_stack, "cloud-run-v2") as made:
        yield made


@pytest.fixture
def cloud_run(tmp_path: Path) -> Iterator[CloudRun]:
    """Whatever was asked and answered is what its schema says."""
    with cloud_run_in(tmp_path / "cloud-run") as api:
        yield api
        assert api.unknown == set()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return small_site(tmp_path)


@contextmanager
def impatience(pool: Pool) -> Iterator[None]:
    """Runs have ten seconds to begin."""
    with pool.stack.client() as client:
        make_unborn_automation(client, beginning_seconds=10)
        try:
            yield
        finally:
            make_unborn_automation(client)


def sweep_jobs(cloud_run: CloudRun, *options: str) -> list[str]:
    """What `panoptes-network sweep-jobs` names."""
    where = ["--project", PROJECT, "--region", REGION, "--json", *options]
    done = subprocess.run(
        [sys.executable, "-m", "deployments.command_line.main", "sweep-jobs", *where],
        env=os.environ | cloud_run.environment,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: list[str] = json.loads(done.stdout)["jobs"]
    return found


def test_a_run_out_of_memory_is_crashed_and_the_next_sweep_goes_on_and_no_job_is_left(
    pool: Pool, cloud_run: CloudRun, site: Site, tmp_path: Path
) -> None:
    cloud_run.make_job_of_somebody_else("theirs")
    with pool.worker(tmp_path, cloud_run.environment):
        with cloud_run.refusals.of(POLLS, in_a_row=2):
            run = half_done(pool, site)
            assert sweep_jobs(cloud_run, "--older-than", "1") == [], "it is at work"
            cloud_run.kill_for_memory(cloud_run.job_of(run))
            pool.await_state(run, "Crashed")
            awaited(lambda: cloud_run.jobs() == ["theirs"], "the end of its job")
        assert len(cloud_run.refusals.refused) > 5
        with cloud_run.refusals.of(DELETION):
            swept_up(pool, site)
            awaited(lambda: "exception while deleting" in pool.said(tmp_path), "a refusal")
    left = cloud_run.jobs()
    assert len(left) == 2
    assert sweep_jobs(cloud_run) == [], "it has ended just now"
    cloud_run.age(timedelta(hours=3))
    with cloud_run.refusals.of("", in_a_row=1):
        assert sweep_jobs(cloud_run) == [name for name in left if name != "theirs"]
    assert cloud_run.jobs() == ["theirs"]


def test_a_run_whose_worker_loses_sight_of_it_ends_by_itself_and_its_job_is_swept(
    pool: Pool, cloud_run: CloudRun, site: Site, tmp_path: Path
) -> None:
    two_files(site)
    pool.save(site)
    with pool.worker(tmp_path, cloud_run.environment):
        run = pool.start()
        awaited(lambda: "submitted to infrastructure" in pool.said(tmp_path), "its execution")
        with cloud_run.refusals.of(POLLS):
            awaited(lambda: "Lost connection" in pool.said(tmp_path), "the worker to give up")
        pool.await_state(run, "Completed")
        all_is_archived(site)
    assert cloud_run.jobs() == [cloud_run.job_of(run)]
    cloud_run.age(timedelta(hours=3))
    sweep_jobs(cloud_run)
    assert cloud_run.jobs() == []


def test_a_run_that_is_given_up_as_it_begins_does_the_work_and_its_job_is_swept(
    pool: Pool, cloud_run: CloudRun, site: Site, tmp_path: Path
) -> None:
    two_files(site)
    pool.save(site)
    with pool.worker(tmp_path, cloud_run.environment):
        with cloud_run.refusals.of("^GET .*/executions/[^/]+$"):
            run = pool.start()
            awaited(lambda: pool.state(run).is_final(), "the worker to give up, or the run to end")
        awaited(lambda: pool.state(run).is_completed(), "the end of its execution")
        all_is_archived(site)
    cloud_run.age(timedelta(hours=3))
    sweep_jobs(cloud_run)
    assert cloud_run.jobs() == []


def test_a_run_whose_worker_dies_before_it_began_is_crashed_and_its_job_is_swept(
    pool: Pool, cloud_run: CloudRun, site: Site, tmp_path: Path
) -> None:
    two_files(site)
    pool.save(site)
    cloud_run.holds_begin.set()
    with impatience(pool):
        with pool.worker(tmp_path, cloud_run.environment) as worker:
            run = pool.start()
            awaited(lambda: cloud_run.waits_to_begin, "a job that is to begin")
            worker.kill()
            worker.wait()
        assert pool.await_state(run, "Crashed").message == UNBORN_MESSAGE
    cloud_run.holds_begin.clear()
    left = cloud_run.job_of(run)
    cloud_run.age(timedelta(hours=3))
    assert sweep_jobs(cloud_run, "--dry-run") == [left]
    assert sweep_jobs(cloud_run) == [left]
    assert cloud_run.jobs() == []
    with pool.worker(tmp_path, cloud_run.environment):
        swept_up(pool, site)


def test_an_execution_that_begins_after_its_run_was_given_up_does_the_work_all_the_same(
    pool: Pool, cloud_run: CloudRun, site: Site, tmp_path: Path
) -> None:
    two_files(site)
    pool.save(site)
    cloud_run.has_room = False
    with pool.worker(tmp_path, cloud_run.environment):
        with impatience(pool):
            run = pool.start()
            assert pool.await_state(run, "Crashed").message == UNBORN_MESSAGE
        cloud_run.has_room = True
        awaited(lambda: pool.state(run).is_completed(), "the late execution's end")
        all_is_archived(site)
        awaited(lambda: cloud_run.jobs() == [], "the end of its job")


def test_a_run_whose_worker_and_container_are_both_gone_is_noticed_by_its_heartbeat(
    pool: Pool, cloud_run: CloudRun, site: Site, tmp_path: Path
) -> None:
    with pool.worker(tmp_path, cloud_run.environment) as worker:
        run = half_done(pool, site)
        worker.kill()
        worker.wait()
    cloud_run.kill_for_memory(cloud_run.job_of(run))
    crashed = pool.await_state(run, "Crashed", patience=2 * PATIENT_SECONDS)
    assert crashed.message == ZOMBIE_MESSAGE
    with pool.worker(tmp_path, cloud_run.environment):
        swept_up(pool, site)
    cloud_run.age(timedelta(hours=3))
    sweep_jobs(cloud_run)
    assert cloud_run.jobs() == []
