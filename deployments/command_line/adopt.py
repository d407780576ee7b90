"""`panoptes-network adopt`: what was there before this network becomes the network's."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
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
from deployments.command_line.telling import NOT_ALL, OK, JsonRows, complaining
from deployments.command_line.terminal import progress
from panoptes.network import adoption
from panoptes.network.adoption.adopting import AnotherAdoption
from panoptes.network.adoption.taken import Done, TakenOver, Tally
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
    with _chosen(data, network, write=write) as site, site:
        try:
            taken = adoption.adopt(site, unit=unit, dry_run=not write)
        except ValueError as error:
            raise ConfigurationError(str(error)) from error
        rows, console = JsonRows("left"), Console(soft_wrap=True)
        with progress(quiet=as_json, transient=True) as bar:
            task = bar.add_task("", total=None)
            for each in taken:
                bar.update(task, advance=1, description=one_line(each.name))
                if each.became is Done.LEFT:
                    if as_json:
                        rows.row(each.row())
                    else:
                        _tell(console, each)
                tally.add(each)
    if as_json:
        rows.end({"counts": tally.as_json(), "written": write})
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


def _tell(console: Console, left: TakenOver) -> None:
    for text, style in ((f"left: {left.name}", "yellow"), (f"  {left.reason}", None)):
        console.print(one_line(text), style=style, markup=False, highlight=False)
