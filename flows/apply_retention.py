"""What is kept no longer is removed, and said.

1. Runs that ended more than `history_days` ago, with their logs and artifacts, by Prefect's API.
   A server that removes them by itself (PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED) leaves none.
2. Workers that were not heard of for so long, and results of that age on this run's disk.
3. Copies in quarantine, and what the ledger says of them (`panoptes.network.ingest.retention`).
4. A table of what was removed.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from blocks.network import load_network
from panoptes.network.errors import ConfigurationError, TransientError
from panoptes.network.ingest.lease import alone
from panoptes.network.ingest.retention import RETAINING, expire
from panoptes.network.ingest.watchdog import ended_when_stalled, progressed, progressing
from panoptes.network.safe_text import markdown, one_line

if TYPE_CHECKING:
    from httpx import Response
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.orchestration.routes import ServerRoutes

AT_ONCE = 50
"""Runs in one request: as many as Prefect takes."""
PAGE = 200
PLURAL = {"copy in quarantine": "copies in quarantine", "ledger entry": "entries of the ledger"}
_RESULT = re.compile(r"[0-9a-f]{32}|.+-[0-9a-f]{40}")
"""Names of results: Prefect's own, and the keys of `tasks.policies`. Other files stay."""
MOST_ROWS = 1000
"""Copies and entries that the table names."""


@flow(name="apply-retention", flow_run_name="apply retention", persist_result=False)
def apply_retention(network: str = "default", dry_run: bool = False) -> State[Any]:
    """Remove what is kept no longer. Safe to break off and to repeat.

    How long what is kept is said by the network's block: `history_days`, `quarantine_days` and
    `ledger_days`. What protects a file that is not yet safe is never removed.

    Args:
        network: Name of the 'PANOPTES network' block whose history and files these are.
        dry_run: Only say what would be removed.
    """
    try:
        block = load_network(network)
        site = block.site
        with ended_when_stalled(block.stall_seconds):
            site.check()
            with alone(site.catalog, RETAINING, block.lease_seconds) as is_alone:
                if not is_alone:
                    return Cancelled(message="another run is removing already")
                before = datetime.now(UTC) - timedelta(days=block.history_days)
                counts = Counter(_forget_history(before, dry_run=dry_run))
                rows: list[dict[str, Any]] = []
                for each in expire(site, dry_run=dry_run):
                    counts[PLURAL[each.what]] += 1
                    if len(rows) < MOST_ROWS:
                        row = {"what": each.what, "name": markdown(each.name), "bytes": each.size}
                        rows.append(row)
    except (ConfigurationError, TransientError) as error:
        return Failed(message=one_line(error))
    said = ", ".join(f"{count} {what}" for what, count in counts.items() if count) or "nothing"
    message = f"{said} {'would be' if dry_run else 'was' if said == 'nothing' else 'were'} removed"
    if rows:
        create_table_artifact(rows, key="retention", description=message.capitalize())
    return Completed(message=message)


def _forget_history(before: datetime, *, dry_run: bool) -> dict[str, int]:
    with get_client(sync_client=True) as client:
        return {
            "runs": _forget_runs(client, before, dry_run=dry_run),
            "workers": _forget_workers(client, before, dry_run=dry_run),
            "results": sum(1 for _ in _forget_results(before, dry_run=dry_run)),
        }


def _forget_runs(client: SyncPrefectClient, before: datetime, *, dry_run: bool) -> int:
    from prefect.client.schemas.filters import ArtifactFilter, FlowRunFilter

    wanted: dict[str, Any] = {
        "end_time": {"before_": before.isoformat()},
        "state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED", "CANCELLED"]}},
    }
    old = FlowRunFilter.model_validate(wanted)
    if dry_run:
        return client.count_flow_runs(flow_run_filter=old)
    count = 0
    while ids := [str(run.id) for run in client.read_flow_runs(flow_run_filter=old, limit=AT_ONCE)]:
        theirs = ArtifactFilter.model_validate({"flow_run_id": {"any_": ids}})
        # No vacuum but that of orphans would find them once their run is gone.
        while found := client.read_artifacts(artifact_filter=theirs, limit=PAGE, offset=0):
            for each in progressing(found):
                client.delete_artifact(each.id)
        body = {"flow_runs": {"id": {"any_": ids}}, "limit": AT_ONCE}
        deleted = _call(client, "POST", "/flow_runs/bulk_delete", body).json()["deleted"]
        if not deleted:
            break  # the server's own vacuum was there before us
        count += len(deleted)
        progressed()
    return count


def _call(client: SyncPrefectClient, method: Any, path: str, body: dict[str, Any]) -> Response:
    """A route of the server for which the client has no method."""
    return client.request(method, cast("ServerRoutes", path), json=body).raise_for_status()


def _forget_workers(client: SyncPrefectClient, before: datetime, *, dry_run: bool) -> int:
    """Each start of a worker leaves one under a name of its own."""
    count = 0
    for pool in client.read_work_pools():
        path = f"/work_pools/{quote(pool.name, safe='')}/workers"
        for worker in client.read_workers_for_work_pool(pool.name):
            if worker.last_heartbeat_time and worker.last_heartbeat_time < before:
                if not dry_run:
                    _call(client, "DELETE", f"{path}/{quote(worker.name, safe='')}", {})
                count += 1
    return count


def _forget_results(before: datetime, *, dry_run: bool) -> Iterator[Path]:
    """Those on a disk of this machine. A bucket has its lifecycle rules for that."""
    from prefect.filesystems import LocalFileSystem
    from prefect.results import get_default_result_storage

    get: Any = get_default_result_storage
    storage = get(_sync=True)
    if not isinstance(storage, LocalFileSystem) or not storage.basepath:
        return
    oldest = time.time() - (datetime.now(UTC) - before).total_seconds()
    folder = Path(storage.basepath).expanduser()
    for path in progressing(folder.iterdir() if folder.is_dir() else ()):
        try:
            if not _RESULT.fullmatch(path.name) or not path.is_file():
                continue
            if path.stat().st_mtime >= oldest:
                continue
            if not dry_run:
                path.unlink()
        except FileNotFoundError:
            continue  # another run's
        yield path
