"""A name, or coordinates, to a place on the sky."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from prefect import task
from prefect.cache_policies import CachePolicy
from prefect.context import TaskRunContext

from panoptes.network.ingest.retries import JITTER, RETRIES
from panoptes.network.lookup.resolve import resolve_name, utc
from panoptes.network.lookup.resolved import NoSuchName, Resolved, tidy
from panoptes.network.lookup.solar_system import body_named
from tasks.naming import task_run_named
from tasks.policies import BACKOFF, retry_if_transient


@dataclass
class NameKey(CachePolicy):
    """The identity of a lookup: task, version, the tidied name, and for what moves the time.

    What moves, now, has none: it is worked out anew each time.
    """

    version: str = "1"

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str | None:
        moment: datetime | None = inputs.get("moment")
        try:
            text = tidy(inputs["search_string"])
        except NoSuchName:
            return None
        moves = body_named(text) is not None
        if moves and moment is None:
            return None
        identity = text if moment is None or not moves else f"{text}@{utc(moment).isoformat()}"
        digest = hashlib.sha256(identity.encode()).hexdigest()
        return f"{task_ctx.task.name}-{self.version}-{digest[:40]}"


@task(
    name="resolve",
    task_run_name=task_run_named("resolve {search_string}"),
    retries=RETRIES,
    retry_delay_seconds=BACKOFF,
    retry_jitter_factor=JITTER,
    retry_condition_fn=retry_if_transient,
    cache_policy=NameKey(),
    cache_expiration=timedelta(days=30),
    persist_result=True,
    result_serializer="json",
)
def resolve(search_string: str, moment: datetime | None = None) -> Resolved:
    """Where a name is on the sky. Only answers are cached, never that there is none."""
    return resolve_name(search_string, moment=moment)
