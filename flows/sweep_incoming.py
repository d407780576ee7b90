"""What waits in `incoming` and nobody is at work on gets a run; unroutable files go aside.

1. List everything that waits; at the cost of what waits, never of what was ever sent.
2. Files whose names fit no grammar go to quarantine with a reason, once they are at rest.
3. Observations that have had no files for some hours are received: settle them.
4. Each observation of which a file is at rest, or whose last run died, gets one run of
   `ingest-observation`, unless a live run holds its lease or a run of it is still to come.
   Those of old nights are queued behind tonight's, as `backfill`.
5. Say what waits, so that a growing backlog is noticed, and tell Prefect of what went to
   quarantine and of observations that are complete.
"""

from __future__ import annotations

from typing import Any

from prefect import flow, runtime
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.events import emit_event
from prefect.states import Completed, Failed

from blocks.network import PanoptesNetwork, load_network
from flows.artifacts.progress import RunProgress
from flows.events import announce_cases, announce_observations
from flows.runs import INGEST, INGEST_BACKFILL, Runs
from panoptes.network.amounts import counted
from panoptes.network.errors import ConfigurationError, TransientError
from panoptes.network.ingest.at_rest import at_rest
from panoptes.network.ingest.backlog import (
    SWEPT,
    Survey,
    abandoned,
    fallen_quiet,
    held,
    is_old,
    survey,
)
from panoptes.network.ingest.lease import alone
from panoptes.network.ingest.outcome import Became, summary
from panoptes.network.ingest.retries import keep_trying
from panoptes.network.ingest.take import take_all
from panoptes.network.ingest.watchdog import ended_when_stalled, progressing
from panoptes.network.processing.owed import tell_again
from panoptes.network.site import Site
from panoptes.network.units.health import health_of
from tasks.ingest_image import AsTasks

SWEEPING = "sweep-incoming"
"""The lease of a sweep: two at once would find the same."""


@flow(name="sweep-incoming", flow_run_name="sweep incoming", persist_result=False)
def sweep_incoming(
    network: str = "default",
    start_runs: bool = True,
    deployment: str = INGEST,
    overdue_after: float = 900.0,
    most_runs: int = 1000,
    backfill: str = INGEST_BACKFILL,
) -> State[Any]:
    """Quarantine unroutable files and start what waits. Safe to run at any time.

    Args:
        network: Name of the 'PANOPTES network' block to work on.
        start_runs: Whether to start a run for each observation that waits.
        deployment: The deployment of ingest-observation to start, FLOW/DEPLOYMENT.
        overdue_after: Seconds after which a file counts as overdue; three windows.
        most_runs: How many runs one sweep starts; those that wait longest come first. Of old
            nights, how many runs it lets wait at a time.
        backfill: The deployment to start for observations of old nights, which the network's
            `live_nights` tells; it makes way for the others.
    """
    try:
        block = load_network(network)
        site = block.site
        with ended_when_stalled(block.stall_seconds):
            site.check()
            with alone(site.catalog, SWEEPING, block.lease_seconds) as is_alone:
                if not is_alone:
                    return Completed(message="another sweep is at work")
                return _sweep(
                    block, network, start_runs, (deployment, backfill),
                    overdue_after, most_runs,
                )  # fmt: skip
    except (ConfigurationError, TransientError) as error:
        return Failed(message=str(error))


def _sweep(
    block: PanoptesNetwork,
    network: str,
    start_runs: bool,
    deployments: tuple[str, str],
    overdue_after: float,
    most_runs: int,
) -> State[Any]:
    site, steps = block.site, AsTasks(block)
    found = survey(site)
    # Their names say nothing: they go aside once nobody writes them any more.
    progress = RunProgress("sweep-incoming")
    ripe = at_rest(site, found.unroutable).ready
    results = list(take_all(ripe, steps=steps, watch=progress).values())
    aside = {result.name for result in results if result.became is Became.QUARANTINED}
    found.unroutable[:] = [source for source in found.unroutable if source.name not in aside]
    progress.finish(results)
    keep_trying(announce_cases, site)
    busy = held(site)
    for sequence in progressing(fallen_quiet(site, busy=busy | found.observations.keys())):
        steps.settle(sequence)
    keep_trying(tell_again, site)
    keep_trying(announce_observations, site, busy=busy | found.observations.keys())
    started = left = 0
    if start_runs:
        started, left = start_waiting(site, found, network, deployments, busy=busy, most=most_runs)
    backlog = found.backlog(overdue_after=overdue_after, held=busy)
    backlog = backlog.model_copy(update={"started": started, "unroutable": len(results)})
    emit_event(
        SWEPT,
        resource={"prefect.resource.id": f"panoptes.network.{network}"},
        payload=backlog.model_dump() | health_of(site).model_dump(),
    )
    message = f"{summary(results)}; {counted(started, 'run')} started"
    if left:
        message += f", {counted(left, 'more observation', 'wait')} for the next sweep"
    if backlog.overdue:
        message += f"; {backlog.sentence}"
    if backlog.over_limit:
        units = ", ".join(sorted(found.spent))
        files = counted(backlog.over_limit, "file", "wait")
        message += f"; {files} beyond what is enough for a day of {units}"
    if backlog.passing:
        message += (
            f"; {counted(backlog.passing, 'file')} unchanged for a day under passing names "
            "(NAME.part, .NAME.XXXXXX): rename what is whole, upload the others again"
        )
    for why, count in found.stuck.most_common(3):
        message += f"; {counted(count, 'file', 'stay')} in incoming though done: {why}"
    if any(result.became is Became.FAILED for result in results):
        return Failed(message=message)
    return Completed(message=message)


def start_waiting(
    site: Site,
    found: Survey,
    network: str,
    deployments: tuple[str, str],
    *,
    busy: set[str],
    most: int,
) -> tuple[int, int]:
    """Create a run for what nobody will take otherwise; gives how many, and how many are left.

    `deployments` are those for tonight and for old nights. Of the latter no more than `most`
    runs wait at a time, so that neither Prefect nor the next sweep has to look at thousands.
    """
    ready = [name for name, waiting in found.observations.items() if waiting.is_ready]
    ready.sort(key=lambda name: found.observations[name].since)
    wanted = [*sorted(abandoned(site) - set(ready)), *ready]
    with get_client(sync_client=True) as client:
        live, behind = (Runs(client, deployment, network) for deployment in deployments)
        due = behind.due(start_seconds=site.settings.lease_seconds)
        taken = busy | due | live.due(start_seconds=site.settings.lease_seconds)
        wanted = [name for name in wanted if name not in taken]
        ages = {name: is_old(name, found.moment, site.settings.live_nights) for name in wanted}
        new = [name for name in wanted if not ages[name]]
        old = [name for name in wanted if ages[name]]
        # One key for all of a sweep's tries, another for each sweep.
        key = str(runtime.flow_run.id)
        started = live.start(progressing(new[:most]), key=key)
        room = max(0, most - max(started, len(due)))
        started += behind.start(progressing(old[:room]), key=key)
    return started, len(wanted) - started
