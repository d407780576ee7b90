"""Runs of ingest-observation that there are, and more of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

INGEST, INGEST_BACKFILL = "ingest-observation/local", "ingest-observation/backfill"
SWEEP = "sweep-incoming/local"
PROCESS = "process-observation/local"
"""The deployments of prefect.yaml, as FLOW/DEPLOYMENT."""
PAGE = 200
"""The most runs that Prefect gives at once."""


class Runs:
    """The runs of one deployment over one network."""

    def __init__(self, client: SyncPrefectClient, deployment: str, network: str) -> None:
        """`deployment` as FLOW/DEPLOYMENT. Raises prefect.exceptions.ObjectNotFound."""
        self._client, self._network = client, network
        self._deployment: UUID = client.read_deployment_by_name(deployment).id

    def due(self, *, start_seconds: float) -> set[str]:
        """Observations for which a run will start, however late, or is just being started.

        A run whose process was submitted more than `start_seconds` ago and has not said
        that it runs is dead, unless a cluster says that it waits for a machine: another run
        would wait beside it. One that runs is not counted: its lease says whether it lives.
        """
        submitted = datetime.now(UTC) - timedelta(seconds=start_seconds)
        return {
            str(run.parameters.get("sequence_id"))
            for run in self._not_begun()
            if run.parameters.get("network", "default") == self._network
            and run.state is not None
            and (
                not run.state.is_pending()
                or run.state.name == "InfrastructurePending"
                or run.state.timestamp >= submitted
            )
        }

    def start(self, sequence_ids: Iterable[str], *, key: str) -> int:
        """Create a run for each; gives how many.

        `key` tells one sweep's runs from another's: what a crashed run of an earlier one
        left must be tried again.
        """
        started = 0
        for sequence_id in sequence_ids:
            self._client.create_flow_run_from_deployment(
                self._deployment,
                parameters={"sequence_id": sequence_id, "network": self._network},
                idempotency_key=f"swept-{sequence_id}-{key}",
            )
            started += 1
        return started

    def _not_begun(self) -> Iterator[FlowRun]:
        from prefect.client.schemas.filters import DeploymentFilter, FlowRunFilter
        from prefect.client.schemas.sorting import FlowRunSort

        deployment = {"id": {"any_": [self._deployment]}}
        not_begun = {"state": {"type": {"any_": ["SCHEDULED", "PENDING"]}}}
        offset = 0
        while True:
            page = self._client.read_flow_runs(
                deployment_filter=DeploymentFilter.model_validate(deployment),
                flow_run_filter=FlowRunFilter.model_validate(not_begun),
                sort=FlowRunSort.ID_DESC,
                limit=PAGE,
                offset=offset,
            )
            yield from page
            if len(page) < PAGE:
                return
            # Runs begin while we page, and the rest moves up: overlap rather than miss one.
            offset += PAGE // 2


def start_next(**parameters: object) -> bool:
    """Queue the deployment of the present run again, behind what waits there by now.

    Once, however often it is called; gives False where the run has no deployment.
    """
    from prefect import runtime
    from prefect.client.orchestration import get_client

    if runtime.deployment.id is None:
        return False
    with get_client(sync_client=True) as client:
        client.create_flow_run_from_deployment(
            UUID(str(runtime.deployment.id)),
            parameters=dict(parameters),
            idempotency_key=f"next-{runtime.flow_run.id}",
        )
    return True
