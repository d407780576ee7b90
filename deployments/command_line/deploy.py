"""`panoptes-network deploy`: services onto a Prefect server, in one command."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import httpx
import typer

from deployments.command_line import completing
from deployments.command_line.choosing import NO_PREFECT, AsJson
from deployments.command_line.telling import OK, complaining, print_json
from deployments.work_pools.pool_types import KINDS
from flows.runs import INGEST, SWEEP
from panoptes.network.errors import ConfigurationError

if TYPE_CHECKING:
    from deployments.work_pools.deploy import PoolWanted

app = typer.Typer()


@app.command()
@complaining("deploy")
def deploy(
    services: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="SERVICE",
            help="compress-fits, ingest-observation/backfill, ...",
            autocompletion=completing.services,
        ),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All services.")] = False,
    pool: Annotated[
        str | None,
        typer.Option(
            metavar="TYPE",
            help="Of the work pool, where it is missing: warm-process (by default, on Linux), "
            "process, docker, kubernetes or cloud-run-v2.",
        ),
    ] = None,
    image: Annotated[
        str | None, typer.Option(help="The container image of the last three's runs.")
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Deploy services, or all, on the server that PREFECT_API_URL names.

    Makes the work pool, its queues and the automation that marks dead runs where they are
    missing. Safe to run again.
    """
    from deployments.work_pools import deploy as pools

    if pool not in (None, *KINDS):
        raise ConfigurationError(f"there is no type {pool!r} of work pools: {', '.join(KINDS)}")
    wanted = pools.PoolWanted(pool, image)
    known = pools.read_deployments(pools.PROJECT)
    names = _chosen(services or [], known, everything=everything)
    try:
        made, window = _deploy(names, wanted)
    except httpx.HTTPError as error:
        url = os.environ.get("PREFECT_API_URL", "the active profile's PREFECT_API_URL")
        raise ConfigurationError(
            f"Prefect cannot be reached at {url}: {error}; is the server up, and the address right?"
        ) from error
    if as_json:
        seconds = window.total_seconds() if window is not None else None
        told_pool = {"name": pools.WORK_POOL, "made": made}
        print_json({"work_pool": told_pool, "deployed": names, "window_seconds": seconds})
        return OK
    what = f"work pool {pools.WORK_POOL}, with queues live and backfill"
    told = [f"{what}: {'is made' if made else 'was there'}"]
    told += [f"{name}: deployed{_when(known[name])}" for name in names]
    if window is not None:
        told.append(f"window: {window.total_seconds():.0f} s, as the pool's workers are warm")
    told.append("they work on the 'PANOPTES network' block 'default', unless a run says otherwise")
    told.append(f"a worker runs them: .venv/bin/prefect worker start --pool {pools.WORK_POOL}")
    sys.stdout.writelines(f"{line}\n" for line in told)
    return OK


def _deploy(names: list[str], wanted: PoolWanted) -> tuple[bool, timedelta | None]:
    """Whether the work pool was missing, and the window that was set.

    Raises ConfigurationError.
    """
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound
    from prefect.settings import get_current_settings

    from deployments.work_pools import deploy as pools
    from deployments.work_pools.window import choose_window

    if not get_current_settings().api.url:
        raise ConfigurationError(NO_PREFECT)
    with get_client(sync_client=True) as client:
        before = {pool.name for pool in client.read_work_pools()}
    pools.prepare(pools.PROJECT, wanted)
    pools.deploy(pools.PROJECT, names)
    with get_client(sync_client=True) as client:
        for name in names:
            try:
                client.read_deployment_by_name(name)
            except ObjectNotFound as error:
                raise ConfigurationError(f"Prefect has not taken {name}") from error
        window = None
        if {INGEST, SWEEP} & set(names):
            with suppress(LookupError, ObjectNotFound):  # the other of the two is not there yet
                window = choose_window(client)
    return pools.WORK_POOL not in before, window


def _chosen(
    services: list[str], known: dict[str, dict[str, Any]], *, everything: bool
) -> list[str]:
    """The deployments that are meant; a service may have several."""
    every = ", ".join(dict.fromkeys(name.partition("/")[0] for name in known))
    if everything == bool(services):
        raise ConfigurationError(f"name one or more services, or --all; there are: {every}")
    chosen: list[str] = []
    for service in services or known:
        found = [name for name in known if service in (name, name.partition("/")[0])]
        if not found:
            raise ConfigurationError(f"there is no service {service!r}; there are: {every}")
        chosen += found
    return list(dict.fromkeys(chosen))


def _when(deployment: dict[str, Any]) -> str:
    for schedule in deployment.get("schedules") or []:
        if "cron" in schedule:
            return f", runs at {schedule['cron']} (cron)"
        return f", runs every {schedule['interval']} s"
    return ", runs on events" if deployment.get("triggers") else ""
