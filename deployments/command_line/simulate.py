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
from deployments.command_line.tables import progress
from deployments.command_line.telling import OK, complaining, print_json
from panoptes.network.addresses import open_store
from panoptes.network.simulator.night import Night

app = typer.Typer()


@app.command()
@complaining("simulate")
def simulate(
    to: Annotated[str, typer.Argument(metavar="WHERE", help="A folder, or gs://BUCKET/PREFIX.")],
    seed: Annotated[int, typer.Option(help="The same seed uploads the same bytes.")] = 1,
    units: Annotated[int, typer.Option(min=1, help="Units, each with its cameras.")] = 1,
    cameras: Annotated[int, typer.Option(min=1, help="Cameras of a unit.")] = 2,
    observations: Annotated[int, typer.Option(min=1, help="Observations of a camera.")] = 1,
    images: Annotated[int, typer.Option(min=1, help="Images of an observation.")] = 3,
    full: Annotated[bool, typer.Option("--full", help="Frames of full size.")] = False,
    keywords: Annotated[
        Literal["old", "new", "both"],
        typer.Option(help="old, new, or both: every second unit writes the older ones."),
    ] = "both",
    sky: Annotated[
        int,
        typer.Option(
            min=0,
            help="In place of nights: one observation of so many frames of catalogued stars, "
            "1400 x 1400 pixels or --full; --truth writes its stars as CSV.",
        ),
    ] = 0,
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
    as_json: AsJson = False,
) -> int:
    """Upload the nights of simulated units, with what the network should make of each file."""
    if sky:
        return _simulate_sky(to, seed, sky, full=full, truth=truth, as_json=as_json)
    night = Night(
        seed=seed,
        units=units,
        cameras=cameras,
        observations=observations,
        images=images,
        frame_size="full" if full else "small",
        generation=None if keywords == "both" else keywords,
        oddities=oddities,
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
    if as_json:
        print_json({"files": count, "to": to, "seed": seed})
    else:
        sys.stdout.write(f"{count} files uploaded to {to}\n")
    return OK


def _simulate_sky(
    to: str, seed: int, frames: int, *, full: bool, truth: Path | None, as_json: bool
) -> int:
    from panoptes.network.simulator.headers import TARGETS
    from panoptes.network.simulator.observed_sky import ObservedSky

    target = TARGETS[seed % len(TARGETS)]
    size: Literal["full", "crop"] = "full" if full else "crop"
    observed = ObservedSky(seed=seed, frame_size=size, frames=frames, target=target)
    store = open_store(to)
    store.check()
    with progress(quiet=as_json) as bar:
        task = bar.add_task("exposing", total=frames)
        for exposure in observed.exposures():
            store.put(*observed.fits(exposure))
            bar.advance(task)
    if truth:
        truth.write_text(observed.stars.extra_csv(), encoding="utf-8")
    said = {"files": frames, "to": to, "seed": seed, "sequence_id": observed.sequence_id}
    if as_json:
        print_json(said)
    else:
        sys.stdout.write(f"{frames} frames of {observed.sequence_id} uploaded to {to}\n")
    return OK
