"""`panoptes-network backfill`: old nights, behind tonight's."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from deployments.command_line.choosing import AsJson
from flows.starting import INGEST_BACKFILL


def add_to(app: typer.Typer) -> None:
    """Give the command line this command."""
    app.command()(backfill)


def backfill(
    start: Annotated[
        str, typer.Option("--from", metavar="NIGHT", help="The first night: 2018-02-15.")
    ],
    end: Annotated[
        str | None, typer.Option("--to", metavar="NIGHT", help="The last night; that night alone.")
    ] = None,
    unit: Annotated[str | None, typer.Option(help="Of this unit, PAN001; of all.")] = None,
    network: Annotated[str, typer.Option(help="The 'PANOPTES network' block.")] = "default",
    deployment: Annotated[
        str, typer.Option(help="The deployment to start, FLOW/DEPLOYMENT.")
    ] = INGEST_BACKFILL,
    most: Annotated[int, typer.Option(min=1, help="The most runs to create.")] = 1000,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what waits; start nothing.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Have what waits of old nights ingested, without holding up tonight's files.

    One run for each observation of these nights that has files in incoming, in the work queue
    'backfill': it takes one batch of files and queues the rest again. PREFECT_API_URL says
    where Prefect is. Exits with 3 if there are more observations than --most.
    """
    from deployments.command_line.backfill_run import run

    sys.exit(
        run(
            start,
            end or start,
            unit=unit,
            network=network,
            deployment=deployment,
            most=most,
            dry_run=dry_run,
            as_json=as_json,
        )
    )
