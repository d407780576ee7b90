"""Which network an operator's command works on: a folder, a block, or the environment's."""

from __future__ import annotations

import os
import re
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from deployments.command_line import completing
from panoptes.network.errors import ConfigurationError
from panoptes.network.settings import NetworkSettings
from panoptes.network.site import Site

DATA = Path("panoptes-data")
NO_PREFECT = (
    "PREFECT_API_URL is not set: say where Prefect is, for example http://127.0.0.1:4200/api"
)

Data = Annotated[
    Path | None,
    typer.Option(
        "--data",
        metavar="DIR",
        help="The network's folder; by default panoptes-data, or what the environment says.",
        file_okay=False,
    ),
]
DataFolder = Annotated[
    Path,
    typer.Option(
        "--data",
        metavar="DIR",
        help="The network's folder: the archive, its other locations and the catalogue.",
        file_okay=False,
    ),
]
Network = Annotated[
    str | None, typer.Option(help="A 'PANOPTES network' block instead of a folder.")
]
Unit = Annotated[
    str | None,
    typer.Option(help="Only of this unit: PAN001.", autocompletion=completing.units),
]
Night = Annotated[
    str | None, typer.Option(help="Only of this night, the date of its evening: 2018-02-15.")
]
Observation = Annotated[
    str,
    typer.Argument(
        metavar="OBSERVATION",
        help="UNIT_CAMERA_SEQUENCETIME.",
        autocompletion=completing.observations,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def choose_network(
    data: Path | None, network: str | None, *, incoming: Path | None = None, make: bool = False
) -> Site:
    """The network that the options name, or else the environment, or else ``panoptes-data``.

    `incoming` is a user's own folder, as `panoptes-network ingest` takes it: only read.
    Raises ConfigurationError where there is no network; with `make`, one is made in the folder.
    """
    if data is not None and network is not None:
        raise ConfigurationError("--data and --network name two networks: give one of them")
    if incoming is not None and (network is not None or not incoming.expanduser().is_dir()):
        raise ConfigurationError(f"--incoming {incoming} is no folder beside that of --data")
    if network is not None:
        from blocks.network import load_network

        return load_network(network).site
    if data is None and incoming is None and os.environ.get("PANOPTES_INCOMING"):
        return Site(NetworkSettings.from_environment())
    if make:
        (data or DATA).expanduser().mkdir(parents=True, exist_ok=True)
        return Site.in_folder(data or DATA)
    return network_in(data or DATA, incoming=incoming)


def network_in(folder: Path, *, incoming: Path | None = None) -> Site:
    """The network that is kept in a folder. Raises ConfigurationError where there is none."""
    if not has_catalogue(folder):
        demo = " (the demo's is demo-data)" if has_catalogue(Path("demo-data")) else ""
        raise ConfigurationError(
            f"there is no catalogue in {folder}: name the network's folder with --data{demo}, or "
            f"make one: panoptes-network ingest FOLDER --data {folder}"
        )
    return Site.in_folder(folder, incoming=incoming)


def has_catalogue(folder: Path) -> bool:
    """Whether a network is kept there already: opening one would make it."""
    return (folder.expanduser() / "catalog.sqlite").exists()


def as_night(text: str, option: str = "--night") -> str:
    """``YYYY-MM-DD``, of that or of ``YYYYMMDD``. Raises ConfigurationError."""
    try:
        return date.fromisoformat(re.sub(r"^(\d{4})(\d{2})(\d{2})$", r"\1-\2-\3", text)).isoformat()
    except ValueError:
        raise ConfigurationError(f"{option} {text!r} is no date: write 2018-02-15") from None
