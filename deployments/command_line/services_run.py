"""What the commands of `deployments.command_line.services` do. Each gives the exit code."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from rich.console import Console
from rich.table import Table

from deployments.command_line.choosing import DATA
from deployments.command_line.exit_codes import FAILED, NOT_ALL, OK
from deployments.command_line.tables import cell
from panoptes.network.catalog.catalog import Stored
from panoptes.network.document_json import document_json
from panoptes.network.errors import BadInput, ConfigurationError, TransientError, first_fault
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


def run_services(**given: Any) -> int:
    """Serve until SIGINT or SIGTERM.

    `given` are fields of `ServiceSettings`; those that are None come from the environment.
    """
    from deployments.services.app import create_app
    from deployments.services.listening import answer, listen
    from deployments.services.settings import ServiceSettings

    logging.basicConfig(
        stream=sys.stderr,
        level=logging.INFO,
        format="%(asctime)s %(levelname)s %(message)s",
        force=True,
    )
    for chatty in ("httpx", "httpcore"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    chosen = {name: value for name, value in given.items() if value is not None}
    named = {"data", "network"} & chosen.keys()
    prefix = "PANOPTES_SERVICES_"
    if not named and not {f"{prefix}DATA", f"{prefix}NETWORK"} & os.environ.keys():
        chosen["data"] = DATA
    try:
        settings = ServiceSettings(**chosen)
        if named == {"network"}:
            settings = settings.model_copy(update={"data": None})
        app = create_app(settings.open_network(), settings)
        listener = listen(settings.host, settings.port)
    except ValidationError as error:
        return _complain("serve", first_fault(error))
    except ConfigurationError as error:
        return _complain("serve", str(error))
    address, port = listener.getsockname()[:2]
    shown = f"[{address}]" if ":" in address else address
    sys.stdout.write(f"http://{shown}:{port} answers; its OpenAPI page is /docs. Ctrl-C stops.\n")
    sys.stdout.flush()
    answer(app, listener, access_log=True)
    return OK


def run_lookup(search_string: str, time: datetime | None, data: Path, *, as_json: bool) -> int:
    """`panoptes-network lookup`."""
    try:
        found = resolve_name(search_string, moment=time, known=_known_names(data))
    except NoSuchName as error:
        return _nothing("lookup", str(error), as_json=as_json)
    except (TransientError, ConfigurationError) as error:
        return _complain("lookup", str(error), as_json=as_json)
    if as_json:
        answer = {"success": True, **found.model_dump(mode="json", exclude_none=True)}
        sys.stdout.write(json.dumps(answer) + "\n")
    else:
        sys.stdout.write(one_line(_place(found)) + "\n")
    return OK


def _known_names(data: Path) -> KnownNames:
    """Those of the folder's catalogue, if it has one; none is made for a lookup."""
    if not (data.expanduser() / "catalog.sqlite").exists():
        return KnownNames(None)
    return KnownNames(Site.in_folder(data).catalog)


def _place(found: Resolved) -> str:
    moment = f" at {found.time:%Y-%m-%d %H:%M:%S} UTC" if found.time else ""
    return f"{found.name}{moment}: RA {found.ra:.6f}, Dec {found.dec:+.6f} ({found.source})"


def run_header(path: str, hdu: str | None, data: Path, *, as_json: bool) -> int:
    """`panoptes-network header`."""
    try:
        if (own := Path(path).expanduser()).is_file():
            answer = _own_header(own.absolute(), hdu)
        else:
            answer = stored_header(_site(data), path, hdu)
    except (BadPath, NotOurs, NotFound, NoSuchHdu) as error:
        return _nothing("header", str(error), as_json=as_json)
    except (Unreadable, TransientError, ConfigurationError) as error:
        return _complain("header", str(error), as_json=as_json)
    except BadInput as error:
        return _complain("header", error.reason, as_json=as_json)
    if as_json:
        sys.stdout.write(json.dumps(answer) + "\n")
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


def run_search(chosen: Mapping[str, object], limit: int, data: Path, *, as_json: bool) -> int:
    """`panoptes-network search`; `chosen` are fields of `Selection`."""
    from deployments.services.models import Selection

    try:
        selection = Selection.model_validate(chosen)
        site = _site(data)
        place = None
        if selection.near is not None:
            found = resolve_name(selection.near, known=KnownNames(site.catalog))
            place = (found.ra, found.dec)
            if not as_json:
                sys.stderr.write(
                    f"within {selection.radius} degrees of {one_line(_place(found))}\n"
                )
        documents: list[Stored] = []
        cursor = None
        while len(documents) < limit:
            page = find_observations(
                site.catalog,
                selection.wanted(place),
                limit=limit - len(documents),
                cursor=cursor,
            )
            documents += page.documents
            cursor = page.following
            if cursor is None:
                break
    except ValidationError as error:
        return _complain("search", first_fault(error))
    except NoSuchName as error:
        return _nothing("search", str(error), as_json=as_json)
    except (TransientError, ConfigurationError, TooMany) as error:
        return _complain("search", str(error), as_json=as_json)
    rows = [document_json(each, "sequence_id") for each in documents]
    if as_json:
        answer = {"success": True, "observations": rows, "more": cursor is not None}
        sys.stdout.write(json.dumps(answer) + "\n")
    else:
        _show_observations(rows, more=cursor is not None)
    return OK if rows else NOT_ALL


_COLUMNS = {
    "observation": "sequence_id",
    "field": "field_name",
    "RA": "ra",
    "Dec": "dec",
    "images": "num_images",
    "seconds": "total_exptime",
    "status": "status",
}


def _show_observations(rows: list[dict[str, Json]], *, more: bool) -> None:
    if not rows:
        sys.stderr.write("there are no such observations\n")
        return
    table = Table(header_style="bold", expand=False, box=None)
    for title, name in _COLUMNS.items():
        is_number = name in ("ra", "dec", "num_images", "total_exptime")
        table.add_column(
            title,
            overflow="fold",
            no_wrap=is_number or name == "sequence_id",
            justify="right" if is_number else "left",
        )
    for row in rows:
        values = (row.get(name) for name in _COLUMNS.values())
        shown = (f"{x:.2f}" if isinstance(x, float) else "" if x is None else x for x in values)
        table.add_row(*map(cell, shown))
    if more:
        table.caption = "there are more: raise --limit"
    Console().print(table)


def _site(data: Path) -> Site:
    if not (data.expanduser() / "catalog.sqlite").exists():
        raise ConfigurationError(
            f"there is no catalogue in {data}: name the network's folder with --data"
        )
    return Site.in_folder(data)


def _nothing(command: str, sentence: str, *, as_json: bool) -> int:
    _complain(command, sentence, as_json=as_json)
    return NOT_ALL


def _complain(command: str, sentence: str, *, as_json: bool = False) -> int:
    if as_json:
        sys.stdout.write(json.dumps({"success": False, "message": sentence}) + "\n")
    sys.stderr.write(f"panoptes-network {command}: {one_line(sentence)}\n")
    return FAILED
