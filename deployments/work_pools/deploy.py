"""``prefect deploy --all`` with what it needs first, in one process.

prefect.yaml is looked over, the work pool is made, our blocks are registered, and then
everything is deployed. Each call of the ``prefect`` command alone would cost two seconds
of start-up.
"""

from __future__ import annotations

import io
import os
import shlex
import sys
import tempfile
from collections.abc import Collection
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deployments.work_pools.pool_types import CONTAINER_POOLS, container_template, own_kind
from panoptes.network.errors import ConfigurationError

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


@dataclass(frozen=True)
class PoolWanted:
    """Of `pool_types.KINDS`; None takes what is there, else what starts runs fastest here."""

    kind: str | None = None
    image: str | None = None
    """Of the containers, where runs are containers."""

    def __post_init__(self) -> None:
        is_of_containers = self.kind in CONTAINER_POOLS
        if is_of_containers and self.image is None:
            raise ConfigurationError(f"a work pool of the type {self.kind} needs an image")
        if self.image is not None and not is_of_containers:
            raise ConfigurationError("only runs that are containers have an image")


def make_work_pool(client: SyncPrefectClient, wanted: PoolWanted | None = None) -> None:
    """Make the work pool where it is missing.

    One that is there stays as its operator set it, but for the place of this installation,
    which may have been moved, and for the image. Raises ConfigurationError where it is of
    another type than was asked for.
    """
    from prefect.client.schemas.actions import WorkPoolCreate, WorkPoolUpdate
    from prefect.exceptions import ObjectAlreadyExists

    wanted = wanted or PoolWanted()
    kind, template = wanted.kind or own_kind(), JOB_TEMPLATE
    if wanted.image is not None:
        template = container_template(kind, wanted.image)
    try:
        client.create_work_pool(
            WorkPoolCreate(name=WORK_POOL, type=kind, base_job_template=template)
        )
    except ObjectAlreadyExists:
        there = client.read_work_pool(WORK_POOL)
        if wanted.kind not in (None, there.type):
            raise ConfigurationError(
                f"there is a work pool {WORK_POOL} of the type {there.type}: remove it first "
                f"(prefect work-pool delete {WORK_POOL}), and deploy everything again"
            ) from None
        template = there.base_job_template
        if wanted.image is not None:
            template["variables"]["properties"]["image"]["default"] = wanted.image
            client.update_work_pool(WORK_POOL, WorkPoolUpdate(base_job_template=template))
        configuration = template.get("job_configuration", {})
        present = configuration.get("command") or ""
        if present.endswith(_ENGINE) and present != COMMAND:
            template["job_configuration"] = configuration | {"command": COMMAND}
            client.update_work_pool(WORK_POOL, WorkPoolUpdate(base_job_template=template))


def read_deployments(project: Path) -> dict[str, dict[str, Any]]:
    """What prefect.yaml deploys, by FLOW/DEPLOYMENT; a flow has its function's name."""
    import yaml

    document = yaml.safe_load((project / "prefect.yaml").read_text())
    found: dict[str, dict[str, Any]] = {}
    for deployment in document["deployments"]:
        flow = deployment["entrypoint"].rpartition(".")[2].replace("_", "-")
        found[f"{flow}/{deployment['name']}"] = deployment
    return found


def prepare(project: Path, wanted: PoolWanted | None = None) -> None:
    """What a deployment needs: a sound prefect.yaml, the work pool, its queues, our blocks.

    Raises ConfigurationError, with a line for each problem of the file.
    """
    from prefect.client.orchestration import get_client
    from prefect.settings import get_current_settings

    from blocks.network import PanoptesNetwork
    from deployments.work_pools.lint import lint
    from deployments.work_pools.notices import make_notices
    from deployments.work_pools.queues import make_queues
    from deployments.work_pools.zombies import (
        HEARTBEAT_SECONDS,
        make_unborn_automation,
        make_zombie_automation,
    )

    # Prefect skips what it cannot validate, and reports success.
    if problems := lint(project / "prefect.yaml"):
        raise ConfigurationError("\n".join(problems))
    with get_client(sync_client=True) as client:
        make_work_pool(client, wanted)
        make_queues(client, WORK_POOL)
        beat = get_current_settings().flows.heartbeat_frequency
        make_zombie_automation(client, heartbeat_seconds=beat or HEARTBEAT_SECONDS)
        make_unborn_automation(client)
        make_notices(client)
    PanoptesNetwork.register_type_and_schema()


def prefect_deploy(project: Path, file: Path) -> None:
    """``prefect deploy --all`` of a prefect.yaml, in the project's folder. Raises SystemExit."""
    from prefect.cli import app

    os.chdir(project)
    os.environ["PWD"] = str(project)  # which a pull step may name
    sys.argv = ["prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(file)]
    app()


def deploy(project: Path, names: Collection[str]) -> str:
    """Deploy some of what prefect.yaml has, by FLOW/DEPLOYMENT; gives what Prefect said.

    Raises ConfigurationError where Prefect refused.
    """
    import yaml

    # All of ours are named alike, by which alone Prefect could choose: its own names of flows
    # are those of entrypoints in files.
    document = yaml.safe_load((project / "prefect.yaml").read_text())
    chosen = [each for name, each in read_deployments(project).items() if name in names]
    said, before = io.StringIO(), Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "prefect.yaml"
        file.write_text(yaml.safe_dump({**document, "deployments": chosen}))
        try:
            with redirect_stdout(said):
                prefect_deploy(project, file)
        except SystemExit as end:
            if end.code:
                raise ConfigurationError(said.getvalue().strip()) from end
        finally:
            os.chdir(before)
    return said.getvalue()


def main() -> None:
    """``python -m deployments.work_pools.deploy [PROJECT]``, on PREFECT_API_URL's server."""
    project = Path(sys.argv[1]) if len(sys.argv) > 1 else PROJECT
    try:
        prepare(project)
    except ConfigurationError as error:
        sys.exit(str(error))
    prefect_deploy(project, project / "prefect.yaml")


if __name__ == "__main__":
    main()
