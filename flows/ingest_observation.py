"""Everything that has arrived for one observation becomes archived, catalogued images.

1. Take the observation's lease, or leave word to its holder and go.
2. List what has arrived; files of one image go one after the other, images side by side.
3. Each file: open its ledger entry, derive, verify, record; or quarantine it with a reason.
4. List again until nothing is new; settle the observation's counts; give the lease back.

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
from flows.progress import RunProgress
from flows.taking import Call, Watch, as_tasks, take_all
from models.errors import ConfigurationError
from models.ingest import Became, FileResult, summary
from models.names import Sequence, parse_sequence_id
from tasks.lease import Lease, take_when_free
from tasks.listing import waiting_for
from tasks.retries import keep_trying
from tasks.settle import settle


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
    lease = Lease(network.documents, sequence.sequence_id, network.lease_seconds)
    if not keep_trying(take_when_free, lease, patience=patience):
        raise AnotherRun
    results: dict[tuple[str, int], FileResult] = {}
    with lease.kept_alive():
        while True:
            new = [
                source
                for source in keep_trying(waiting_for, network, sequence)
                if (source.name, source.generation) not in results
            ]
            if new:
                results |= take_all(network, new, call=call, watch=watch)
                continue
            call(settle, network, sequence)
            if keep_trying(lease.give_back):
                return list({name: result for (name, _), result in results.items()}.values())


@flow(name="ingest-observation", flow_run_name="ingest {sequence_id}", persist_result=False)
def ingest_observation(sequence_id: str, network: str = "default") -> State[Any]:
    """Archive and catalogue every file that waits for one observation.

    Completes when every file is archived, filed or in quarantine with a reason; fails,
    saying which, when a file could not be taken for another reason. Safe to run again.

    Args:
        sequence_id: The observation, UNIT_CAMERA_SEQUENCETIME: PAN001_14d3bd_20180216T110623.
        network: Name of the 'PANOPTES network' block to work on.
    """
    try:
        sequence = parse_sequence_id(sequence_id)
        site = load_network(network)
        site.check()
    except (ValueError, ConfigurationError) as error:
        return Failed(message=str(error))
    progress = RunProgress(sequence.sequence_id)
    try:
        results = ingest(site, sequence, call=as_tasks, watch=progress)
    except AnotherRun:
        return Completed(message="another run is at work on it and will look again")
    progress.finish(results)
    keep_trying(announce_cases, site, sequence_id=sequence.sequence_id)
    message = summary(results)
    if any(result.outcome is Became.FAILED for result in results):
        return Failed(message=message)
    return Completed(message=message)
