"""`panoptes-network serve`: the site and the services."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from deployments.command_line import completing
from deployments.command_line.choosing import DATA, AsJson, Data, Network
from deployments.command_line.telling import OK, complaining, log_to_stderr, print_json

app = typer.Typer()


@app.command()
@complaining("serve")
def serve(
    data: Data = None,
    network: Network = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="8500 by default; 0: a free one.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="127.0.0.1 by default.")] = None,
    open_reads: Annotated[
        bool, typer.Option("--open", help="Let everyone read who can reach the services.")
    ] = False,
    files: Annotated[
        str | None,
        typer.Option(
            metavar="LOCATIONS",
            help="Serve files, too: 'archive', or locations such as images,previews.",
            autocompletion=completing.locations,
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Serve the site, and answer programs: lookup, headers, the search and, if asked for, files.

    Without a token (PANOPTES_SERVICES_TOKEN) only your own programs on this machine are
    answered, unless reads are opened. Stays until Ctrl-C.
    """
    from deployments.services.app import create_app
    from deployments.services.settings import ServiceSettings
    from deployments.web.listening import listen, server

    log_to_stderr()
    said = {"PANOPTES_SERVICES_DATA", "PANOPTES_SERVICES_NETWORK"} & os.environ.keys()
    if data is None and network is None and not said:
        data = DATA
    settings = ServiceSettings.given(
        data=data, network=network, port=port, host=host, open=open_reads or None, files=files
    )
    if network is not None and data is None:
        settings = settings.model_copy(update={"data": None})
    web = create_app(settings.open_network(), settings)
    listener = listen(settings.host, settings.port)
    address, bound = listener.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address
    url = f"http://{shown}:{bound}"
    if as_json:
        print_json({"url": url})
    else:
        told = f"{url} is the site; its /docs lists what programs can ask. Ctrl-C stops."
        sys.stdout.write(f"{told}\n")
        sys.stdout.flush()
    server(web, access_log=True).run(sockets=[listener])
    return OK
