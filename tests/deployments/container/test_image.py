"""The container image, really built and run: ``make container-check``, some ten minutes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from prefect.client.schemas.actions import WorkPoolUpdate

from deployments.local_stack.stack import LocalStack
from deployments.work_pools.deploy import WORK_POOL
from tests.deployments.container.containers import Podman
from tests.deployments.container.test_sbom import INSTALLED, listed_packages
from tests.patience import PATIENT_SECONDS

pytestmark = [
    pytest.mark.skipif("CONTAINER_CHECK" not in os.environ, reason="runs in make container-check"),
    pytest.mark.xdist_group("containers"),
]
IMAGE = "localhost/panoptes-network:tested"


@pytest.fixture(scope="module")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Podman:
    return Podman(tmp_path_factory.mktemp("podman"))


@pytest.fixture(scope="module")
def digests(
    podman: Podman, repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> list[str]:
    """Of two builds of the same sources: of a copy, which nobody edits meanwhile."""
    base, copy = podman.base(), tmp_path_factory.mktemp("sources") / "copy"
    passed_over = shutil.ignore_patterns(
        ".venv", ".git", "build", "*-data", "__pycache__", ".*_cache"
    )
    shutil.copytree(repository, copy, ignore=passed_over)
    return [podman.build(copy, base, IMAGE) for _ in range(2)]


def test_the_same_sources_give_the_same_image(digests: list[str]) -> None:
    assert digests[0] == digests[1]


def test_it_runs_without_rights_and_writes_only_to_tmp(podman: Podman, digests: list[str]) -> None:
    assert podman.run(IMAGE, "python", "-c", "import os; print(os.getuid())") == "65532"
    assert "NGC 1976" in podman.run(IMAGE, "panoptes-network", "lookup", "M42")
    found = podman.run(
        IMAGE, "python", "-c", "import flows.ingest_observation as f; print(f.__file__)"
    )
    assert found.startswith("/opt/panoptes/")


def test_it_lists_every_package_that_is_installed_in_it(podman: Podman, digests: list[str]) -> None:
    listed = listed_packages(json.loads(podman.run(IMAGE, "cat", "/opt/panoptes/sbom.json")))
    assert listed == json.loads(podman.run(IMAGE, "python", "-c", INSTALLED))


@pytest.fixture(scope="module")
def stack(
    podman: Podman, digests: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalStack]:
    """A server whose pool is of Docker's type, and a worker of that on podman's socket."""
    home = tmp_path_factory.mktemp("stack")
    with podman.service() as address, LocalStack(home, worker=False) as stack:
        with stack.client() as client:
            client.delete_work_pool(WORK_POOL)
        environment = os.environ | stack.environment
        command = [str(Path(sys.executable).parent / "panoptes-network"), "deploy", "--all"]
        subprocess.run(
            [*command, "--pool", "docker", "--image", IMAGE], env=environment, check=True
        )
        # The server listens on 127.0.0.1.
        change_pool(stack, network_mode="host", image_pull_policy="Never")
        stack.run_beside(
            "docker-worker",
            ["-m", "prefect", "worker", "start", "--pool", WORK_POOL, "--type", "docker"],
            settings={"DOCKER_HOST": address},
        )
        yield stack


def change_pool(stack: LocalStack, **defaults: str) -> None:
    with stack.client() as client:
        template = client.read_work_pool(WORK_POOL).base_job_template
        for name, value in defaults.items():
            template["variables"]["properties"][name]["default"] = value
        client.update_work_pool(WORK_POOL, WorkPoolUpdate(base_job_template=template))


def test_each_run_of_a_docker_pool_is_a_container(stack: LocalStack, podman: Podman) -> None:
    run = stack.run_deployment("lookup-field/local", {"search_string": "M42"})
    state = stack.await_runs([run])[0].state
    assert state is not None
    assert (state.is_completed(), "NGC 1976" in (state.message or "")) == (True, True)
    assert str(run) in podman("ps", "--all", "--format", "{{.Labels}}")


@pytest.mark.parametrize("how", ["killed", "out of memory"])
def test_a_run_whose_container_dies_is_crashed_and_not_left_running(
    stack: LocalStack, podman: Podman, how: str
) -> None:
    if how == "out of memory":
        change_pool(stack, mem_limit="24m", memswap_limit="24m")
    run = stack.run_deployment("lookup-field/local", {"search_string": "M31"})
    if how == "killed":
        wanted = ["ps", "--quiet", "--filter", f"label=io.prefect.flow-run-id={run}"]
        deadline = time.monotonic() + PATIENT_SECONDS
        while not (found := podman(*wanted)):
            assert time.monotonic() < deadline
            time.sleep(0.2)
        podman("kill", found)
    state = stack.await_runs([run])[0].state
    assert state is not None
    assert state.is_crashed(), state
