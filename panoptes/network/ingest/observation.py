"""Everything that has arrived for one observation becomes archived, catalogued images.

1. Take the observation's lease, or leave word to its holder and go.
2. List what has arrived and is at rest; files of one image go one after the other, images side
   by side.
3. Each file: see `panoptes.network.ingest.take`.
4. List again until nothing is new, once a moment later for what was just changing; settle
   the observation's counts; give the lease back.
   A run that may take only so many files stops earlier, and says that another is due.
"""

from __future__ import annotations

from panoptes.network.ingest.allowance import within_allowance
from panoptes.network.ingest.at_rest import Patience, at_rest
from panoptes.network.ingest.backlog import first_batch
from panoptes.network.ingest.lease import Lease, take_when_free
from panoptes.network.ingest.listing import waiting_for
from panoptes.network.ingest.outcome import Became, FileResult
from panoptes.network.ingest.retries import keep_trying
from panoptes.network.ingest.take import Calls, Steps, Watch, take_all
from panoptes.network.names import ObservationName
from panoptes.network.site import Site
from panoptes.network.structured_log import about


class AnotherRun(Exception):
    """Another run holds the observation; it has been told to look again."""


def ingest_observation(
    site: Site,
    sequence: ObservationName,
    *,
    steps: Steps | None = None,
    watch: Watch | None = None,
    patience: float = 0.0,
    max_files: int | None = None,
) -> tuple[list[FileResult], bool]:
    """Ingest what waits for an observation; gives what became of each file at last.

    Takes about `max_files` at most, and also says whether another run is due: none is where
    nothing could be done for any file, since it would meet the same again. `steps` are plain
    calls by default. Raises AnotherRun if another run keeps the observation for longer than
    `patience` seconds.
    """
    steps, watch = steps or Calls(site), watch or Watch()
    lease = Lease(site.catalog, sequence.sequence_id, site.settings.lease_seconds)
    if not keep_trying(take_when_free, lease, patience=patience):
        raise AnotherRun
    results: dict[tuple[str, int], FileResult] = {}
    moving = Patience(site.settings.rest_seconds)
    with about(sequence.sequence_id), lease.kept_alive():
        while True:
            waiting = keep_trying(waiting_for, site, sequence)
            found = at_rest(site, (s for s in waiting if (s.name, s.generation) not in results))
            new, over = keep_trying(within_allowance, site, sequence.unit_id, found.ready)
            if max_files is not None:
                new = keep_trying(first_batch, site, new, max_files)
            if new and not (max_files and results):
                results |= take_all(new, steps=steps, watch=watch)
                continue
            if not new and moving.wait(found.left, watch.resting):
                continue
            steps.settle(sequence)
            if new:
                keep_trying(lease.drop)  # the next run lists everything anyway
            elif not keep_trying(lease.give_back):
                continue
            last = {name: result for (name, _), result in results.items()}
            last |= {result.name: result for result in (*found.results(), *over)}
            rows = list(last.values())
            return rows, bool(new) and any(r.became is not Became.FAILED for r in rows)
