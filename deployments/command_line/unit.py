"""`panoptes-network unit add`, `list`, `show`, `key` and `url`."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from deployments.command_line import completing
from deployments.command_line.choosing import AsJson, Data, Network, choose_network
from deployments.command_line.telling import OK, complaining, print_json, tell_rows
from deployments.command_line.terminal import cell, plain_table
from panoptes.network.amounts import counted
from panoptes.network.catalog.catalog import Stored
from panoptes.network.document_json import to_json
from panoptes.network.errors import ConfigurationError
from panoptes.network.fits.header_json import Json
from panoptes.network.safe_text import one_line
from panoptes.network.units.cloud import service_account_commands, upload_url
from panoptes.network.units.keys import KeyFolder, checked_key, new_secret
from panoptes.network.units.registry import Place, checked_unit_id, make_folder, register
from panoptes.network.units.report import NOT_SHOWN, unit_report, unit_reports
from panoptes.network.units.telemetry import NoHistory, history

UnitId = Annotated[
    str,
    typer.Argument(
        metavar="UNIT",
        help="PAN and three digits: PAN042.",
        autocompletion=completing.units,
    ),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")]
KEYS = "PANOPTES_SERVICES_KEYS"

app = typer.Typer(
    name="unit",
    help="The telescopes: entering them, their upload keys, and whether they are there.",
    no_args_is_help=True,
)


class NoSuchUnit(Exception):
    """The catalogue has no such unit."""


@app.command()
@complaining("unit add")
def add(
    unit: UnitId,
    name: Annotated[str | None, typer.Option(help="What people call it.")] = None,
    lat: Annotated[float | None, typer.Option(help="Degrees, north positive; with --lon.")] = None,
    lon: Annotated[float | None, typer.Option(help="Degrees, east positive; with --lat.")] = None,
    elevation: Annotated[float | None, typer.Option(help="Metres above sea level.")] = None,
    daily_bytes: Annotated[
        int | None, typer.Option(min=0, help="That it may send a UTC day; 0: no limit.")
    ] = None,
    status: Annotated[
        str | None, typer.Option(help="active, or resting: it may be silent.")
    ] = None,
    dry_run: DryRun = False,
    data: Data = None,
    network: Network = None,
    as_json: AsJson = False,
) -> int:
    """Enter a unit, or change what is given of one. Safe to repeat.

    What you say here is before what its images' headers say. Where incoming is a folder, the
    unit gets one of its own in it.
    """
    if (lat is None) != (lon is None) or (elevation is not None and lat is None):
        raise ConfigurationError("a place is --lat and --lon, and --elevation if you know it")
    place = None if lat is None or lon is None else Place(lat, lon, elevation)
    with choose_network(data, network, make=not dry_run) as site:
        fields = register(
            site,
            unit,
            name=name,
            place=place,
            daily_bytes=daily_bytes,
            status=status,
            dry_run=dry_run,
        )
        folder = None if dry_run else make_folder(site, unit)
    shown = {"unit_id": unit, **{key: to_json(value) for key, value in fields.items()}}
    if as_json:
        print_json({"dry_run": dry_run, "folder": str(folder) if folder else None, "unit": shown})
        return OK
    tell_rows(
        [
            ("unit", unit),
            ("name", shown.get("name")),
            *_place(shown),
            *((key, shown.get(key)) for key in ("status", "daily_bytes", "registered")),
            ("uploads into", folder),
        ]
    )
    if dry_run:
        sys.stderr.write("nothing was written\n")
    return OK


@app.command("list")
@complaining("unit list")
def list_(data: Data = None, network: Network = None, as_json: AsJson = False) -> int:
    """List the units: when each was last heard of, its last image, whether it is safe."""
    with choose_network(data, network) as site:
        reports = list(unit_reports(site))
    if as_json:
        print_json({"units": reports})
        return OK
    table = plain_table()
    for title in ("unit", "last heard of", "last image"):
        table.add_column(title, no_wrap=True)
    for title in ("name", "safe", "remarks"):
        table.add_column(title, overflow="fold")
    for report in reports:
        shown = (
            report["unit_id"],
            _moment(report["last_heard"]),
            _moment(_image(report).get("time")),
            report.get("name"),
            _safe(report),
            _remarks(report),
        )
        table.add_row(*(cell("" if value is None else value) for value in shown))
    table.caption = counted(len(reports), "unit")
    Console().print(table)
    return OK


@app.command()
@complaining("unit show", nothing=(NoSuchUnit,))
def show(
    unit: UnitId,
    last: Annotated[
        int, typer.Option(min=0, max=1000, help="Of what it said of itself, so many records.")
    ] = 10,
    data: Data = None,
    network: Network = None,
    as_json: AsJson = False,
) -> int:
    """Say everything about one unit, and what it said last. Exits with 3 if there is none."""
    with choose_network(data, network) as site:
        stored = site.catalog.get("units", checked_unit_id(unit))
        if stored is None:
            raise NoSuchUnit(f"there is no unit {unit}: nobody entered it, and it sent nothing")
        report = unit_report(site, stored)
        said, why_none = _history(site.catalog, stored, last)
    if as_json:
        print_json({"unit": report, "history": said, "why_no_history": why_none})
        return OK
    tell_rows(
        [
            ("unit", unit),
            ("name", report.get("name")),
            ("registered", report.get("registered") or "by nobody"),
            *_place(report),
            ("last heard of", _moment(report["last_heard"])),
            ("last image", _image(report).get("image_id")),
            ("images", report.get("num_images")),
            ("safe", _safe(report)),
            ("remarks", _remarks(report)),
        ]
    )
    for record in said or ():
        kind, when = record.get("record_type"), _moment(record.get("received_time"))
        values = ", ".join(f"{k} {v}" for k, v in record.items() if k not in _NOT_SAID)
        sys.stdout.write(one_line(f"{when}  {kind}: {values}", most=300) + "\n")
    if why_none:
        sys.stderr.write(f"{why_none}\n")
    return OK


_NOT_SAID = ("record_type", "received_time", "date", "timestamp")


@app.command()
@complaining("unit key")
def key(
    unit: UnitId,
    file: Annotated[
        Path,
        typer.Option("--file", help="The key: a service account's JSON, or what your units need."),
    ],
    keys: Annotated[
        Path | None,
        typer.Option(help=f"The folder where keys wait to be given; else that of {KEYS}."),
    ] = None,
    data: Data = None,
    network: Network = None,
    as_json: AsJson = False,
) -> int:
    """Let a unit fetch its upload key, once: prints the secret for `pocs network get-key`.

    The secret is shown here and kept nowhere; asked again, there is a new one, and the old one
    is worth nothing.
    """
    folder = keys or (Path(os.environ[KEYS]) if os.environ.get(KEYS) else None)
    if folder is None:
        raise ConfigurationError(f"say where keys wait to be given: --keys DIR, or {KEYS}")
    try:
        content = checked_key(file.expanduser().read_bytes())
    except OSError as error:
        raise ConfigurationError(f"{file} cannot be read: {error.strerror}") from error
    with choose_network(data, network) as site:
        if site.catalog.get("units", checked_unit_id(unit)) is None:
            raise ConfigurationError(f"there is no unit {unit} yet: enter it by `unit add`")
        # In this order: who knows the old secret must never be given the new key.
        secret = new_secret(site.catalog, unit)
        KeyFolder(folder.expanduser()).put(unit, content)
    if as_json:
        print_json({"unit_id": unit, "secret": secret})
        return OK
    sys.stdout.write(f"{secret}\n")
    sys.stderr.write(
        f"the secret of {unit}, to be given to its people by a way of its own; shown only now\n"
    )
    return OK


@app.command()
@complaining("unit plan")
def plan(
    unit: UnitId,
    project: Annotated[str, typer.Option(help="The Google Cloud project of the accounts.")],
    data: Data = None,
    network: Network = None,
    as_json: AsJson = False,
) -> int:
    """Print the gcloud commands for a key that can only create this unit's objects."""
    site = choose_network(data, network)
    commands = service_account_commands(site.settings.incoming, unit, project)
    if as_json:
        print_json({"commands": list(commands)})
        return OK
    sys.stdout.writelines(f"{command}\n" for command in commands)
    return OK


