"""`panoptes-network header`: the header of a FITS file."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from deployments.command_line.choosing import DATA, AsJson, DataFolder, network_in
from deployments.command_line.telling import OK, complaining, print_json
from panoptes.network.errors import BadInput
from panoptes.network.fits.header_json import Json
from panoptes.network.header import NoSuchHdu
from panoptes.network.header_answer import read_answer, stored_header
from panoptes.network.object_paths import BadPath, NotOurs
from panoptes.network.safe_text import one_line
from panoptes.network.storage.folder import FolderStore
from panoptes.network.storage.store import NotFound, Unreadable

app = typer.Typer()


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
