"""`panoptes-network backfill`: old nights, behind tonight's."""

from __future__ import annotations

import sys
import uuid
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import httpx
import typer

from deployments.command_line.choosing import NO_PREFECT, AsJson, Unit, as_night, choose_network
from deployments.command_line.telling import NOT_ALL, OK, complaining, print_json
from flows.runs import INGEST, INGEST_BACKFILL, Runs
from panoptes.network.amounts import counted
from panoptes.network.errors import ConfigurationError, TransientError
from panoptes.network.ingest.backlog import held, waiting_of_nights
from panoptes.network.safe_text import one_line
from panoptes.network.site import Site

app = typer.Typer()


@app.command()
@complaining("backfill")
def backfill(
    start: Annotated[
        str, typer.Option("--from", metavar="NIGHT", help="The first night: 2018-02-15.")
    ],
    end: Annotated[
        str | None, typer.Option("--to", metavar="NIGHT", help="The last night; that night alone.")
    ] = None,
    unit: Unit = None,
    network: Annotated[
        str | None, typer.Option(help="The 'PANOPTES network' block; default, by default.")
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="With --dry-run: a network's folder instead.", file_okay=False
        ),
    ] = None,
    deployment: Annotated[
        str, typer.Option(help="The deployment to start, FLOW/DEPLOYMENT.")
    ] = INGEST_BACKFILL,
    most: Annotated[int, typer.Option(min=1, help="The most runs to create.")] = 1000,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what waits; start nothing.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Have what waits of old nights ingested, without holding up tonight's files.

    One run for each observation of these nights that has files in incoming, in the work queue
    'backfill': it takes one batch of files and queues the rest again. PREFECT_API_URL says
    where Prefect is; --dry-run works without, and then does not know of runs that are due.
    Exits with 3 if there are more observations than --most.
    """
    from prefect.settings import get_current_settings

    first, last = as_night(start, "--from"), as_night(end or start, "--to")
    if last < first:
        raise ConfigurationError(f"--to {last} is before --from {first}")
    if data is not None and not dry_run:
        raise ConfigurationError(
            "runs work on a block, --network: --data is for --dry-run, or ingest the folder itself"
        )
    has_prefect = bool(get_current_settings().api.url)
    if not has_prefect and (network is not None or not dry_run):
        raise ConfigurationError(NO_PREFECT)
    block = network or "default"
    with choose_network(data, network or (block if has_prefect and data is None else None)) as site:
        found = waiting_of_nights(site, first, last, unit=unit)
        busy = held(site)
    names = sorted(found, key=lambda name: (name.rpartition("_")[2], name))
    if has_prefect:
        wanted, started = _start(site, names, busy, block, deployment, 0 if dry_run else most)
    else:
        wanted, started = [name for name in names if name not in busy], 0
    left = len(wanted) - started
    if as_json:
        rows = [{"sequence_id": name, "files": len(found[name].sources)} for name in wanted]
        print_json({"observations": rows, "waiting": len(found), "started": started, "left": left})
        return OK if dry_run or not left else NOT_ALL
    for name in wanted:
        waiting = counted(len(found[name].sources), "file", "wait")
        sys.stdout.write(f"{one_line(name)}: {waiting}\n")
    parts = [counted(len(wanted), "observation", "wait")]
    if taken := len(found) - len(wanted):
        parts.append(f"{taken} more {'has' if taken == 1 else 'have'} a run already")
    if not has_prefect:
        parts.append("PREFECT_API_URL is not set, so runs that are due for some are not seen")
    if not dry_run:
        parts.append(f"{counted(started, 'run')} created")
        if left:
            parts.append("run it again for the rest")
    sys.stdout.write("; ".join(parts) + "\n")
    return OK if dry_run or not left else NOT_ALL


def _start(
    site: Site,
    names: Sequence[str],
    busy: Collection[str],
    network: str,
    deployment: str,
    most: int,
) -> tuple[list[str], int]:
    """Those that nobody is at work on or will be, and for how many a run was created."""
    from prefect.client.orchestration import get_client
    from prefect.exceptions import ObjectNotFound

    try:
        with get_client(sync_client=True) as client:
            runs = Runs(client, deployment, network)
            seconds = site.settings.lease_seconds
            taken = {*busy, *runs.due(start_seconds=seconds)}
            with suppress(ObjectNotFound):  # a network may have no live deployment of that name
                taken |= Runs(client, INGEST, network).due(start_seconds=seconds)
            wanted = [name for name in names if name not in taken]
            return wanted, runs.start(wanted[:most], key=uuid.uuid4().hex)
    except ObjectNotFound:
        raise ConfigurationError(
            f"{deployment} is not deployed: run `panoptes-network deploy ingest-observation`"
        ) from None
    except httpx.HTTPError as error:
        raise TransientError(f"Prefect cannot be reached: {error}") from error