@app.command()
@complaining("unit url")
def url(
    unit: UnitId,
    name: Annotated[str, typer.Argument(metavar="NAME", help="UNIT/CAMERA/SEQUENCE/IMAGE.fits")],
    key_file: Annotated[
        Path, typer.Option("--key", help="A service account's JSON, which may create objects.")
    ],
    hours: Annotated[float, typer.Option(min=0.01, max=168, help="Until it expires.")] = 1.0,
    data: Data = None,
    network: Network = None,
    as_json: AsJson = False,
) -> int:
    """Print a URL to which one file of a unit may be uploaded, once, until it expires."""
    from google.oauth2.service_account import Credentials

    try:
        credentials = Credentials.from_service_account_file(str(key_file))  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{key_file} is no service account's key: {error}") from None
    incoming = choose_network(data, network).settings.incoming
    made = upload_url(incoming, unit, name, credentials=credentials, valid=timedelta(hours=hours))
    if as_json:
        print_json({"url": made.url, "headers": made.headers})
        return OK
    headers = " ".join(f"-H '{header}: {value}'" for header, value in made.headers.items())
    sys.stdout.write(f"curl -f -X PUT {headers} --upload-file FILE '{made.url}'\n")
    return OK


def _history(catalog: Any, stored: Stored, last: int) -> tuple[list[dict[str, Json]] | None, str]:
    if not last:
        return [], ""
    try:
        found = history(catalog, stored.key, limit=last)
    except NoHistory as error:
        return None, str(error)
    shown = [each for each in found if each.get("record_type") not in NOT_SHOWN]
    return [{name: to_json(value) for name, value in each.items()} for each in shown], ""


def _image(report: Mapping[str, Json]) -> Mapping[str, Json]:
    image = report["last_image"]
    return image if isinstance(image, dict) else {}


def _safe(report: Mapping[str, Json]) -> str:
    reasons = report["unsafe_because"]
    if isinstance(reasons, list) and reasons:
        return f"no: {', '.join(map(str, reasons))}"
    return "yes" if report["is_safe"] else "not known"


def _remarks(report: Mapping[str, Json]) -> str:
    remarks = [] if report["is_registered"] else ["not registered"]
    most, taken = report["daily_bytes"], report["taken_today"]
    if isinstance(most, int) and isinstance(taken, int):
        remarks.append(f"{taken:,} of {most:,} bytes today")
    return "; ".join(remarks)


def _moment(value: Json) -> str:
    return str(value)[:16].replace("T", " ") if value else "never"


def _place(unit: Mapping[str, Json]) -> Iterator[tuple[str, Json]]:
    place, elevation = unit.get("location"), unit.get("elevation")
    if isinstance(place, dict) and place.keys() == {"latitude", "longitude"}:
        place = f"{place['latitude']}, {place['longitude']} degrees north and east"
    yield "location", place
    yield "elevation", None if elevation is None else f"{elevation} m"
