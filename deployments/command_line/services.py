"""`panoptes-network serve`, `lookup`, `header` and `search`."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from deployments.command_line.choosing import DATA

Data = Annotated[
    Path,
    typer.Option("--data", metavar="DIR", help="The network's folder.", file_okay=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


def add_to(app: typer.Typer) -> None:
    """Give the command line these commands."""
    for command in (serve, lookup, header, search):
        app.command()(command)


def serve(
    data: Annotated[
        Path | None,
        typer.Option(
            "--data",
            metavar="DIR",
            help="The network's folder; by default panoptes-data, or what the environment says.",
            file_okay=False,
        ),
    ] = None,
    network: Annotated[
        str | None, typer.Option(help="A 'PANOPTES network' block instead of a folder.")
    ] = None,
    port: Annotated[
        int | None, typer.Option(min=0, max=65535, help="8500 by default; 0: a free one.")
    ] = None,
    host: Annotated[str | None, typer.Option(help="127.0.0.1 by default.")] = None,
    open_reads: Annotated[
        bool, typer.Option("--open", help="Let everyone read who can reach the services.")
    ] = False,
    files: Annotated[
        str | None,
        typer.Option(
            metavar="LOCATIONS",
            help="Serve files, too: 'archive', or locations such as images,previews.",
        ),
    ] = None,
) -> None:
    """Answer over HTTP: lookup-field, get-fits-header, the search and, if asked for, files.

    Without a token (PANOPTES_SERVICES_TOKEN) only your own programs on this machine are
    answered, unless reads are opened. Stays until Ctrl-C.
    """
    from deployments.command_line.services_run import run_services

    sys.exit(
        run_services(
            data=data, network=network, port=port, host=host, open=open_reads or None, files=files
        )
    )


def lookup(
    search_string: Annotated[
        str, typer.Argument(metavar="NAME", help="A name, or coordinates in any notation.")
    ],
    time: Annotated[
        datetime | None, typer.Option(help="For the Sun, the Moon and planets; UTC. Now.")
    ] = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Say where something is on the sky.

    Coordinates, planets and Messier, NGC, IC and common names need no network; other names
    are asked of Sesame and remembered in the catalogue, if there is one. Exits with 3 if
    nothing is known by this name.
    """
    from deployments.command_line.services_run import run_lookup

    sys.exit(run_lookup(search_string, time, data, as_json=as_json))


def header(
    path: Annotated[
        str,
        typer.Argument(
            metavar="FILE",
            help="A file of your own, or one of the network: UNIT/CAMERA/SEQUENCE/IMAGE.fits.fz.",
        ),
    ],
    hdu: Annotated[
        str | None,
        typer.Option(help="An HDU by number or name, or 'all'; else the image's own header."),
    ] = None,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """Show the header of a FITS file. Exits with 3 if there is no such file or HDU."""
    from deployments.command_line.services_run import run_header

    sys.exit(run_header(path, hdu, data, as_json=as_json))


def search(
    near: Annotated[
        str | None, typer.Option(metavar="NAME", help="Around a name, or coordinates.")
    ] = None,
    radius: Annotated[
        float, typer.Option(min=0, max=180, help="Degrees around that place.")
    ] = 10.0,
    unit: Annotated[list[str] | None, typer.Option(help="Of this unit; may be repeated.")] = None,
    camera: Annotated[
        list[str] | None, typer.Option(help="Of this camera; may be repeated.")
    ] = None,
    field_name: Annotated[
        str | None, typer.Option("--field", help="Of this field; * stands for any text.")
    ] = None,
    start: Annotated[datetime | None, typer.Option(help="Begun then or later; UTC.")] = None,
    end: Annotated[datetime | None, typer.Option(help="Begun then or earlier; UTC.")] = None,
    status: Annotated[list[str] | None, typer.Option(help="May be repeated.")] = None,
    min_images: Annotated[int | None, typer.Option(min=0, help="With so many or more.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The most to show.")] = 100,
    data: Data = DATA,
    as_json: AsJson = False,
) -> None:
    """List observations, the newest first. Exits with 3 if there are none."""
    from deployments.command_line.services_run import run_search

    chosen = {
        "near": near,
        "radius": radius,
        "unit_id": unit or [],
        "camera_id": camera or [],
        "field_name": field_name,
        "start": start,
        "end": end,
        "status": status or [],
        "min_num_images": min_images,
    }
    sys.exit(run_search(chosen, limit, data, as_json=as_json))
