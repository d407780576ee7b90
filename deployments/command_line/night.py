"""`panoptes-network night`: what each unit's night brought, and why nothing did."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from deployments.command_line.choosing import AsJson, Data, Network, Unit, as_night, choose_network
from deployments.command_line.telling import OK, complaining, print_json
from deployments.command_line.terminal import cell, plain_table
from panoptes.network.amounts import counted
from panoptes.network.errors import ConfigurationError
from panoptes.network.nights import (
    UnitNight,
    checked_night,
    last_whole_night,
    night_json,
    unit_ids,
    unit_night,
)
from panoptes.network.nights.words import facts, summary
from panoptes.network.storage.store import NotFound

app = typer.Typer()


@app.command()
@complaining("night", nothing=(NotFound,))
def night(
    date: Annotated[
        str | None,
        typer.Argument(
            metavar="[NIGHT]",
            help="The date of its evening: 2018-02-15; by default the last night that is over.",
        ),
    ] = None,
    unit: Unit = None,
    data: Data = None,
    network: Network = None,
    as_json: AsJson = False,
) -> int:
    """Report a night: what was expected of each unit, what came, and why nothing did.

    With --unit, everything that is known of its night. Exits with 3 if there is no such unit.
    """
    chosen = None if date is None else as_night(date, "NIGHT")
    with choose_network(data, network) as site:
        try:
            if chosen is not None:
                checked_night(chosen)
            found = [
                unit_night(site, each, chosen or last_whole_night(site, each))
                for each in ([unit] if unit else unit_ids(site))
            ]
        except ValueError as error:
            raise ConfigurationError(str(error)) from error
    if as_json:
        print_json({"units": [night_json(each) for each in found]})
    elif unit is not None:
        _tell(found[0])
    else:
        Console().print(_table(found))
    return OK


def _table(nights: Sequence[UnitNight]) -> Table:
    table = plain_table()
    table.caption = counted(len(nights), "unit")
    for title in ("unit", "night"):
        table.add_column(title, no_wrap=True)
    for title in ("images", "expected", "missing", "quarantined"):
        table.add_column(title, justify="right")
    table.add_column("nothing because", overflow="fold")
    for each in nights:
        counts = (each.lights, each.expected, each.missing, each.quarantined)
        shown = ("?" if count is None else count for count in counts)
        table.add_row(*map(cell, (each.unit_id, each.night, *shown, "; ".join(each.reasons))))
    return table


def _tell(night: UnitNight) -> None:
    table = plain_table(head=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    rows = [("unit", night.unit_id), ("night", night.night), ("in all", summary(night))]
    rows += facts(night)
    rows += [("quarantined", f"{case.name}: {case.reason}") for case in night.cases]
    for what, said in rows:
        table.add_row(cell(what), cell(said))
    Console().print(table)
