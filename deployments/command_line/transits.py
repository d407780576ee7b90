"""`panoptes-network transits`: stars that dim like one with a planet, in a night or a season."""

from __future__ import annotations

import math
from datetime import date
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from deployments.command_line import completing
from deployments.command_line.choosing import (
    AsJson,
    Data,
    Network,
    Unit,
    as_night,
    choose_network,
)
from deployments.command_line.telling import OK, complaining, print_json
from deployments.command_line.terminal import cell, progress
from panoptes.network.amounts import counted
from panoptes.network.errors import ConfigurationError
from panoptes.network.light_curves.barycentre import moment_of
from panoptes.network.processing.stored_curves import open_curves
from panoptes.network.processing.transit_search import (
    FAINTEST,
    FoundStar,
    Search,
    observations_between,
    search_observation,
    search_observations,
    search_star,
)
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound
from panoptes.network.transits.series import LEAST_HOURS

app = typer.Typer()
_WORDS = (
    "hours and depth, in mmag, of a box, roughly the transit's; seen: transits; near: stars whose "
    "light may be in it"
)
_PERIOD_WORDS = (
    "; period in days; odd: every other transit against the rest, in standard deviations"
)
_Day = Annotated[str | None, typer.Option(metavar="DATE", help="Of a season: 2026-03-01, UTC.")]


@app.command("transits")
@complaining("transits", nothing=(NotFound,))
def find(
    sequence_id: Annotated[
        str | None,
        typer.Argument(
            metavar="OBSERVATION",
            help="One night, in which a transit is looked for.",
            autocompletion=completing.observations,
        ),
    ] = None,
    star: Annotated[
        str | None,
        typer.Option(metavar="KEY", help="One star in all its nights: gaia_dr3:SOURCE_ID."),
    ] = None,
    since: _Day = None,
    until: _Day = None,
    unit: Unit = None,
    faintest: Annotated[
        float, typer.Option(help="Of a night or a season: no star fainter than this G.")
    ] = FAINTEST,
    data: Data = None,
    network: Network = None,
    as_json: AsJson = False,
) -> int:
    """Stars that dim like one with a planet, with what a person needs to judge them.

    Of one observation, of one star in all nights (--star), or of all bright stars in a season
    (--since, and perhaps --until). Only what was processed is looked at.
    """
    if [sequence_id, star, since].count(None) != 2:
        raise ConfigurationError(
            "name one observation, one star (--star) or a season (--since): one of the three"
        )
    first = date.fromisoformat(as_night(since, "--since")) if since else None
    last = date.fromisoformat(as_night(until, "--until")) if until else None
    with choose_network(data, network) as site:
        if star is not None:
            found = search_star(site, star)
        elif sequence_id is not None:
            found = search_observation(open_curves(site, sequence_id), faintest=faintest)
        else:
            assert first is not None
            found = _season(site, first, last, unit, faintest, quiet=as_json)
    if as_json:
        print_json(found.as_json())
    else:
        _print(found)
    return OK


def _season(
    site: Site, first: date, last: date | None, unit: str | None, faintest: float, *, quiet: bool
) -> Search:
    observations = observations_between(site, first, last, unit)
    with progress(quiet=quiet, transient=True) as bar:
        task = bar.add_task("searching stars", total=None)
        return search_observations(
            site, observations, faintest=faintest, on_star=lambda: bar.advance(task)
        )


def _print(found: Search) -> None:
    console = Console()
    if found.found:
        columns, words = ["G", "hours", "depth", "S/N", "seen", "near"], _WORDS
        if any(each.candidate.period is not None for each in found.found):
            columns += ["period", "odd"]
            words += _PERIOD_WORDS
        table = Table(
            Column("star", no_wrap=True, min_width=19),
            *columns,
            box=None,
            padding=(0, 1, 0, 0),
            header_style="bold",
        )
        for each in found.found:
            told = _row(each)
            table.add_row(cell(each.star_id), *(told[name] for name in columns))
        console.print(table)
        console.print(f"{words}; --json tells more.", style="dim")
        for each in found.found:
            console.print(cell(f"{each.star_id}: {_times(each)}"))
    if found.simulated:
        simulated = counted(len(found.simulated), "observation")
        console.print(f"{simulated} of {len(found.observations)} simulated: no telescope saw it")
    for sequence_id in found.left_out:
        console.print(cell(f"{sequence_id}: its light curves cannot be read"))
    if found.stars:
        observations = counted(len(found.observations), "observation")
        console.print(f"{len(found.found)} of {found.stars} stars in {observations}")
    elif len(found.observations) > len(found.too_short):
        console.print("No star was seen in two nights, as a search for periods needs.")
    elif not found.observations:
        console.print("There are no light curves to search.")
    for sequence_id in found.too_short:
        console.print(
            cell(
                f"{sequence_id}: too short to search, no star that is bright enough was seen for "
                f"{LEAST_HOURS:g} hours"
            )
        )


def _times(star: FoundStar) -> str:
    found = star.candidate
    moment = moment_of(found.epoch, star.ra, star.dec)
    told = f"{moment:%Y-%m-%d %H:%M} UTC, " if moment else ""
    told = f"middle {told}BJD_TDB {found.epoch:.4f}"
    if found.alternatives:
        others = ", ".join(f"{period:.4f}" for period in found.alternatives)
        told += f"; periods that fit as well: {others}"
    return told


def _row(star: FoundStar) -> dict[str, str]:
    found = star.candidate
    odd = found.odd_even_sigma
    return {
        "G": f"{star.g:.2f}",
        "hours": f"{found.hours:.1f}",
        "depth": f"{1000 * found.depth:.1f}±{1000 * found.depth_error:.1f}",
        "S/N": f"{found.snr:.1f}",
        "seen": str(len(found.transits)),
        "near": str(len(found.neighbours)),
        "period": "" if found.period is None else f"{found.period:.4f}",
        "odd": "" if math.isnan(odd) else f"{odd:.1f}",
    }
