"""`panoptes-network deploy`: services onto a Prefect server, in one command."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import httpx
import typer

from deployments.command_line.exit_codes import FAILED, OK
from panoptes.network.errors import ConfigurationError
from panoptes.network.safe_text import one_line


def add_to(app: typer.Typer) -> None:
    """Give the command line this command."""
    app.command()(deploy)


def deploy(
    services: Annotated[
        list[str] | None,
        typer.Argument(metavar="SERVICE", help="compress-fits, ingest-observation/backfill, ..."),
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All services.")] = False,
) -> None:
    """Deploy services, or all, on the server that PREFECT_API_URL names.

    Makes the work pool, its queues and the automation that marks dead runs where they are
    missing. Safe to run again.
    """
    try:
        for line in _deployed(services or [], everything=everything):
            sys.stdout.write(f"{one_line(line)}\n")
    except httpx.HTTPError as error:
        _complain(f"Prefect cannot be reached: {error}")
    except ConfigurationError as error:
        _complain(str(error))
    sys.exit(OK)


def _deployed(services: list[str], *, everything: bool) -> list[str]:
    """What was done, a line each. Raises ConfigurationError."""
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound
    from prefect.settings import get_current_settings

    from deployments.work_pools import deploy as pools

    known = pools.read_deployments(pools.PROJECT)
    names = _chosen(services, known, everything=everything)
    if not get_current_settings().api.url:
        raise ConfigurationError(
            "PREFECT_API_URL is not set: say where Prefect is, "
            "for example http://127.0.0.1:4200/api"
        )
    with get_client(sync_client=True) as client:
        before = {pool.name for pool in client.read_work_pools()}
    pools.prepare(pools.PROJECT)
    pools.deploy(pools.PROJECT, names)
    made = "was there" if pools.WORK_POOL in before else "is made"
    told = [f"work pool {pools.WORK_POOL}, with queues live and backfill: {made}"]
    with get_client(sync_client=True) as client:
        for name in names:
            try:
                client.read_deployment_by_name(name)
            except ObjectNotFound as error:
                raise ConfigurationError(f"Prefect has not taken {name}") from error
            told.append(f"{name}: deployed{_when(known[name])}")
    told.append(f"a worker runs them: prefect worker start --pool {pools.WORK_POOL}")
    return told


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
        if "interval" in schedule:
            return f", runs every {schedule['interval']} s"
        return f", runs at {schedule['cron']}"
    return ", runs on events" if deployment.get("triggers") else ""


def _complain(sentence: str) -> None:
    sys.stderr.write(f"panoptes-network deploy: {one_line(sentence)}\n")
    sys.exit(FAILED)
