"""What waits in `incoming` and nobody is at work on gets a run; unroutable files go aside.

1. List everything that waits; at the cost of what waits, never of what was ever sent.
2. Files whose names fit no grammar go to quarantine with a reason.
3. Each observation that waits, or whose last run died, gets one run of
   `ingest-observation`, unless a live run holds its lease.
"""

from __future__ import annotations

from typing import Annotated, Any

from prefect import flow, runtime
from prefect.client.schemas.objects import State
from prefect.deployments import run_deployment
from prefect.states import Completed, Failed
from pydantic import Field

from blocks.catalog import Query
from blocks.network import PanoptesNetwork, load_network
from flows.progress import RunProgress
from flows.taking import as_tasks, take_all
from models.errors import ConfigurationError
from models.ingest import Became, summary
from tasks.ledger import now
from tasks.listing import everything_waiting

INGEST = "ingest-observation/local"


@flow(name="sweep-incoming", flow_run_name="sweep incoming", persist_result=False)
def sweep_incoming(
    network: Annotated[
        str, Field(description="Name of the 'PANOPTES network' block to work on.")
    ] = "default",
    start_runs: Annotated[
        bool, Field(description="Start a run for each observation that waits.")
    ] = True,
    deployment: Annotated[
        str, Field(description="The deployment of ingest-observation to start.")
    ] = INGEST,
) -> State[Any]:
    """Quarantine unroutable files and start what waits. Safe to run at any time."""
    try:
        site = load_network(network)
        site.check()
    except ConfigurationError as error:
        return Failed(message=str(error))
    waiting = list(everything_waiting(site))
    progress = RunProgress("sweep-incoming")
    results = list(
        take_all(
            site, [s for s in waiting if s.upload is None], call=as_tasks, watch=progress
        ).values()
    )
    started = 0
    if start_runs:
        observations = {s.upload.sequence_id for s in waiting if s.upload}
        for sequence_id in sorted((observations | abandoned(site)) - held(site)):
            start(deployment, sequence_id, network)
            started += 1
    progress.finish(results)
    message = f"{summary(results)}; {started} runs started"
    if any(result.outcome is Became.FAILED for result in results):
        return Failed(message=message)
    return Completed(message=message)


def start(deployment: str, sequence_id: str, network: str) -> None:
    """Create one run. The key names this sweep: it may try again what a crashed run left."""
    run_deployment(
        deployment,
        parameters={"sequence_id": sequence_id, "network": network},
        idempotency_key=f"{sequence_id}-{runtime.flow_run.id}",
        timeout=0,
        as_subflow=False,
    )


def held(network: PanoptesNetwork) -> set[str]:
    """Observations that a live run is at work on."""
    query = Query("leases", where=[("expires", ">", now())])
    return {stored.key for stored in network.documents.query(query)}


def abandoned(network: PanoptesNetwork) -> set[str]:
    """Observations whose run died before it settled them, whether files wait or not."""
    query = Query("leases", where=[("expires", "<=", now())])
    return {stored.key for stored in network.documents.query(query)}
