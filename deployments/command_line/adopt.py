"""`panoptes-network adopt`: what was there before this network becomes the network's."""

from __future__ import annotations

import json
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from deployments.command_line.choosing import (
    DATA,
    AsJson,
    Data,
    Network,
    Unit,
    choose_network,
    has_catalogue,
)
from deployments.command_line.tables import progress
from deployments.command_line.telling import NOT_ALL, OK, complaining
from panoptes.network import adoption
from panoptes.network.adoption.adopting import AnotherAdoption
from panoptes.network.adoption.taken import Became, Taken, Tally
from panoptes.network.errors import ConfigurationError
from panoptes.network.safe_text import one_line
from panoptes.network.site import Site
from panoptes.network.storage.store import Unreadable

app = typer.Typer()


@app.command()
@complaining("adopt", failed=(AnotherAdoption, Unreadable))
def adopt(
    data: Data = None,
    network: Network = None,
    unit: Unit = None,
    write: Annotated[
        bool, typer.Option("--write", help="Do it; without, it is only said what would be done.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Take over documents of earlier software, and an archive that no ledger knows.

    Nothing of theirs is moved or lost. Safe to repeat, and to break off. Exits with 0 when all
    is taken over, or would be, 3 when something was left as it is, with the reasons.
    """
    tally = Tally()
    with _chosen(data, network, write=write) as site, closing(site.catalog):
        try:
            taken = adoption.adopt(site, unit=unit, dry_run=not write)
        except ValueError as error:
            raise ConfigurationError(str(error)) from error
        tell = _as_json if as_json else _as_text
        with progress(quiet=as_json, transient=True) as bar:
            task = bar.add_task("", total=None)
            for each in taken:
                bar.update(task, advance=1, description=one_line(each.name))
                if each.became is Became.LEFT:
                    tell(each, is_first=not tally.left)
                tally.add(each)
    if as_json:
        sys.stdout.write("\n]" if tally.left else '{"left": []')
        rest = {"success": True, "counts": tally.as_json(), "written": write}
        sys.stdout.write(f", {json.dumps(rest)[1:]}\n")
    else:
        sys.stdout.write(f"{'' if write else 'would be: '}{tally.sentence}\n")
        if not write and tally.counts:
            sys.stdout.write("Nothing has been written yet: --write does it.\n")
    return NOT_ALL if tally.left else OK


@contextmanager
def _chosen(data: Path | None, network: str | None, *, write: bool) -> Iterator[Site]:
    """The network; an archive in a folder may have no catalogue yet, and a dry run makes none."""
    folder = (data or DATA).expanduser()
    is_archive = network is None and not has_catalogue(folder) and (folder / "images").is_dir()
    if not is_archive:
        site = choose_network(data, network)
        site.check()
        yield site
    elif write:
        site = Site.in_folder(folder)
        site.check()
        yield site
    else:
        with tempfile.TemporaryDirectory(prefix="panoptes-adopt-") as scratch:
            site = Site.in_folder(folder).changed(catalog=f"sqlite:///{scratch}/catalog.sqlite")
            site.catalog.check()
            yield site


def _as_json(left: Taken, *, is_first: bool) -> None:
    sys.stdout.write('{"left": [\n' if is_first else ",\n")
    sys.stdout.write(" " + json.dumps(left.row()))


def _as_text(left: Taken, *, is_first: bool) -> None:
    console = Console(soft_wrap=True)
    for text, style in ((f"left: {left.name}", "yellow"), (f"  {left.reason}", None)):
        console.print(one_line(text), style=style, markup=False, highlight=False)
