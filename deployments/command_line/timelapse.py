"""`panoptes-network timelapse`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from deployments.command_line.choosing import AsJson, Data, Network, Observation, choose_network
from deployments.command_line.telling import OK, complaining, print_json, write_file
from panoptes.network.timelapse import TooFewImages, timelapse

app = typer.Typer()


@app.command("timelapse")
@complaining("timelapse", nothing=(TooFewImages, ValueError))
def make(
    sequence_id: Observation,
    output: Annotated[
        Path | None,
        typer.Option(
            "--output", "-o", metavar="FILE", help="OBSERVATION.mp4 by default; it is replaced."
        ),
    ] = None,
    data: Data = None,
    network: Network = None,
    as_json: AsJson = False,
) -> int:
    """Make a film of an observation, of the previews of its images.

    Exits with 3 if there are too few of them.
    """
    film = timelapse(choose_network(data, network), sequence_id)
    file = Path(f"{sequence_id}.mp4") if output is None else output
    write_file(file, film.data)
    if as_json:
        print_json({"file": str(file), "images": film.frames, "bytes": len(film.data)})
        return OK
    sys.stdout.write(f"{file}: {film.frames} images, {_size(len(film.data))}\n")
    return OK


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{count / 1e3:.1f} KB"
