"""The work pool's queues: what is uploaded tonight before what is old.

A worker takes runs of ``live`` as long as there are any, and of ``backfill`` when there are
none (https://docs.prefect.io/v3/concepts/work-pools#work-queues). A run that has begun is
never broken off, so runs of ``backfill`` are short: each takes one batch of files and has
its rest queued again. A live run waits for one batch at most, on one slot as on many.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import WorkQueue

LIVE, BACKFILL = "live", "backfill"
PRIORITIES = {LIVE: 1, BACKFILL: 10}
"""The lower comes first; what the pool has by itself lies in between."""


def make_queues(client: SyncPrefectClient, work_pool: str) -> None:
    """Make the queues where they are missing, and put them in their order.

    Limits that an operator has set on them stay as they are.
    """
    from prefect.exceptions import ObjectAlreadyExists

    for name, priority in PRIORITIES.items():
        with contextlib.suppress(ObjectAlreadyExists):
            client.create_work_queue(name=name, priority=priority, work_pool_name=work_pool)
    present = {queue.name: queue for queue in client.read_work_queues(work_pool_name=work_pool)}
    if not _priority(present[LIVE]) < _priority(present[BACKFILL]):
        # Made without a priority by `prefect deploy`, or changed by hand.
        client.update_work_queue(present[BACKFILL].id, priority=_priority(present[LIVE]) + 10)


def _priority(queue: WorkQueue) -> int:
    return queue.priority or 0
