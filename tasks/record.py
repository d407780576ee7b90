"""Writing down what became of a file, and of its observation."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.context import FlowRunContext

from blocks.network import PanoptesNetwork
from panoptes.network.errors import BadInput
from panoptes.network.ingest.lag import NO_RUN, RunTimes
from panoptes.network.ingest.outcome import Derived, FileResult
from panoptes.network.ingest.quarantine import quarantine_file
from panoptes.network.ingest.record import record_image_file
from panoptes.network.ingest.retries import RETRIES
from panoptes.network.ingest.settle import settle_observation
from panoptes.network.names import ObservationName
from panoptes.network.upload import Source
from tasks.policies import BACKOFF
from tasks.refusing import refusing


@task(
    name="record",
    task_run_name="record {source.label}",
    retries=RETRIES,
    **BACKOFF,
    cache_policy=NO_CACHE,
    persist_result=False,
)
@refusing
def record(network: PanoptesNetwork, source: Source, derived: Derived) -> FileResult:
    """Write the documents of an archived file, and take it from `incoming`."""
    return record_image_file(network.site, source, derived, _run_times())


def _run_times() -> RunTimes:
    """Of the flow run that this task belongs to."""
    context = FlowRunContext.get()
    run = context.flow_run if context else None
    return RunTimes(made=run.created, begun=context.start_time) if context and run else NO_RUN


@task(
    name="quarantine",
    task_run_name="quarantine {source.label}",
    retries=RETRIES,
    **BACKOFF,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def quarantine(network: PanoptesNetwork, source: Source, bad: BadInput) -> FileResult:
    """Set a file aside untouched, with the reason."""
    return quarantine_file(network.site, source, bad)


@task(
    name="settle",
    task_run_name="settle {sequence.sequence_id}",
    retries=RETRIES,
    **BACKOFF,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def settle(network: PanoptesNetwork, sequence: ObservationName) -> None:
    """Derive the counts and the status of an observation and its unit."""
    settle_observation(network.site, sequence)
