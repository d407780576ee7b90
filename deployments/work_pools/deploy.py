"""``prefect deploy --all`` with what it needs first, in one process.

prefect.yaml is looked over, the work pool is made, our blocks are registered, and then
everything is deployed. Each call of the ``prefect`` command alone would cost two seconds
of start-up.
"""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

WORK_POOL = "panoptes"
PROJECT = Path(__file__).resolve().parents[2]
"""The folder of prefect.yaml; the project is always installed editable."""
KEEP_MEMORY = ":".join(
    f"glibc.malloc.{name}={value}"
    for name, value in (("mmap_threshold", 1 << 30), ("trim_threshold", 1 << 30), ("arena_max", 1))
)
"""A frame of 36 MB is freed and needed again many times a second. By default the C library
gives such memory back each time, and the system clears every page of it anew: a fifth of a
run's CPU. Other systems do not know the variable."""
_ENGINE = " -m prefect.engine"
COMMAND = shlex.quote(sys.executable) + _ENGINE
JOB_TEMPLATE: dict[str, Any] = {
    "job_configuration": {
        "env": "{{ env }}",
        "command": COMMAND,
    },
    "variables": {
        "properties": {
            "env": {
                "title": "Environment variables",
                "description": "Set for the process of a run.",
                "default": {"GLIBC_TUNABLES": KEEP_MEMORY},
            }
        },
    },
}
"""What may be set for the process of a run, and no more.

For each run that is made, Prefect checks the variables' schema twice against JSON Schema's
own: 10 ms for the six variables of its default template, 1 ms for this.

Without a command a run would be three processes, each of which imports Prefect: one that
watches, one that looks for a project to install, and the run."""


def make_work_pool(client: SyncPrefectClient) -> None:
    """Make the process work pool where it is missing.

    One that is there stays as its operator set it, but for the place of this installation,
    which may have been moved.
    """
    from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
    from prefect.exceptions import ObjectAlreadyExists
    from prefect.workers.process import ProcessWorker

    try:
        client.create_work_pool(
            WorkPoolCreate(name=WORK_POOL, type=ProcessWorker.type, base_job_template=JOB_TEMPLATE)
        )
    except ObjectAlreadyExists:
        template = client.read_work_pool(WORK_POOL).base_job_template
        configuration = template.get("job_configuration", {})
        present = configuration.get("command") or ""
        if present.endswith(_ENGINE) and present != COMMAND:
            template["job_configuration"] = configuration | {"command": COMMAND}
            client.update_work_pool(WORK_POOL, WorkPoolUpdate(base_job_template=template))


def main() -> None:
    """``python -m deployments.work_pools.deploy [PROJECT]``, on PREFECT_API_URL's server."""
    from prefect.cli import app
    from prefect.client.orchestration import get_client
    from prefect.settings import get_current_settings

    from blocks.network import PanoptesNetwork
    from deployments.work_pools.lint import lint
    from deployments.work_pools.notices import make_notices
    from deployments.work_pools.queues import make_queues
    from deployments.work_pools.zombies import HEARTBEAT_SECONDS, make_zombie_automation

    project = Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT
    # Prefect skips what it cannot validate, and reports success.
    if problems := lint(project / "prefect.yaml"):
        sys.exit("\n".join(problems))
    with get_client(sync_client=True) as client:
        make_work_pool(client)
        make_queues(client, WORK_POOL)
        beat = get_current_settings().flows.heartbeat_frequency
        make_zombie_automation(client, heartbeat_seconds=beat or HEARTBEAT_SECONDS)
        make_notices(client)
    PanoptesNetwork.register_type_and_schema()

    os.chdir(project)
    os.environ["PWD"] = str(project)  # which a pull step may name
    sys.argv = ["prefect", "--no-prompt", "deploy", "--all"]
    app()


if __name__ == "__main__":
    main()
