"""`panoptes-network health`: what is wrong with the network, in one sentence."""

from __future__ import annotations

import typer
from rich.console import Console
from rich.table import Table

from deployments.command_line.choosing import AsJson, Data, Network, choose_network
from deployments.command_line.telling import NOT_ALL, OK, complaining, print_json
from deployments.command_line.terminal import cell
from deployments.health import look

app = typer.Typer()


@app.command()
@complaining("health")
def health(data: Data = None, network: Network = None, as_json: AsJson = False) -> int:
    """Say in one sentence what is wrong: catalogue, stores, disks, Prefect, worker, backlog.

    PREFECT_API_URL names the Prefect server. Exits with 3 if anything is wrong.
    """
    with choose_network(data, network) as site:
        verdict = look(site)
    if as_json:
        print_json(verdict.as_json(detailed=True))
    else:
        console = Console()
        table = Table("", "what", "in words", box=None, show_header=False)
        for check in verdict.checks:
            said = check.sentence + (f" ({check.detail})" if check.detail else "")
            table.add_row("" if check.is_well else "!", cell(check.what), cell(said))
        console.print(verdict.sentence, highlight=False, markup=False)
        console.print(table)
    return OK if verdict.is_well else NOT_ALL
