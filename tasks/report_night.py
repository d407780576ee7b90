"""A unit's night, found in the catalogue."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.network import PanoptesNetwork
from panoptes.network import nights
from panoptes.network.ingest.retries import RETRIES
from panoptes.network.nights import UnitNight
from tasks.naming import task_run_named
from tasks.policies import BACKOFF


@task(
    name="report night",
    task_run_name=task_run_named("report {unit_id}, {night}"),
    retries=RETRIES,
    **BACKOFF,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def report_night(network: PanoptesNetwork, unit_id: str, night: str) -> UnitNight:
    """What is known of a unit's night, which may still be going on."""
    return nights.unit_night(network.site, unit_id, night)
