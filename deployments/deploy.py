"""``prefect deploy --all`` with what it needs first, in one process.

prefect.yaml is looked over, the work pool is made, our blocks are registered, and then
everything is deployed. Each call of the ``prefect`` command alone would cost two seconds
of start-up.
"""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient

WORK_POOL = "panoptes"
PROJECT = Path(__file__).resolve().parents[1]
"""The folder of prefect.yaml; the project is always installed editable."""
JOB_TEMPLATE: dict[str, Any] = {
    "job_configuration": {"env": "{{ env }}"},
    "variables": {
        "properties": {
            "env": {
                "title": "Environment variables",
                "description": "Set for the process of a run.",
            }
        },
    },
}
"""What may be set for the process of a run, and no more.

For each run that is made, Prefect checks the variables' schema twice against JSON Schema's
own: 10 ms for the six variables of its default template, 1 ms for this."""


def make_work_pool(client: SyncPrefectClient) -> None:
    """Make the process work pool where it is missing."""
    from prefect.client.schemas.actions import WorkPoolCreate
    from prefect.exceptions import ObjectAlreadyExists
    from prefect.workers.process import ProcessWorker

    with contextlib.suppress(ObjectAlreadyExists):
        client.create_work_pool(
            WorkPoolCreate(
                name=WORK_POOL,
                type=ProcessWorker.type,
                base_job_template=JOB_TEMPLATE,
            )
        )


def main() -> None:
    """``python -m deployments.deploy [PROJECT]``: on the server that PREFECT_API_URL names."""
    from prefect.cli import app
    from prefect.client.orchestration import get_client

    from blocks.network import PanoptesNetwork
    from deployments.lint import lint
    from deployments.queues import make_queues

    project = Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT
    # Prefect skips what it cannot validate, and reports success.
    if problems := lint(project / "prefect.yaml"):
        sys.exit("\n".join(problems))
    with get_client(sync_client=True) as client:
        make_work_pool(client)
        make_queues(client, WORK_POOL)
    PanoptesNetwork.register_type_and_schema()

    # The pull step in prefect.yaml writes this folder into the deployments.
    os.chdir(project)
    os.environ["PWD"] = str(project)
    sys.argv = ["prefect", "--no-prompt", "deploy", "--all"]
    app()


if __name__ == "__main__":
    main()
