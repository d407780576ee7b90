"""`panoptes-network serve`, `lookup`, `header` and `search`."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from pydantic import ValidationError
from rich.console import Console

from deployments.command_line import completing
from deployments.command_line.choosing import (
    DATA,
    AsJson,
    Data,
    DataFolder,
    Network,
    has_catalogue,
    network_in,
)
from deployments.command_line.tables import observations_table
from deployments.command_line.telling import NOT_ALL, OK, complaining, log_to_stderr, print_json
from panoptes.network.catalog.catalog import Stored
from panoptes.network.document_json import document_json
from panoptes.network.errors import BadInput, ConfigurationError, first_fault
from panoptes.network.fits.header_json import Json
from panoptes.network.header import NoSuchHdu
from panoptes.network.lookup.known_names import KnownNames
from panoptes.network.lookup.resolve import resolve_name
from panoptes.network.lookup.resolved import NoSuchName, Resolved
from panoptes.network.object_paths import BadPath, NotOurs
from panoptes.network.safe_text import one_line
from panoptes.network.search import TooMany, find_observations
from panoptes.network.site import Site
from panoptes.network.storage.folder import FolderStore
from panoptes.network.storage.store import NotFound, Unreadable
from panoptes.network.stored_header import read_answer, stored_header

app = typer.Typer()


@app.command()
@complaining("serve")
def serve(
    data: Data = None,
    network: Network = None,
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
            autocompletion=completing.locations,
        ),
    ] = None,
    as_json: AsJson = False,
) -> int:
    """Serve the site, and answer programs: lookup, headers, the search and, if asked for, files.

    Without a token (PANOPTES_SERVICES_TOKEN) only your own programs on this machine are
    answered, unless reads are opened. Stays until Ctrl-C.
    """
    from deployments.services.app import create_app
    from deployments.services.listening import listen, server
    from deployments.services.settings import ServiceSettings

    log_to_stderr()
    said = {"PANOPTES_SERVICES_DATA", "PANOPTES_SERVICES_NETWORK"} & os.environ.keys()
    if data is None and network is None and not said:
        data = DATA
    settings = ServiceSettings.given(
        data=data, network=network, port=port, host=host, open=open_reads or None, files=files
    )
    if network is not None and data is None:
        settings = settings.model_copy(update={"data": None})
    web = create_app(settings.open_network(), settings)
    listener = listen(settings.host, settings.port)
    address, bound = listener.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address
    url = f"http://{shown}:{bound}"
    if as_json:
        print_json({"url": url})
    else:
        told = f"{url} is the site; its /docs lists what programs can ask. Ctrl-C stops."
        sys.stdout.write(f"{told}\n")
        sys.stdout.flush()
    server(web, access_log=True).run(sockets=[listener])
    return OK


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
        sys.stdout.write(one_line(_place(found)) + "\n")
    return OK


def _place(found: Resolved) -> str:
    moment = f" at {found.time:%Y-%m-%d %H:%M:%S} UTC" if found.time else ""
    return f"{found.name}{moment}: RA {found.ra:.6f}, Dec {found.dec:+.6f} ({found.source})"


@app.command()
@complaining(
    "header", failed=(Unreadable, BadInput), nothing=(BadPath, NotOurs, NotFound, NoSuchHdu)
)
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
    data: DataFolder = DATA,
    as_json: AsJson = False,
) -> int:
    """Show the header of a FITS file. Exits with 3 if there is no such file or HDU."""
    if (own := Path(path).expanduser()).is_file():
        answer = _own_header(own.absolute(), hdu)
    else:
        answer = stored_header(network_in(data), path, hdu)
    if as_json:
        print_json(answer)
    else:
        _show_header(answer)
    return OK


def _own_header(file: Path, hdu: str | None) -> dict[str, Json]:
    """Of a file outside of any network, by the same reader."""
    store = FolderStore(file.parent, read_only=True)
    return {"success": True, "path": str(file), **read_answer(store, file.name, hdu, file.as_uri())}


def _show_header(answer: Mapping[str, Json]) -> None:
    shown = answer.get("headers") or [{**_mapping(answer["hdu"]), "header": answer["header"]}]
    assert isinstance(shown, list)
    for each in map(_mapping, shown):
        name = f" {each['name']}" if each["name"] else ""
        sys.stdout.write(one_line(f"HDU {each['index']}{name} ({each['kind']})") + "\n")
        for keyword, value in _mapping(each["header"]).items():
            for one in value if isinstance(value, list) else [value]:
                line = f"{keyword:8} = {json.dumps(one, ensure_ascii=False)}"
                sys.stdout.write(one_line(line) + "\n")
        problems = each["problems"]
        assert isinstance(problems, list)
        sys.stderr.writelines(f"problem: {one_line(problem)}\n" for problem in problems)


def _mapping(value: Json) -> dict[str, Json]:
    assert isinstance(value, dict)
    return value


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
            sys.stderr.write(f"within {selection.radius} degrees of {one_line(_place(found))}\n")
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
