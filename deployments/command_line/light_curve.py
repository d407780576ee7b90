"""`panoptes-network light-curve`: the stars of an observation, and one star as a file."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

import typer
from rich.console import Console
from rich.table import Table

from deployments.command_line.choosing import AsJson, Data, Network, Observation, choose_network
from deployments.command_line.telling import OK, complaining, print_json, write_file
from panoptes.network.document_json import to_json
from panoptes.network.ingest.ledger import code_version
from panoptes.network.light_curves.aavso import (
    Reporter,
    Transit,
    Unreportable,
    exoplanet_report,
    extended_report,
)
from panoptes.network.light_curves.rows import csv_text, curve_json
from panoptes.network.light_curves.summaries import StarSummary
from panoptes.network.light_curves.table import COMBINED
from panoptes.network.processing.stored_curves import Star, open_curves, star_of, stars_of
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound

Form = Literal["csv", "json", "fits", "aavso-extended", "aavso-exoplanet"]
app = typer.Typer()
_MOST_ROWS = 30


@app.command("light-curve")
@complaining("light-curve", failed=(Unreportable,), nothing=(NotFound,))
def write(
    sequence_id: Observation,
    star_id: Annotated[
        str | None,
        typer.Argument(metavar="STAR", help="Gaia DR3's source_id; without it the stars."),
    ] = None,
    form: Annotated[Form, typer.Option("--as", help="What is written of the star.")] = "csv",
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", metavar="FILE", help="Standard output by default."),
    ] = None,
    observer: Annotated[
        str, typer.Option(help="For the AAVSO: the observer code that it gave.")
    ] = "",
    planet: Annotated[str, typer.Option(help="For a report of a transit.")] = "",
    name: Annotated[
        str | None, typer.Option(help="For the AAVSO: what the star is called; Gaia's by default.")
    ] = None,
    channel: Annotated[
        str, typer.Option(help="For a report of a transit: all, R, G or B.")
    ] = COMBINED,
    data: Data = None,
    network: Network = None,
    as_json: AsJson = False,
) -> int:
    """The light curve of a star of an observation that was processed, or its brightest stars.

    Exits with 3 if there is none.
    """
    with choose_network(data, network) as site:
        if star_id is None:
            _tell_stars(site, sequence_id, as_json=as_json)
            return OK
        star = star_of(site, sequence_id, star_id)
        if as_json and output is None:
            print_json({"star_id": star_id, "channels": [curve_json(c) for c in star.curves]})
            return OK
        reporting = (observer, planet, name, channel)
        written = _written(star, form, reporting)
    if output is None:
        sys.stdout.buffer.write(written)
        return OK
    write_file(output, written)
    if as_json:
        print_json({"file": str(output), "bytes": len(written)})
    return OK


def _written(star: Star, form: Form, reporting: tuple[str, str, str | None, str]) -> bytes:
    observer, planet, name, channel = reporting
    match form:
        case "fits":
            from panoptes.network.light_curves.lightkurve import fits_file

            return fits_file(star.curves, software=code_version())
        case "json":
            return json.dumps([curve_json(each) for each in star.curves]).encode()
        case "csv":
            return _joined(csv_text(star.curves))
        case "aavso-extended":
            reporter = Reporter(observer, code_version(), star.is_simulated)
            return _joined(extended_report(star.curves, reporter, name=name))
    reporter = Reporter(observer, code_version(), star.is_simulated)
    transit = Transit(planet, star.exposure_seconds, star=name)
    return _joined(exoplanet_report(star.curve(channel), reporter, transit))


def _joined(lines: Iterable[str]) -> bytes:
    return "".join(lines).encode()


def _tell_stars(site: Site, sequence_id: str, *, as_json: bool) -> None:
    found = stars_of(open_curves(site, sequence_id))
    if as_json:
        print_json({"stars": [to_json(asdict(each)) for each in found]})
        return
    table = Table("star", "G", "points", "scatter", "error", box=None, header_style="bold")
    for each in islice(found, _MOST_ROWS):
        table.add_row(each.star_id, *_numbers(each))
    console = Console()
    console.print(table)
    console.print(
        f"The brightest {min(len(found), _MOST_ROWS)} of {len(found)}; scatter and error in mmag, "
        "of all colours together.",
        style="dim",
    )


def _numbers(star: StarSummary) -> tuple[str, ...]:
    millimagnitudes = (f"{1000 * star.scatter:.1f}", f"{1000 * star.error:.1f}")
    return (f"{star.g:.2f}", str(star.points), *millimagnitudes)
