"""The container image, really built and run: ``make container-check``, some ten minutes."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import httpx
import pytest
from prefect.client.schemas.actions import WorkPoolUpdate

from deployments.cloud.decisions import PAGES, RECEIVER
from deployments.cloud.plan import plan
from deployments.cloud.terraform import terraform_json
from deployments.local_stack.stack import LocalStack
from deployments.work_pools.deploy import WORK_POOL
from panoptes.network.settings import LOCATIONS
from tests.deployments.cloud.test_plan import CLOUD
from tests.deployments.container.containers import Daemon, Podman
from tests.deployments.container.test_sbom import INSTALLED, listed_packages
from tests.deployments.work_pools.pooled import awaited
from tests.local_http import free_port

pytestmark = [
    pytest.mark.skipif("CONTAINER_CHECK" not in os.environ, reason="runs in make container-check"),
    pytest.mark.xdist_group("containers"),
]
IMAGE = "localhost/panoptes-network:tested"
SECRET = "a secret of many letters"


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
def daemon(podman: Podman) -> Iterator[Daemon]:
    with Daemon(podman) as daemon:
        yield daemon


@pytest.fixture(scope="module")
def stack(
    daemon: Daemon, digests: list[str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalStack]:
    """A server whose pool is of Docker's type, and a worker of that on podman's socket."""
    home = tmp_path_factory.mktemp("stack")
    with LocalStack(home, worker=False) as stack:
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
            settings={"DOCKER_HOST": daemon.address},
        )
        yield stack


def test_receiver_and_services_start_from_it_as_the_cloud_starts_them(
    stack: LocalStack, podman: Podman
) -> None:
    told = {"PREFECT_API_URL": stack.api_url, "PANOPTES_RECEIVER_SECRET": SECRET}
    with started(podman, RECEIVER, told) as client:
        assert client.get("/readyz").json()["ready"], "it reaches Prefect and finds the automation"
        assert client.post("/", json={}).status_code == 401
    network = {f"PANOPTES_{name.upper()}": f"/tmp/network/{name}" for name in LOCATIONS}
    network |= {"PANOPTES_CATALOG": "sqlite:////tmp/network/catalog.sqlite"}
    told = {"PANOPTES_SERVICES_NETWORK": "environment", "PANOPTES_SERVICES_TOKEN": SECRET}
    with started(podman, PAGES, network | told) as client:
        assert client.get("/units").status_code == 401
        answer = client.get("/units", headers={"Authorization": f"Bearer {SECRET}"})
        assert (answer.status_code, answer.json()) == (200, [])


@contextmanager
def started(podman: Podman, service: str, variables: dict[str, str]) -> Iterator[httpx.Client]:
    """A client of one of the plan's services, with its command, in a container of this machine."""
    document = terraform_json(CLOUD, plan(CLOUD))["resource"]["google_cloud_run_v2_service"]
    container = document[service]["template"]["containers"][0]
    port = str(free_port())
    command = [
        port if word == "8080" else word for word in container["command"] + container["args"]
    ]
    with (
        podman.started(IMAGE, *command, **variables),
        httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=60) as client,
    ):
        awaited(lambda: answers(client), f"an answer of {service}")
        yield client


def answers(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz").status_code < 500
    except httpx.TransportError:
        return False


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


def container_of(run: UUID, podman: Podman) -> str:
    wanted = ["ps", "--quiet", "--filter", f"label=io.prefect.flow-run-id={run}"]
    return awaited(lambda: podman(*wanted), "its container")


def test_a_run_goes_on_while_the_daemon_restarts_and_the_worker_takes_the_next(
    stack: LocalStack, daemon: Daemon, podman: Podman
) -> None:
    run = stack.run_deployment("lookup-field/local", {"search_string": "M33"})
    container = container_of(run, podman)
    podman("kill", "--signal", "STOP", container)
    daemon.restart()
    podman("kill", "--signal", "CONT", container)
    # Prefect's worker may give it up as crashed; its own word is the last.
    awaited(lambda: completed(stack, run), "the end of the run")
    after = stack.run_deployment("lookup-field/local", {"search_string": "M34"})
    awaited(lambda: completed(stack, after), "the end of the next run")


def completed(stack: LocalStack, run: UUID) -> bool:
    with stack.client() as client:
        state = client.read_flow_run(run).state
    return state is not None and state.is_completed()


@pytest.mark.parametrize("how", ["killed", "out of memory"])
def test_a_run_whose_container_dies_is_crashed_and_not_left_running(
    stack: LocalStack, podman: Podman, how: str
) -> None:
    if how == "out of memory":
        change_pool(stack, mem_limit="24m", memswap_limit="24m")
    run = stack.run_deployment("lookup-field/local", {"search_string": "M31"})
    if how == "killed":
        podman("kill", container_of(run, podman))
    state = stack.await_runs([run])[0].state
    assert state is not None
    assert state.is_crashed(), state
