"""The catalogue's tables as files, for those who have no server to ask.

1. Look whether there is a place for them, and whether another export is at work.
2. Each table: write it anew, and put it in the place of the one before.
3. Say how many rows each has.
"""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from blocks.network import load_network
from panoptes.network.errors import ConfigurationError, TransientError
from panoptes.network.ingest.lease import alone
from panoptes.network.ingest.watchdog import ended_when_stalled
from panoptes.network.tables import EXPORTING, TABLES, public_store
from tasks.export_table import export_table


@flow(name="export-tables", flow_run_name="export tables", persist_result=False)
def export_tables(network: str = "default") -> State[Any]:
    """Write the tables to the network's `tables`. Safe to run at any time.

    Completes, doing nothing, where the network has no such place.

    Args:
        network: Name of the 'PANOPTES network' block whose catalogue it is.
    """
    try:
        block = load_network(network)
        if block.tables is None:
            return Completed(message="nothing is published: the network's block has no `tables`")
        with ended_when_stalled(block.stall_seconds):
            public_store(block.site)
            with alone(block.site.catalog, EXPORTING, block.lease_seconds) as is_alone:
                if not is_alone:
                    return Cancelled(message="another export is at work")
                written = [export_table(block, table) for table in TABLES]
    except (ConfigurationError, TransientError) as error:
        return Failed(message=str(error))
    return Completed(message="; ".join(str(each) for each in written))
