"""`panoptes-network simulate`: units that upload nights, to a folder or a bucket."""

from __future__ import annotations

import json
import sys
import time
from contextlib import nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from deployments.command_line.choosing import AsJson
from deployments.command_line.telling import OK, complaining, print_json
from deployments.command_line.terminal import progress
from panoptes.network.addresses import open_store
from panoptes.network.simulator.night import Night
from panoptes.network.simulator.sensor import FrameSize

app = typer.Typer()


@app.command()
@complaining("simulate")
def simulate(
    to: Annotated[str, typer.Argument(metavar="WHERE", help="A folder, or gs://BUCKET/PREFIX.")],
    seed: Annotated[int, typer.Option(help="The same seed uploads the same bytes.")] = 1,
    units: Annotated[int, typer.Option(min=1, help="Units, each with its cameras.")] = 1,
    cameras: Annotated[int, typer.Option(min=1, help="Cameras of a unit.")] = 2,
    observations: Annotated[int, typer.Option(min=1, help="Observations of a camera.")] = 1,
    images: Annotated[
        int, typer.Option(min=1, help="Images of an observation; light curves need 5.")
    ] = 12,
    size: Annotated[
        FrameSize,
        typer.Option(help="Of a frame: 506 x 340, 780 x 520, 1400 x 1400 or 5208 x 3476 pixels."),
    ] = "medium",
    keywords: Annotated[
        Literal["old", "new", "both"],
        typer.Option(help="old, new, or both: every second unit writes the older ones."),
    ] = "both",
    pause: Annotated[
        float,
        typer.Option(min=0, help="Seconds from an exposure to the next; of real units 8 or less."),
    ] = 660.0,
    dip: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of its light that a star of each field loses."),
    ] = 0.03,
    pace: Annotated[
        float, typer.Option(min=0, help="Files a second; 0: as fast as possible.")
    ] = 0.0,
    oddities: Annotated[
        bool, typer.Option(help="Also an older path, a truncated file and an unroutable name.")
    ] = True,
    truth: Annotated[
        Path | None,
        typer.Option(dir_okay=False, help="Write here what was sent, a line of JSON a file."),
    ] = None,
    stars: Annotated[
        Path | None,
        typer.Option(
            dir_okay=False,
            help="Write here the stars of the first field that the packaged catalogue lacks, "
            "for 'process --extra-stars'.",
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Upload the nights of simulated units, with what the network should make of each file."""
    night = Night(
        seed=seed,
        units=units,
        cameras=cameras,
        observations=observations,
        images=images,
        frame_size=size,
        generation=None if keywords == "both" else keywords,
        oddities=oddities,
        pause=pause,
        dip=dip,
    )
    store = open_store(to)
    store.check()
    with (
        truth.open("w", encoding="utf-8") if truth else nullcontext() as told,
        progress(quiet=as_json) as bar,
    ):
        task = bar.add_task("uploading", total=night.files)
        began, count = time.monotonic(), 0
        for count, (sent, data) in enumerate(night.uploads(), start=1):
            if pace:
                time.sleep(max(0.0, began + (count - 1) / pace - time.monotonic()))
            store.put(sent.name, data)
            if told is not None:
                told.write(json.dumps(asdict(sent), default=str) + "\n")
                told.flush()
            bar.advance(task)
    if stars:
        stars.write_text(night.sky(0, 0, 0).stars.extra_csv(), encoding="utf-8")
    if as_json:
        print_json({"files": count, "to": to, "seed": seed})
    else:
        sys.stdout.write(f"{count} files uploaded to {to}\n")
    return OK
