"""`panoptes-network lookup`: a name, or coordinates, to a place on the sky."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Annotated

import typer

from deployments.command_line.choosing import DATA, AsJson, DataFolder, has_catalogue
from deployments.command_line.telling import OK, complaining, print_json
from panoptes.network.lookup.known_names import KnownNames
from panoptes.network.lookup.resolve import resolve_name
from panoptes.network.lookup.resolved import NoSuchName, Resolved
from panoptes.network.safe_text import one_line
from panoptes.network.site import Site

app = typer.Typer()


@app.command()
@complaining("lookup", nothing=(NoSuchName,))
def lookup(
    search_string: Annotated[
        str, typer.Argument(metavar="NAME", help="A name, or coordinates in any notation.")
    ],
    time: Annotated[
        datetime | None, typer.Option(help="For the Sun, the Moon and planets; UTC. Now.")
    ] = None,
    data: DataFolder = DATA,
    as_json: AsJson = False,
) -> int:
    """Say where something is on the sky.

    Coordinates, planets and Messier, NGC, IC and common names need no network; other names
    are asked of Sesame and remembered in the catalogue, if there is one. Exits with 3 if
    nothing is known by this name.
    """
    # None is made for a lookup.
    catalog = Site.in_folder(data).catalog if has_catalogue(data) else None
    found = resolve_name(search_string, moment=time, known=KnownNames(catalog))
    if as_json:
        print_json(found.model_dump(mode="json", exclude_none=True))
    else:
        sys.stdout.write(one_line(in_words(found)) + "\n")
    return OK


def in_words(found: Resolved) -> str:
    """Where it is, and who says so."""
    moment = f" at {found.time:%Y-%m-%d %H:%M:%S} UTC" if found.time else ""
    return f"{found.name}{moment}: RA {found.ra:.6f}, Dec {found.dec:+.6f} ({found.source})"
