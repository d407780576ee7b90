"""`panoptes-network export-tables`: the catalogue's tables as files that everybody reads."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from deployments.command_line.choosing import AsJson, Data, Network, choose_network
from deployments.command_line.telling import OK, complaining, print_json
from deployments.command_line.terminal import progress
from panoptes.network.addresses import checked_store
from panoptes.network.errors import ConfigurationError
from panoptes.network.ingest.lease import alone
from panoptes.network.ingest.retries import keep_trying
from panoptes.network.tables import EXPORTING, TABLES, export_table, public_store

app = typer.Typer()


@app.command("export-tables")
@complaining("export-tables")
def export_tables(
    to: Annotated[
        str | None,
        typer.Option(
            metavar="WHERE",
            help="A folder, or gs://BUCKET/PREFIX; by default the network's `tables`.",
        ),
    ] = None,
    data: Data = None,
    network: Network = None,
    as_json: AsJson = False,
) -> int:
    """Write observations.csv, recent.csv, stats.csv and images.parquet.

    Each is written in place of the one before.
    """
    site = choose_network(data, network)
    if to is not None:
        try:
            site = site.changed(tables=checked_store(to))
        except ValueError as error:
            raise ConfigurationError(f"--to: {error}") from error
    site.check()
    public_store(site)
    with (
        site,
        alone(site.catalog, EXPORTING, site.settings.lease_seconds) as is_alone,
    ):
        if not is_alone:
            raise ConfigurationError("another export is at work")
        wanted, written = TABLES, []
        with progress(quiet=as_json, transient=True) as bar:
            task = bar.add_task("", total=len(wanted))
            for table in wanted:
                bar.update(task, description=table.name)
                written.append(keep_trying(export_table, site, table))
                bar.advance(task)
                if not as_json:
                    sys.stdout.write(f"{written[-1]}\n")
    if as_json:
        print_json({"tables": [asdict(each) for each in written]})
    return OK
