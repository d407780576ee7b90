"""`make up`: the whole stack on this machine, until Ctrl-C."""

from __future__ import annotations

import time
from pathlib import Path

from rich.console import Console

from blocks.network import PanoptesNetwork
from deployments.local import StackError, local_stack
from models.errors import ConfigurationError

PORT = 4200
"""Prefect's own default."""


def run(data: Path, *, port: int = PORT) -> int:
    """Start server, worker and deployments, say how to use them, and stay."""
    console = Console()
    root = data.expanduser().resolve()
    try:
        network = PanoptesNetwork.in_folder(root)
        network.check()
        console.print("Starting a Prefect server and a worker ...")
        with local_stack(root / "prefect", port=port, network=network, ui=True) as stack:
            console.print(
                f"Prefect's user interface: {stack.url}\n"
                f"Put files into {network.incoming} as UNIT/CAMERA/SEQUENCE/IMAGE.suffix, and "
                "have them ingested:\n"
                f"  PREFECT_API_URL={stack.api_url} .venv/bin/prefect deployment run \\\n"
                "    'sweep-incoming/local'\n"
                f"  PREFECT_API_URL={stack.api_url} .venv/bin/prefect deployment run \\\n"
                "    'ingest-observation/local' -p sequence_id=UNIT_CAMERA_SEQUENCETIME\n"
                "Ctrl-C stops everything.",
                highlight=False,
                soft_wrap=True,
            )
            while True:
                stack.check()
                time.sleep(1)
    except (ConfigurationError, StackError) as error:
        console.print(f"[red]Not up:[/red] {error}", soft_wrap=True)
        return 1
    except KeyboardInterrupt:
        console.print("\nStopped.")
        return 0
