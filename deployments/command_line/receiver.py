"""`panoptes-network receiver`: storage events in."""

from __future__ import annotations

from typing import Annotated

import typer

from deployments.command_line.telling import OK, complaining, log_to_stderr

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
    from deployments.web.listening import listen, server

    log_to_stderr(verbose=verbose)
    settings = ReceiverSettings.given(host=host, port=port, open=open_, incoming=incoming)
    web = create_app(settings)
    server(web).run(sockets=[listen(settings.host, settings.port)])
    return OK
