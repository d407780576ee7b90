"""`panoptes-network simulate`: units that upload nights, to a folder or a bucket."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal, Self

import typer

from deployments.command_line.choosing import AsJson
from deployments.command_line.telling import OK, complaining, print_json
from deployments.command_line.terminal import progress
from panoptes.network.addresses import checked_store, open_store
from panoptes.network.amounts import counted
from panoptes.network.errors import ConfigurationError
from panoptes.network.simulator.night import Night
from panoptes.network.simulator.sensor import FrameSize

app = typer.Typer()
LEAST_PACE = 1e-3
MOST_SECONDS = 366 * 86400.0


@app.command()
@complaining("simulate")
def simulate(
    to: Annotated[str, typer.Argument(metavar="WHERE", help="A folder, or gs://BUCKET/PREFIX.")],
    seed: Annotated[int, typer.Option(help="The same seed uploads the same bytes.")] = 1,
    units: Annotated[int, typer.Option(min=1, max=999, help="Units, each with its cameras.")] = 1,
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
    _require_possible(night, pace)
    try:
        store = open_store(checked_store(to))
    except ValueError as error:
        raise ConfigurationError(str(error)) from None
    store.check()
    with (
        _Beside(truth) if truth else nullcontext() as told,
        _Beside(stars) if stars else nullcontext() as extra,
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
            bar.advance(task)
        if extra is not None:
            extra.write(night.sky(0, 0, 0).stars.extra_csv())
    if as_json:
        print_json({"files": count, "to": to, "seed": seed})
    else:
        sys.stdout.write(f"{counted(count, 'file')} uploaded to {to}\n")
    return OK


def _require_possible(night: Night, pace: float) -> None:
    """Raises ConfigurationError for what no unit can do."""
    if 0 < pace < LEAST_PACE:
        raise ConfigurationError(f"--pace is 0, or {LEAST_PACE:g} files a second or more")
    if night.seconds > MOST_SECONDS:
        raise ConfigurationError(
            f"that takes the units {night.seconds / 86400:,.0f} days, and they observe for "
            f"{MOST_SECONDS / 86400:.0f} at most: give fewer --observations or --images, or a "
            "shorter --pause"
        )


class _Beside:
    """A file that is written beside the uploads. Raises ConfigurationError where it cannot be."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._told():
            self._file = path.open("wb", buffering=0)

    def write(self, text: str) -> None:
        data = text.encode()
        with self._told():
            while data:  # a disk that is nearly full takes a part
                data = data[self._file.write(data) :]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *raised: object) -> None:
        self._file.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise ConfigurationError(f"{self._path} cannot be written: {error.strerror}") from error
