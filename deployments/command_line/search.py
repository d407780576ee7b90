"""`panoptes-network search`: observations."""

from __future__ import annotations

import sys
from datetime import datetime
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console

from deployments.command_line import completing
from deployments.command_line.choosing import DATA, AsJson, DataFolder, network_in
from deployments.command_line.lookup import in_words
from deployments.command_line.telling import NOT_ALL, OK, complaining, print_json
from deployments.command_line.terminal import observations_table
from panoptes.network.catalog.catalog import Stored
from panoptes.network.document_json import document_json
from panoptes.network.errors import ConfigurationError, first_fault
from panoptes.network.lookup.known_names import KnownNames
from panoptes.network.lookup.resolve import resolve_name
from panoptes.network.lookup.resolved import NoSuchName
from panoptes.network.safe_text import one_line
from panoptes.network.search import TooMany, find_observations

app = typer.Typer()


@app.command()
@complaining("search", failed=(TooMany,), nothing=(NoSuchName,))
def search(
    near: Annotated[
        str | None, typer.Option(metavar="NAME", help="Around a name, or coordinates.")
    ] = None,
    radius: Annotated[
        float, typer.Option(min=0, max=180, help="Degrees around that place.")
    ] = 10.0,
    unit: Annotated[
        list[str] | None,
        typer.Option(help="Of this unit; may be repeated.", autocompletion=completing.units),
    ] = None,
    camera: Annotated[
        list[str] | None,
        typer.Option(help="Of this camera; may be repeated.", autocompletion=completing.cameras),
    ] = None,
    field_name: Annotated[
        str | None, typer.Option("--field", help="Of this field; * stands for any text.")
    ] = None,
    start: Annotated[datetime | None, typer.Option(help="Begun then or later; UTC.")] = None,
    end: Annotated[datetime | None, typer.Option(help="Begun then or earlier; UTC.")] = None,
    status: Annotated[
        list[str] | None,
        typer.Option(help="May be repeated.", autocompletion=completing.statuses),
    ] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Marked so; may be repeated.")] = None,
    image_type: Annotated[
        list[str] | None,
        typer.Option(help="Of darks, flats, ... in place of lights; 'any' for all."),
    ] = None,
    min_images: Annotated[int | None, typer.Option(min=0, help="With so many or more.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The most to show.")] = 100,
    data: DataFolder = DATA,
    as_json: AsJson = False,
) -> int:
    """List observations, the newest first. Exits with 3 if there are none."""
    from deployments.services.models import Selection

    try:
        selection = Selection(
            near=near,
            radius=radius,
            unit_id=unit or [],
            camera_id=camera or [],
            field_name=field_name,
            start=start,
            end=end,
            status=status or [],
            tag=tag or [],
            image_type=image_type or ["light"],
            min_num_images=min_images,
        )
    except ValidationError as error:
        raise ConfigurationError(first_fault(error)) from None
    site = network_in(data)
    place = None
    if selection.near is not None:
        found = resolve_name(selection.near, known=KnownNames(site.catalog))
        place = (found.ra, found.dec)
        if not as_json:
            sys.stderr.write(f"within {selection.radius} degrees of {one_line(in_words(found))}\n")
    wanted = selection.wanted(place)
    documents: list[Stored] = []
    cursor = None
    while len(documents) < limit:
        page = find_observations(site.catalog, wanted, limit=limit - len(documents), cursor=cursor)
        documents += page.documents
        cursor = page.following
        if cursor is None:
            break
    rows = [document_json(each, "sequence_id") for each in documents]
    if as_json:
        print_json({"observations": rows, "more": cursor is not None})
    elif rows:
        more = "there are more: raise --limit" if cursor else None
        quiet_hours = site.settings.quiet_hours
        Console().print(observations_table(documents, quiet_hours=quiet_hours, more=more))
    else:
        sys.stderr.write("there are no such observations\n")
    return OK if rows else NOT_ALL
