"""Light curves of an observation's stars. Too little to measure is an answer, not a failure."""

from __future__ import annotations

from collections.abc import Mapping

from prefect import State, task
from prefect.cache_policies import NO_CACHE
from prefect.states import Completed

from blocks.network import PanoptesNetwork
from panoptes.network.ingest.retries import RETRIES
from panoptes.network.processing.process import CannotProcess, Processed, process
from panoptes.network.safe_text import one_line
from panoptes.network.stars.catalog import Stars
from tasks.naming import task_run_named
from tasks.policies import BACKOFF

NOTHING = "Nothing to measure"


@task(
    name="process observation",
    task_run_name=task_run_named("process {sequence_id}"),
    retries=RETRIES,
    **BACKOFF,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def make_light_curves(
    network: PanoptesNetwork,
    sequence_id: str,
    extra: Stars | None = None,
    picids: Mapping[str, str] | None = None,
) -> Processed | State[CannotProcess]:
    """Make light curves beside those that were made before; or end as *Nothing to measure*."""
    try:
        return process(network.site, sequence_id, extra=extra, picids=picids)
    except CannotProcess as error:
        return Completed(name=NOTHING, message=one_line(error), data=error)
