"""`panoptes-network export`: an observation as a folder for another program."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from deployments.command_line.choosing import AsJson, Data, Network, Observation, choose_network
from deployments.command_line.telling import OK, complaining, print_json
from deployments.command_line.terminal import cell, progress
from panoptes.network.autowisp.export import CannotExport, export

app = typer.Typer()


@app.command("export")
@complaining("export", nothing=(CannotExport,))
def write(
    sequence_id: Observation,
    to: Annotated[
        Path,
        typer.Option("--to", metavar="FOLDER", help="A folder that is not there yet, or empty."),
    ],
    program: Annotated[
        Literal["autowisp"], typer.Option("--for", help="The program that is to take it.")
    ] = "autowisp",
    data: Data = None,
    network: Network = None,
    as_json: AsJson = False,
) -> int:
    """Write an observation's frames as a folder that AutoWISP takes as it is.

    The frames are uncompressed: 36 MB each, of full size. Exits with 3 if nothing can be
    exported.
    """
    with choose_network(data, network) as site, progress(quiet=as_json, transient=True) as bar:
        task = bar.add_task("writing frames", total=None)
        made = export(site, sequence_id, to, on_frame=lambda: bar.advance(task))
    if as_json:
        left = {each.image_id: each.reason for each in made.left_out}
        said = {"sequence_id": made.sequence_id, "folder": str(made.folder), "for": program}
        print_json(said | {"images": made.images, "left_out": left})
        return OK
    for each in made.left_out:
        sys.stdout.write(f"{cell(f'{each.image_id}: {each.reason}')}\n")
    sys.stdout.write(f"{made.folder}: {made.images} images; README.md says how to go on\n")
    return OK
