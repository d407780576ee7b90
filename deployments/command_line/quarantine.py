"""`panoptes-network quarantine list`, `show` and `rescue`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from deployments.command_line.choosing import AsJson, Data, Network

Unit = Annotated[str | None, typer.Option(help="Only of this unit: PAN001.")]
Night = Annotated[
    str | None, typer.Option(help="Only of this night, the date of its evening: 2018-02-15.")
]
Code = Annotated[str | None, typer.Option(help="Only with this code: truncated-file.")]

_group = typer.Typer(
    name="quarantine",
    help="Files that could not be taken: what is wrong with each, and what to do.",
    no_args_is_help=True,
)


def add_to(app: typer.Typer) -> None:
    """Give the command line these commands."""
    app.add_typer(_group)


@_group.command("list")
def list_(
    unit: Unit = None,
    night: Night = None,
    code: Code = None,
    data: Data = None,
    network: Network = None,
    as_json: AsJson = False,
) -> None:
    """List the files that wait for somebody: quarantined, or failed too often."""
    from deployments.command_line.quarantine_run import run_list

    sys.exit(run_list(data, network, unit=unit, night=night, code=code, as_json=as_json))


@_group.command()
def show(
    case: Annotated[str, typer.Argument(metavar="ID", help="A case's id, or the file's name.")],
    data: Data = None,
    network: Network = None,
    as_json: AsJson = False,
) -> None:
    """Say everything about one case, with its history. Exits with 3 if there is none."""
    from deployments.command_line.quarantine_run import run_show

    sys.exit(run_show(case, data, network, as_json=as_json))


@_group.command()
def rescue(
    cases: Annotated[
        list[str] | None, typer.Argument(metavar="[ID]...", help="Ids, or the files' names.")
    ] = None,
    every: Annotated[
        bool, typer.Option("--all", help="All cases, or those of the unit, night and code.")
    ] = False,
    unit: Unit = None,
    night: Night = None,
    code: Code = None,
    by: Annotated[
        str | None, typer.Option(help="Who asks for it; you on this machine by default.")
    ] = None,
    incoming: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER",
            help="Your own folder, where `panoptes-network ingest FOLDER` took the files from.",
            file_okay=False,
        ),
    ] = None,
    data: Data = None,
    network: Network = None,
    as_json: AsJson = False,
) -> None:
    """Put files back into incoming, to be judged again by the next run.

    The copy in quarantine stays, and the file's history says who asked for it and when. Safe
    to repeat. Exits with 3 if some could not be put back.
    """
    from deployments.command_line.quarantine_run import run_rescue

    sys.exit(
        run_rescue(
            cases or [],
            data,
            network,
            every=every,
            unit=unit,
            night=night,
            code=code,
            by=by,
            incoming=incoming,
            as_json=as_json,
        )
    )
