"""What is made before anything is deployed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolUpdate

from deployments.local_stack.stack import LocalStack
from deployments.work_pools.deploy import COMMAND, JOB_TEMPLATE, WORK_POOL, make_work_pool


@pytest.fixture
def client(prefect_stack: LocalStack) -> Iterator[SyncPrefectClient]:
    with prefect_stack.client() as client:
        yield client
        client.update_work_pool(WORK_POOL, WorkPoolUpdate(base_job_template=JOB_TEMPLATE))


def changed(client: SyncPrefectClient, command: str) -> dict[str, Any]:
    """The pool's template with another command, which its operator gave a variable as well."""
    variables = {"properties": {"env": {"default": {"NIGHT": "dark"}}}}
    template = {"job_configuration": {"command": command}, "variables": variables}
    client.update_work_pool(WORK_POOL, WorkPoolUpdate(base_job_template=template))
    return template


def test_runs_use_this_installation_after_it_was_moved(client: SyncPrefectClient) -> None:
    template = changed(client, "/elsewhere/.venv/bin/python -m prefect.engine")
    make_work_pool(client)
    found = client.read_work_pool(WORK_POOL).base_job_template
    assert found["job_configuration"] == {"command": COMMAND}
    assert found["variables"] == template["variables"]


def test_a_command_of_the_operators_own_stays(client: SyncPrefectClient) -> None:
    template = changed(client, "nice python -m my.engine")
    make_work_pool(client)
    assert client.read_work_pool(WORK_POOL).base_job_template == template
