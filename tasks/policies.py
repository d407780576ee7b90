"""How tasks are retried and cached.

Passing trouble is tried again with exponential backoff and jitter; anything else is not.
Only derivations are cached, under a key that names the task and its version, the exact
file and the options: Prefect's own input policies collide across tasks.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from prefect import Task
from prefect.cache_policies import CachePolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.tasks import exponential_backoff

from blocks.network import PanoptesNetwork
from panoptes.network.errors import is_transient
from panoptes.network.ingest.retries import BACKOFF_SECONDS, PATIENCE_SECONDS
from panoptes.network.upload import Source

BACKOFF = exponential_backoff(backoff_factor=BACKOFF_SECONDS)


def retry_if_transient(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Prefect's retry condition: only what passes with time is tried again, for a while."""
    if run.start_time is not None:
        spent = datetime.now(UTC) - run.start_time
        if spent.total_seconds() >= PATIENCE_SECONDS:
            return False
    error = state.result(raise_on_failure=False)
    return isinstance(error, BaseException) and is_transient(error)


@dataclass
class DerivationKey(CachePolicy):
    """The identity of a derivation: task and version, file version, options, destination.

    Give a new `version` whenever the derivation changes what it makes.
    """

    version: str = "1"

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str | None:
        network, source = inputs.get("network"), inputs.get("source")
        if not isinstance(network, PanoptesNetwork) or not isinstance(source, Source):
            raise TypeError("a derivation takes a network and a source")
        identity = [
            task_ctx.task.name,
            self.version,
            network.incoming,
            source.name,
            source.generation,
            source.size,
            source.crc32c,
            network.compression,
            network.rawpy_options,
            network.previews_wanted,
            [network.images, network.originals, network.rgb, network.previews],
        ]
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        return f"{task_ctx.task.name}-{self.version}-{digest[:40]}"
