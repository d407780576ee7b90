"""The command line's part in storage events: ``receiver`` and ``watch``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def add_to(app: typer.Typer) -> None:
    """Give the command line its commands about storage events."""
    app.command()(receiver)
    app.command()(watch)


def receiver(
    host: Annotated[str | None, typer.Option(help="The address to listen on [127.0.0.1].")] = None,
    port: Annotated[int | None, typer.Option(help="The port [8400].")] = None,
    open_: Annotated[
        bool | None,
        typer.Option("--open", help="Programs on this machine need no proof of who they are."),
    ] = None,
    incoming: Annotated[
        str | None,
        typer.Option(help="gs://BUCKET/PREFIX, or the watched folder; others are passed over."),
    ] = None,
    verbose: Annotated[
        bool, typer.Option("--verbose", help="Log what starts nothing, too.")
    ] = False,
) -> None:
    """Take storage events in and hand them to Prefect, until Ctrl-C.

    Who may send is set in the environment: PANOPTES_RECEIVER_SECRET, or
    PANOPTES_RECEIVER_AUDIENCE and PANOPTES_RECEIVER_SERVICE_ACCOUNTS. PREFECT_API_URL says
    where Prefect is. See docs/events.md.
    """
    from deployments.command_line.events_run import run_receiver

    sys.exit(run_receiver(host=host, port=port, open=open_, incoming=incoming, verbose=verbose))


def watch(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="The network's incoming folder.")
    ],
    to: Annotated[
        str, typer.Option(metavar="URL", help="The receiver's address.")
    ] = "http://127.0.0.1:8400/events",
    poll: Annotated[
        float | None,
        typer.Option(help="Look every so many seconds; for a folder on another machine."),
    ] = None,
    verbose: Annotated[bool, typer.Option("--verbose", help="Log more.")] = False,
) -> None:
    """Tell the receiver of each file that becomes complete in a folder, until Ctrl-C.

    The receiver's secret, if it has one, is read from PANOPTES_RECEIVER_SECRET.
    """
    from deployments.command_line.events_run import run_watch

    sys.exit(run_watch(folder, to=to, poll=poll, verbose=verbose))
