"""`panoptes-network audit`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from deployments.command_line.choosing import AsJson, Data, Network


def add_to(app: typer.Typer) -> None:
    """Give the command line this command."""
    app.command()(audit)


def audit(
    data: Data = None,
    network: Network = None,
    night: Annotated[
        str | None, typer.Option(help="Only of this night, the date of its evening: 20180215.")
    ] = None,
    unit: Annotated[str | None, typer.Option(help="Only of this unit: PAN001.")] = None,
    deep: Annotated[
        bool, typer.Option("--deep", help="Read every object back and compare its checksum.")
    ] = False,
    repair: Annotated[
        bool,
        typer.Option(
            "--repair", help="Mend what is safe to mend; nothing is removed that is not replaced."
        ),
    ] = False,
    truth: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Compare with what was uploaded: the list that 'simulate --truth' wrote.",
            dir_okay=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Compare buckets and catalogue in both directions, and list what is wrong.

    Safe to run at any time. Exits with 0 if nothing is wrong or all of it was mended, 3 if
    something is left, 1 if the audit could not be done.
    """
    from deployments.command_line.audit_run import run

    sys.exit(
        run(
            data,
            network,
            night=night,
            unit=unit,
            deep=deep,
            repair=repair,
            truth=truth,
            as_json=as_json,
        )
    )
