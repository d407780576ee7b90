"""A table of the catalogue as a file that everybody reads."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.network import PanoptesNetwork
from panoptes.network import tables
from panoptes.network.ingest.retries import RETRIES
from panoptes.network.tables import Exported, Table
from tasks.policies import BACKOFF


@task(
    name="export table",
    task_run_name="export {table.name}",
    retries=RETRIES,
    **BACKOFF,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def export_table(network: PanoptesNetwork, table: Table) -> Exported:
    """Write a table and put it in the place of the one before."""
    return tables.export_table(network.site, table)
