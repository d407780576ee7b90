"""The film of an observation."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.network import PanoptesNetwork
from panoptes.network.ingest.retries import RETRIES
from panoptes.network.timelapse import TooFewImages, timelapse
from tasks.naming import task_run_named
from tasks.policies import BACKOFF


@task(
    name="make timelapse",
    task_run_name=task_run_named("timelapse of {sequence_id}"),
    retries=RETRIES,
    **BACKOFF,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def make_timelapse(network: PanoptesNetwork, sequence_id: str) -> bool:
    """Make and keep the film of an observation, if it has images enough; whether there is one."""
    try:
        return timelapse(network.site, sequence_id).kept is not None
    except TooFewImages:
        return False
