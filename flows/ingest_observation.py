"""Everything that has arrived for one observation becomes archived, catalogued images.

1. Take the observation's lease, or leave word to its holder and go.
2. List what has arrived and is at rest; files of one image go one after the other, images side
   by side.
3. Each file: open its ledger entry, derive, verify, record; or quarantine it with a reason.
4. List again until nothing is new, once a moment later for what was just changing; settle
   the observation's counts; give the lease back.
   A run that may take only so many files stops earlier, and has the rest queued again.

`ingest` is the whole composition. It runs its steps as Prefect tasks from the flow below,
or as plain calls from the command line.
"""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from blocks.network import PanoptesNetwork, load_network
from flows.announcing import announce_cases
from flows.naming import named
from flows.progress import RunProgress
from flows.starting import start_next
from panoptes.network.errors import ConfigurationError, TryAgain
from panoptes.network.ingest.backlog import first_batch
from panoptes.network.ingest.lease import Lease, take_when_free
from panoptes.network.ingest.listing import waiting_for
from panoptes.network.ingest.outcome import Became, FileResult, summary
from panoptes.network.ingest.rest import Patience, at_rest
from panoptes.network.ingest.retries import keep_trying
from panoptes.network.ingest.settle import settle
from panoptes.network.ingest.taking import Call, Watch, as_tasks, take_all
from panoptes.network.ingest.watchdog import ended_when_stalled
from panoptes.network.names import Sequence, parse_sequence_id


class AnotherRun(Exception):
    """Another run holds the observation; it has been told to look again."""


def ingest(
    network: PanoptesNetwork,
    sequence: Sequence,
    *,
    call: Call,
    watch: Watch,
    patience: float = 0.0,
) -> list[FileResult]:
    """Ingest what waits for an observation; gives what became of each file at last.

    Raises AnotherRun if another run keeps the observation for longer than `patience`
    seconds.
    """
    return ingest_batch(network, sequence, call=call, watch=watch, patience=patience)[0]


def ingest_batch(
    network: PanoptesNetwork,
    sequence: Sequence,
    *,
    call: Call,
    watch: Watch,
    patience: float = 0.0,
    most_files: int | None = None,
) -> tuple[list[FileResult], bool]:
    """As `ingest`, but about `most_files` at most; also says whether another run is due.

    None is due where nothing could be done for any file: it would meet the same again.
    """
    lease = Lease(network.documents, sequence.sequence_id, network.lease_seconds)
    if not keep_trying(take_when_free, lease, patience=patience):
        raise AnotherRun
    results: dict[tuple[str, int], FileResult] = {}
    patience_left = Patience(network.rest_seconds)
    with lease.kept_alive():
        while True:
            found = at_rest(
                network,
                (
                    source
                    for source in keep_trying(waiting_for, network, sequence)
                    if (source.name, source.generation) not in results
                ),
            )
            new = found.ready
            if most_files is not None:
                new = keep_trying(first_batch, network, new, most_files)
            if new and not (most_files and results):
                results |= take_all(network, new, call=call, watch=watch)
                continue
            if not new and patience_left.wait(found.left, watch.resting):
                continue
            call(settle, network, sequence)
            if new:
                keep_trying(lease.drop)  # the next run lists everything anyway
            elif not keep_trying(lease.give_back):
                continue
            last = {name: result for (name, _), result in results.items()}
            last |= {result.name: result for result in found.results()}
            rows = list(last.values())
            return rows, bool(new) and any(r.outcome is not Became.FAILED for r in rows)


@flow(name="ingest-observation", flow_run_name=named("ingest {sequence_id}"), persist_result=False)
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
        site = load_network(network)
    except (ValueError, ConfigurationError) as error:
        return Failed(message=str(error))
    with ended_when_stalled(site.stall_seconds):
        try:
            site.check()
        except (ConfigurationError, TryAgain) as error:
            return Failed(message=str(error))
        return _ingest_as_flow(site, sequence, network, most_files)


def _ingest_as_flow(
    site: PanoptesNetwork, sequence: Sequence, network: str, most_files: int | None
) -> State[Any]:
    progress = RunProgress(sequence.sequence_id)
    try:
        results, more = ingest_batch(
            site, sequence, call=as_tasks, watch=progress, most_files=most_files
        )
    except AnotherRun:
        return Completed(message="another run is at work on it and will look again")
    except TryAgain as away:
        return Failed(message=f"broken off, the next sweep goes on: {away}")
    progress.finish(results)
    keep_trying(announce_cases, site, sequence_id=sequence.sequence_id)
    message = summary(results)
    if more and _queue_rest(sequence, network, most_files):
        message += "; the rest is queued again"
    if any(result.outcome is Became.FAILED for result in results):
        return Failed(message=message)
    return Completed(message=message)


def _queue_rest(sequence: Sequence, network: str, most_files: int | None) -> bool:
    return start_next(sequence_id=sequence.sequence_id, network=network, most_files=most_files)
