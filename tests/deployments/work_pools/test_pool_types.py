"""Work pools of containers: what a worker would send, made by the real workers."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from prefect.client.schemas.objects import FlowRun
from prefect.types import SecretDict
from prefect_gcp.credentials import GcpCredentials

from deployments.local_stack.stack import LocalStack
from deployments.work_pools import deploy
from deployments.work_pools.deploy import PoolWanted, make_work_pool
from deployments.work_pools.pool_types import CONTAINER_POOLS, container_template
from panoptes.network.errors import ConfigurationError
from tests.google_key import service_account

IMAGE = "registry.example.org/panoptes/network:1"
ENGINE = ["python", "-m", "prefect.engine"]


def rendered(kind: str, **variables: Any) -> Any:
    """The configuration of a run's job, as the pool's worker makes it."""
    module, _, name = CONTAINER_POOLS[kind].worker.partition(":")
    configuration = getattr(import_module(module), name).job_configuration
    template = container_template(kind, IMAGE)
    made = asyncio.run(configuration.from_template_and_values(template, variables))
    made.prepare_for_flow_run(FlowRun(id=uuid.UUID(int=7), flow_id=uuid.uuid4()))
    return made


def test_a_docker_run_is_the_engine_in_our_image_with_nothing_to_write_but_tmp(
    prefect_api: LocalStack,
) -> None:
    run = rendered("docker")
    assert (run.image, run.command.split()) == (IMAGE, ENGINE)
    assert run.env["PREFECT__FLOW_RUN_ID"] == str(uuid.UUID(int=7))
    assert run.env["PREFECT_HOME"] == "/tmp/prefect"
    assert not run.auto_remove
    assert (run.mem_limit, run.volumes, run.privileged) == ("4096m", [], False)
    made = run.container_create_kwargs
    assert made["read_only"]
    assert made["cap_drop"] == ["ALL"]
    assert list(made["tmpfs"]) == ["/tmp"]


def test_a_kubernetes_job_is_tried_once_and_has_no_rights(prefect_api: LocalStack) -> None:
    manifest = rendered("kubernetes").job_manifest
    assert manifest["spec"]["backoffLimit"] == 0
    assert manifest["spec"]["activeDeadlineSeconds"] == 3600, "though no machine be found"
    assert manifest["spec"]["ttlSecondsAfterFinished"] == 3600, "else somebody has to sweep"
    pod = manifest["spec"]["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    assert pod["securityContext"]["runAsNonRoot"]
    (container,) = pod["containers"]
    assert (container["image"], container["args"]) == (IMAGE, ENGINE)
    assert container["resources"]["limits"] == {"cpu": "2", "memory": "4096Mi"}
    assert container["securityContext"]["readOnlyRootFilesystem"]
    assert container["volumeMounts"] == [{"name": "tmp", "mountPath": "/tmp"}]
    assert pod["volumes"] == [{"name": "tmp", "emptyDir": {}}]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="needs kubectl")
def test_every_field_of_a_kubernetes_job_is_one_that_kubernetes_knows(
    prefect_api: LocalStack, tmp_path: Path
) -> None:
    """kubectl reads it into Kubernetes' own types, which have no place for others."""
    manifest = rendered("kubernetes", name="run").job_manifest
    (tmp_path / "job.json").write_text(json.dumps(manifest))
    done = subprocess.run(
        ["kubectl", "set", "image", "--local", "-f", str(tmp_path / "job.json"),
         "prefect-job=another", "--output", "json"],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    lost = set(paths(manifest)) - set(paths(json.loads(done.stdout)))
    # Prefect's own template has two a level too deep, where a cluster passes over them.
    assert lost == {
        "metadata.annotations",  # none
        "spec.template.spec.completions",
        "spec.template.spec.parallelism",
    }


def paths(data: Any, where: str = "") -> Iterator[str]:
    """Where something is, however deep."""
    if where:
        yield where
    if isinstance(data, dict):
        for key, value in data.items():
            yield from paths(value, f"{where}.{key}" if where else key)
    elif isinstance(data, list):
        for index, value in enumerate(data):
            yield from paths(value, f"{where}[{index}]")


def test_a_cloud_run_job_is_tried_once_for_as_long_as_a_night_takes(
    prefect_api: LocalStack,
) -> None:
    credentials = GcpCredentials(service_account_info=SecretDict(service_account()))
    body = rendered("cloud-run-v2", region="europe-west1", credentials=credentials).job_body
    task = body["template"]["template"]
    assert task["maxRetries"] == 0
    assert task["timeout"] == "3600s"
    (container,) = task["containers"]
    assert (container["image"], container["command"]) == (IMAGE, ENGINE)
    assert container["resources"]["limits"] == {"cpu": "2000m", "memory": "4096Mi"}


def test_a_pool_is_made_of_the_type_that_is_asked_for_and_none_is_changed_unasked(
    prefect_stack: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"pool-{uuid.uuid4().hex[:8]}"
    monkeypatch.setattr(deploy, "WORK_POOL", name)
    with prefect_stack.client() as client:
        make_work_pool(client, PoolWanted("docker", IMAGE))
        make_work_pool(client)  # whatever is there
        make_work_pool(client, PoolWanted("docker", f"{IMAGE}.1"))
        pool = client.read_work_pool(name)
        properties = pool.base_job_template["variables"]["properties"]
        assert (pool.type, properties["image"]["default"]) == ("docker", f"{IMAGE}.1")
        with pytest.raises(ConfigurationError, match="of the type docker: remove it first"):
            make_work_pool(client, PoolWanted("process"))
        client.delete_work_pool(name)


@pytest.mark.skipif("CLOUD_CHECK" not in os.environ, reason="runs in make cloud-check")
def test_a_server_without_a_pool_gets_one_and_deployments_that_hold_nothing_of_this_machine(
    tmp_path: Path, repository: Path
) -> None:
    with LocalStack(tmp_path / "stack", worker=False) as stack, stack.client() as client:
        for kind in ("kubernetes", "cloud-run-v2"):
            client.delete_work_pool(deploy.WORK_POOL)
            command = [sys.executable, "-m", "deployments.command_line.main", "deploy", "--all"]
            subprocess.run(
                [*command, "--pool", kind, "--image", IMAGE],
                env=os.environ | stack.environment, cwd=tmp_path, check=True,
            )  # fmt: skip
            assert client.read_work_pool(deploy.WORK_POOL).type == kind
            deployed = client.read_deployments()
            assert len(deployed) >= 10
            for each in deployed:
                assert each.work_pool_name == deploy.WORK_POOL
                assert str(each.entrypoint).startswith("flows."), "a module of the image"
                said = each.model_dump_json(exclude={"parameter_openapi_schema", "description"})
                assert str(repository) not in said
                assert not each.pull_steps


@pytest.mark.parametrize(
    ("kind", "image", "sentence"),
    [("docker", None, "needs an image"), ("process", IMAGE, "only runs that are containers")],
)
def test_containers_have_an_image_and_processes_none(
    kind: str, image: str | None, sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=sentence):
        PoolWanted(kind, image)
