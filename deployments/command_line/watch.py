"""`panoptes-network watch`: a folder whose files are told of."""

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
