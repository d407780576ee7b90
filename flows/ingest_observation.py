"""Everything that has arrived for one observation becomes archived, catalogued images.

1. Take the observation's lease, or leave word to its holder and go.
2. List what has arrived and is at rest; a task for each image, side by side on the network's
   task runner.
3. Each file of an image: derive, verify, record; or quarantine it with a reason.
4. List again until nothing is new, once a moment later for what was just changing; settle
   the observation's counts; give the lease back.
   A run that may take only so many files stops earlier, and has the rest queued again.

The composition is `panoptes.network.ingest.observation`; `tasks.ingest_image` has its steps.
"""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from blocks.network import PanoptesNetwork, load_network
from flows.artifacts.progress import RunProgress
from flows.artifacts.run_report import leave_report
from flows.events import announce_cases
from flows.runs import start_next
from panoptes.network.errors import ConfigurationError, TransientError
from panoptes.network.ingest import observation
from panoptes.network.ingest.outcome import Became, summary
from panoptes.network.ingest.retries import keep_trying
from panoptes.network.ingest.watchdog import ended_when_stalled
from panoptes.network.names import ObservationName, parse_sequence_id
from tasks.ingest_image import AsTasks
from tasks.naming import flow_run_named


@flow(
    name="ingest-observation",
    flow_run_name=flow_run_named("ingest {sequence_id}"),
    persist_result=False,
)
def ingest_observation(
    sequence_id: str, network: str = "default", most_files: int | None = None
) -> State[Any]:
    """Archive and catalogue every file that waits for one observation.

    Completes when every file is archived, filed or in quarantine with a reason; fails,
    saying which, when a file could not be taken for another reason. Safe to run again.

    Args:
        sequence_id: The observation, UNIT_CAMERA_SEQUENCETIME: PAN001_14d3bd_20180216T110623.
        network: Name of the 'PANOPTES network' block to work on.
        most_files: About how many files to take before making way for other runs; the rest
            is queued again behind them. All, if it is empty.
    """
    try:
        sequence = parse_sequence_id(sequence_id)
        block = load_network(network)
    except (ValueError, ConfigurationError) as error:
        return Failed(message=str(error))
    with ended_when_stalled(block.stall_seconds):
        try:
            block.site.check()
        except (ConfigurationError, TransientError) as error:
            return Failed(message=str(error))
        return _ingest(block, sequence, network, most_files)


def _ingest(
    block: PanoptesNetwork, sequence: ObservationName, network: str, most_files: int | None
) -> State[Any]:
    progress = RunProgress(sequence.sequence_id)
    try:
        results, more = observation.ingest_observation(
            block.site, sequence, steps=AsTasks(block), watch=progress, max_files=most_files
        )
    except observation.AnotherRun:
        return Completed(message="another run is at work on it and will look again")
    except ConfigurationError as error:
        return Failed(message=str(error))
    except TransientError as away:
        return Failed(message=f"broken off, the next sweep goes on: {away}")
    progress.finish(results)
    keep_trying(announce_cases, block.site, sequence_id=sequence.sequence_id)
    message = summary(results)
    if more and start_next(
        sequence_id=sequence.sequence_id, network=network, most_files=most_files
    ):
        message += "; the rest is queued again"
    leave_report(block.site, sequence.sequence_id, results)
    if any(result.became is Became.FAILED for result in results):
        return Failed(message=message)
    return Completed(message=message)
