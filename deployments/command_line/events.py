"""`panoptes-network receiver` and `panoptes-network watch`: storage events."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from pathlib import Path
from typing import Annotated

import typer

from deployments.command_line.telling import OK, complaining, log_to_stderr
from panoptes.network.safe_text import safe_log

app = typer.Typer()


@app.command()
@complaining("receiver")
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
) -> int:
    """Take storage events in and hand them to Prefect, until Ctrl-C.

    Who may send is set in the environment: PANOPTES_RECEIVER_SECRET, or
    PANOPTES_RECEIVER_AUDIENCE and PANOPTES_RECEIVER_SERVICE_ACCOUNTS. PREFECT_API_URL says
    where Prefect is. See docs/events.md.
    """
    from deployments.receiver.app import create_app
    from deployments.receiver.settings import ReceiverSettings
    from deployments.services.listening import listen, server

    log_to_stderr(verbose=verbose)
    settings = ReceiverSettings.given(host=host, port=port, open=open_, incoming=incoming)
    web = create_app(settings)
    server(web).run(sockets=[listen(settings.host, settings.port)])
    return OK


@app.command("watch")
@complaining("watch")
def watch_folder(
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
) -> int:
    """Tell the receiver of each file that becomes complete in a folder, until Ctrl-C.

    The receiver's secret, if it has one, is read from PANOPTES_RECEIVER_SECRET.
    """
    from deployments.receiver.watch import watch

    log_to_stderr(verbose=verbose)
    log = safe_log(__name__)
    watching = watch(
        folder,
        to,
        secret=os.environ.get("PANOPTES_RECEIVER_SECRET"),
        poll=poll,
        on_start=lambda: log.info("watching %s for %s", folder, to),
    )
    with suppress(KeyboardInterrupt):
        asyncio.run(watching)
    return OK
