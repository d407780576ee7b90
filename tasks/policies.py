"""How tasks are retried and cached.

Passing trouble is tried again with exponential backoff and jitter; anything else is not.
Only derivations are cached, under a key that names the task and its version, the exact
file and the options: Prefect's own input policies collide across tasks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypedDict

from prefect import Task
from prefect.cache_policies import CachePolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.tasks import exponential_backoff

from blocks.network import PanoptesNetwork
from panoptes.network.errors import is_transient
from panoptes.network.ingest.retries import BACKOFF_SECONDS, JITTER, PATIENCE_SECONDS
from panoptes.network.upload import Source


class Backoff(TypedDict):
    """Options of ``@task`` beside `retries`: when is tried again, and what."""

    retry_delay_seconds: Callable[[int], list[float]]
    retry_jitter_factor: float
    retry_condition_fn: Callable[[Task[..., Any], TaskRun, State[Any]], bool]


def retry_if_transient(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Prefect's retry condition: only what passes with time is tried again, for a while."""
    if run.start_time is not None:
        spent = datetime.now(UTC) - run.start_time
        if spent.total_seconds() >= PATIENCE_SECONDS:
            return False
    error = state.result(raise_on_failure=False)
    return isinstance(error, BaseException) and is_transient(error)


BACKOFF: Backoff = {
    "retry_delay_seconds": exponential_backoff(backoff_factor=BACKOFF_SECONDS),
    "retry_jitter_factor": JITTER,
    "retry_condition_fn": retry_if_transient,
}


@dataclass
class VersionedKey(CachePolicy):
    """A key of task and version, and of what the task is about.

    Give a new `version` whenever the task changes what it makes.
    """

    version: str = "1"

    def identity(self, inputs: Mapping[str, Any]) -> str | None:
        """What the task is about, given its arguments; None is not cached."""
        raise NotImplementedError

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str | None:
        identity = self.identity(inputs)
        if identity is None:
            return None
        digest = hashlib.sha256(identity.encode()).hexdigest()[:40]
        return f"{task_ctx.task.name}-{self.version}-{digest}"


@dataclass
class DerivationKey(VersionedKey):
    """Also of a derivation's file version, options and destination."""

    def identity(self, inputs: Mapping[str, Any]) -> str:
        network, source = inputs.get("network"), inputs.get("source")
        if not isinstance(network, PanoptesNetwork) or not isinstance(source, Source):
            raise TypeError("a derivation takes a network and a source")
        about = [
            network.incoming,
            source.name,
            source.generation,
            source.size,
            source.crc32c,
            network.compression,
            network.rawpy_options,
            network.previews_wanted,
            network.measurements_wanted,
            [network.images, network.originals, network.rgb, network.previews],
        ]
        return json.dumps(about, sort_keys=True)
