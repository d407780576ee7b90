"""How a step is retried: one policy for Prefect's tasks and for plain calls.

Passing trouble is tried again with exponential backoff and jitter; anything else is not.
Only derivations are cached, under a key that names the task and its version, the exact
file and the options: Prefect's own input policies collide across tasks.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar, cast

from panoptes.network.site import Site
from panoptes.network.upload import Source
from prefect import Task, task
from prefect.cache_policies import NO_CACHE, CachePolicy
from prefect.client.schemas.objects import State, TaskRun
from prefect.context import TaskRunContext
from prefect.tasks import exponential_backoff

from panoptes.network.errors import is_passing
from panoptes.network.safe_text import one_line

if TYPE_CHECKING:
    from prefect.tasks import TaskRunNameCallbackWithParameters

RETRIES = 4
BACKOFF_SECONDS = 1.0
"""Before the first retry; doubled for each one after it."""
JITTER = 0.5
PATIENCE_SECONDS = 60.0
"""After so long nothing is tried again: where no answer comes, each try costs half a minute."""

Result = TypeVar("Result")


def retry_if_passing(task: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    """Prefect's retry condition: only what passes with time is tried again, for a while."""
    if run.start_time is not None:
        spent = datetime.now(UTC) - run.start_time
        if spent.total_seconds() >= PATIENCE_SECONDS:
            return False
    error = state.result(raise_on_failure=False)
    return isinstance(error, BaseException) and is_passing(error)


@dataclass
class DerivationKey(CachePolicy):
    """The identity of a derivation: task and version, file version, options, destination."""

    version: str = "1"

    def compute_key(
        self,
        task_ctx: TaskRunContext,
        inputs: dict[str, Any],
        flow_parameters: dict[str, Any],
        **kwargs: Any,
    ) -> str | None:
        site, source = inputs.get("network"), inputs.get("source")
        if not isinstance(site, Site) or not isinstance(source, Source):
            raise TypeError("a derivation takes a network and a source")
        identity = [
            task_ctx.task.name,
            self.version,
            site.settings.incoming,
            source.name,
            source.generation,
            source.size,
            source.crc32c,
            site.settings.compression,
            site.settings.rawpy_options,
            site.settings.previews_wanted,
            [
                site.settings.images,
                site.settings.originals,
                site.settings.rgb,
                site.settings.previews,
            ],
        ]
        digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        return f"{task_ctx.task.name}-{self.version}-{digest[:40]}"


def named(template: str) -> TaskRunNameCallbackWithParameters:
    """For `task_run_name`: the template with the task's arguments, in one line."""

    def name(parameters: dict[str, Any]) -> str:
        return one_line(template.format(**parameters), most=200)

    return cast("TaskRunNameCallbackWithParameters", name)


def step(
    name: str, *, label: str = "{source.label}", cached: str | None = None
) -> Callable[[Callable[..., Result]], Task[..., Result]]:
    """Make a typed function a Prefect task under the one retry policy.

    `label` is formatted with the arguments into the run's name, one line. `cached` is the version
    of a derivation whose result may stand in for doing it again; give a new one whenever
    the derivation changes what it makes.
    """

    def decorate(function: Callable[..., Result]) -> Task[..., Result]:
        return task(
            name=name,
            task_run_name=named(f"{name} {label}"),
            retries=RETRIES,
            retry_delay_seconds=exponential_backoff(backoff_factor=BACKOFF_SECONDS),
            retry_jitter_factor=JITTER,
            retry_condition_fn=retry_if_passing,
            cache_policy=DerivationKey(version=cached) if cached else NO_CACHE,
            persist_result=cached is not None,
            result_serializer="json" if cached else None,
        )(function)

    return decorate


def call_plainly(made: Task[..., Result], *arguments: Any) -> Result:
    """Run a step's function here, under the same policy, with nothing of Prefect's started."""
    return keep_trying(made.fn, *arguments)


def keep_trying(function: Callable[..., Result], *arguments: Any, **options: Any) -> Result:
    """Call a function, again while its trouble is passing, under the one retry policy."""
    from tenacity import (
        Retrying,
        retry_if_exception,
        stop_after_attempt,
        stop_after_delay,
        wait_exponential_jitter,
    )

    retrying = Retrying(
        retry=retry_if_exception(is_passing),
        stop=stop_after_attempt(RETRIES + 1) | stop_after_delay(PATIENCE_SECONDS),
        wait=wait_exponential_jitter(multiplier=BACKOFF_SECONDS, jitter=BACKOFF_SECONDS * JITTER),
        reraise=True,
    )
    return retrying(function, *arguments, **options)
