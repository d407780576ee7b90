"""`panoptes-network deploy`: what is named is deployed, and nothing else is touched."""

from __future__ import annotations

import subprocess
import sysconfig
from datetime import timedelta
from pathlib import Path
from typing import Any

from prefect import Flow
from prefect.events.schemas.automations import EventTrigger
from prefect.flows import load_flow_from_entrypoint

from deployments.local_stack.stack import LocalStack
from deployments.work_pools.deploy import read_deployments
from deployments.work_pools.window import set_window

COMMAND = Path(sysconfig.get_path("scripts")) / "panoptes-network"


def deploy(*arguments: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [str(COMMAND), "deploy", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_one_service_is_deployed_and_the_command_says_so(prefect_stack: LocalStack) -> None:
    with prefect_stack.client() as client:
        client.delete_deployment(client.read_deployment_by_name("record-image/local").id)
        before = client.read_deployment_by_name("compress-fits/local").updated
    ran = deploy("record-image", environment=prefect_stack.environment)
    assert ran.returncode == 0, ran.stderr
    assert "work pool panoptes, with queues live and backfill: was there" in ran.stdout
    assert "record-image/local: deployed" in ran.stdout
    assert "compress-fits" not in ran.stdout
    with prefect_stack.client() as client:
        found = client.read_deployment_by_name("record-image/local")
        assert (found.work_pool_name, found.work_queue_name) == ("panoptes", "live")
        assert found.parameters == {"network": "default"}
        assert client.read_deployment_by_name("compress-fits/local").updated == before


def test_a_service_that_has_several_deployments_gets_all_of_them(prefect_stack: LocalStack) -> None:
    ran = deploy("ingest-observation", environment=prefect_stack.environment)
    assert ran.returncode == 0, ran.stderr
    assert "ingest-observation/local: deployed, runs on events" in ran.stdout
    assert "ingest-observation/backfill: deployed" in ran.stdout


def test_where_workers_are_warm_the_window_is_short(prefect_stack: LocalStack) -> None:
    ran = deploy("ingest-observation", "sweep-incoming", environment=prefect_stack.environment)
    assert ran.returncode == 0, ran.stderr
    assert "window: 15 s, as the pool's workers are warm" in ran.stdout
    with prefect_stack.client() as client:
        found = client.read_deployment_by_name("ingest-observation/local")
        (automation,) = client.read_resource_related_automations(f"prefect.deployment.{found.id}")
        assert isinstance(automation.trigger, EventTrigger)
        assert automation.trigger.within == timedelta(seconds=15)
        set_window(client, timedelta(seconds=300))


def test_what_cannot_be_deployed_is_a_sentence() -> None:
    away = {"PREFECT_API_URL": "http://127.0.0.1:9/api"}
    for arguments, environment, sentence in (
        ((), away, "name one or more services, or --all; there are: ingest-observation, "),
        (("--all", "record-image"), away, "name one or more services, or --all"),
        (("compress-cr2",), away, "there is no service 'compress-cr2'; there are: "),
        (("record-image",), {}, "PREFECT_API_URL is not set"),
        (("record-image",), away, "Prefect cannot be reached"),
    ):
        ran = deploy(*arguments, environment=environment)
        assert ran.returncode == 1
        assert sentence in ran.stderr
        assert "Traceback" not in ran.stderr


def test_a_service_is_named_as_its_flow_is(repository: Path) -> None:
    for name, deployment in read_deployments(repository).items():
        flow: Flow[..., Any] = load_flow_from_entrypoint(
            deployment["entrypoint"], use_placeholder_flow=False
        )
        assert name == f"{flow.name}/{deployment['name']}"
