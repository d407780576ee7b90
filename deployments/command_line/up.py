"""`make up`: the whole stack on this machine, until Ctrl-C."""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from deployments.command_line.choosing import DATA, AsJson, DataFolder
from deployments.command_line.telling import FAILED, OK, print_json
from deployments.local_stack.claims import StackError
from deployments.local_stack.sign_in_token import sign_in_token
from deployments.local_stack.stack import LocalStack
from deployments.work_pools.window import WARM_SECONDS, set_window
from panoptes.network.errors import ConfigurationError
from panoptes.network.ingest.at_rest import patience
from panoptes.network.safe_text import one_line
from panoptes.network.site import Site

app = typer.Typer()
TOKEN = "PANOPTES_SERVICES_TOKEN"
DATABASE = "PREFECT_SERVER_DATABASE_CONNECTION_URL"
"""Where the server keeps its runs; SQLite in the data folder if it is unset."""


@app.command()
def up(
    data: DataFolder = DATA,
    port: Annotated[int, typer.Option(help="Of Prefect's server, on 127.0.0.1.")] = 4200,
    receiver_port: Annotated[int, typer.Option(help="Of the receiver, on 127.0.0.1.")] = 8400,
    site_port: Annotated[int, typer.Option(help="Of the site and services, on 127.0.0.1.")] = 8500,
    window: Annotated[
        float, typer.Option(min=10, help="Seconds from an observation's first file to its run.")
    ] = WARM_SECONDS,
    sign_in: Annotated[
        bool,
        typer.Option(
            "--sign-in", help="Show the site to who signs in alone, with a token in a file."
        ),
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Start the whole stack on this machine and stay until Ctrl-C, or SIGTERM."""
    signal.signal(signal.SIGTERM, _stop)
    console = Console(stderr=as_json)
    root = data.expanduser().resolve()
    token_file = None
    try:
        site = Site.in_folder(root, site_url=f"http://127.0.0.1:{site_port}")
        site.check()
        console.print(
            "Starting a Prefect server, a worker, the receiver, the watcher and the site ..."
        )
        database = os.environ.get(DATABASE)
        home = root / "prefect"
        with LocalStack(home, port=port, site=site, ui=True, database=database) as stack:
            with stack.client() as client:
                set_window(client, timedelta(seconds=window), margin=timedelta(seconds=1))
            _start_events(stack, site, receiver_port)
            own: dict[str, str] = {}
            if sign_in and not os.environ.get(TOKEN):
                own[TOKEN], token_file = sign_in_token(root)
            serve_beside(stack, root, site_port, settings=own)
            if as_json:
                print_json(
                    {
                        "site": f"http://127.0.0.1:{site_port}",
                        "prefect": stack.url,
                        "prefect_api": stack.api_url,
                        "incoming": site.settings.incoming,
                        "logs": str(stack.logs),
                        "token_file": str(token_file) if token_file else None,
                    }
                )
            console.print(
                f"The site: http://127.0.0.1:{site_port}\n"
                f"{_how_to_sign_in(site_port, token_file)}\n"
                f"Prefect's user interface: {stack.url}\n"
                f"Put files into {site.settings.incoming} as "
                "UNIT/CAMERA/SEQUENCE/IMAGE.suffix: what "
                f"lands is ingested {window:.0f} seconds after an observation's first file.\n"
                f"{patience(site)}\n"
                "To start a run by hand:\n"
                f"  PREFECT_API_URL={stack.api_url} .venv/bin/prefect deployment run \\\n"
                "    'ingest-observation/local' -p sequence_id=UNIT_CAMERA_SEQUENCETIME\n"
                f"Logs: {stack.logs}\n"
                "Ctrl-C stops everything.",
                highlight=False,
                soft_wrap=True,
            )
            while True:
                for name in stack.restart_ended():
                    why = f"see {stack.logs / name}.log"
                    console.print(f"The {name} ended and was started again: {why}", soft_wrap=True)
                time.sleep(1)
    except (ConfigurationError, StackError) as error:
        if as_json:
            print_json({"message": str(error)}, success=False)
        for line in f"Not up: {error}".splitlines():
            console.print(Text(one_line(line), "red"), soft_wrap=True)
        return FAILED
    except KeyboardInterrupt:
        console.print("\nStopped.")
        return OK


def _stop(*_: object) -> None:
    """Once: what is being ended then is ended to the last."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _how_to_sign_in(port: int, token_file: Path | None) -> str:
    address = f"http://127.0.0.1:{port}/sign-in"
    if token_file is not None:
        return f"Sign in at {address} with the token in {token_file}, which you alone can read."
    if os.environ.get(TOKEN):
        return f"Sign in at {address} with the token of {TOKEN}."
    return "It is shown to your own programs; with --sign-in it has the quarantine, too."


def _start_events(stack: LocalStack, site: Site, port: int) -> None:
    """The receiver, and the watcher that tells it; nobody else knows their secret."""
    secret = {"PANOPTES_RECEIVER_SECRET": secrets.token_hex(24)}
    # What somebody puts there by hand is often old, and wanted now.
    patience = {"PANOPTES_RECEIVER_LIVE_NIGHTS": "36500"}
    receiver = ["-m", "deployments.command_line.main", "receiver", "--port", str(port)]
    stack.run_beside(
        "receiver", [*receiver, "--incoming", site.settings.incoming], settings=secret | patience
    )
    to = f"http://127.0.0.1:{port}/events"
    watch = ["-m", "deployments.command_line.main", "watch", site.settings.incoming, "--to", to]
    stack.run_beside("watch", watch, settings=secret)


def serve_beside(stack: LocalStack, root: Path, port: int, *, settings: Mapping[str, str]) -> None:
    """The site and services, for programs of this user or for who has the token in `settings`."""
    serve = ["-m", "deployments.command_line.main", "serve", "--data", str(root)]
    beside = [*serve, "--port", str(port), "--files", "archive"]
    stack.run_beside("services", beside, settings=settings)
