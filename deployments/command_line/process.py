"""`panoptes-network process`: light curves of the stars of an observation."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from deployments.command_line.choosing import AsJson, Data, Network, Observation, choose_network
from deployments.command_line.telling import OK, complaining, print_json
from deployments.command_line.terminal import cell, progress
from panoptes.network.addresses import place_of
from panoptes.network.light_curves.summaries import MagnitudeRow, by_magnitude
from panoptes.network.processing.process import CannotProcess, Processed, process
from panoptes.network.processing.stored_curves import open_curves, stars_of
from panoptes.network.stars.given import extra_stars
from panoptes.network.stars.given import picids as read_picids

app = typer.Typer()


@app.command("process")
@complaining("process", nothing=(CannotProcess,))
def make(
    sequence_id: Observation,
    extra: Annotated[
        Path | None,
        typer.Option(
            "--extra-stars",
            metavar="CSV",
            help="Stars beside the packaged catalogue's, which ends at G 10: "
            "source_id,ra,dec,g; degrees and magnitudes.",
        ),
    ] = None,
    picids: Annotated[
        Path | None,
        typer.Option("--picids", metavar="CSV", help="TIC ids of stars: source_id,picid."),
    ] = None,
    data: Data = None,
    network: Network = None,
    as_json: AsJson = False,
) -> int:
    """Make light curves of an observation's stars: a Parquet file, and documents.

    What was made before stays beside it. Exits with 3 if nothing can be made.
    """
    extra_given = extra_stars(extra) if extra else None
    picids_given = read_picids(picids) if picids else None
    with choose_network(data, network) as site, progress(quiet=as_json, transient=True) as bar:
        task = bar.add_task("reading frames", total=None)
        made = process(
            site,
            sequence_id,
            extra=extra_given,
            picids=picids_given,
            on_frame=lambda: bar.advance(task),
        )
        rows = by_magnitude(stars_of(open_curves(site, made.sequence_id)))
    where = f"{place_of(str(site.settings.measurements))}/{made.path}"
    if as_json:
        said = asdict(made)
        said |= {"path": where, "processed": made.processed.isoformat()}
        print_json(said | {"scatter": [asdict(row) for row in rows]})
        return OK
    _print(made, rows, where)
    return OK


def _print(made: Processed, rows: list[MagnitudeRow], where: str) -> None:
    console = Console()
    table = Table("G", "stars", "scatter", "error", box=None, header_style="bold")
    for each in rows:
        values = (f"{each.g:.1f}", str(each.stars))
        table.add_row(*values, f"{1000 * each.scatter:.1f}", f"{1000 * each.error:.1f}")
    console.print(table)
    if rows:
        console.print("Scatter and error in mmag, of all colours together.", style="dim")
    for left in made.left_out:
        console.print(cell(f"{left.image_id}: {left.reason}"))
    sys.stdout.write(f"{where}: {made.stars} stars in {made.frames} images\n")
