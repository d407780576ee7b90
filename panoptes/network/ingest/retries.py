"""The retry policy of all steps: passing trouble is tried again with backoff and jitter.

Prefect's tasks take its figures (`tasks.policies`); what runs outside of a task is called
by `keep_trying`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from panoptes.network.errors import is_transient

RETRIES = 4
BACKOFF_SECONDS = 1.0
"""Before the first retry; doubled for each one after it."""
JITTER = 0.5
PATIENCE_SECONDS = 60.0
"""After so long nothing is tried again: where no answer comes, each try costs half a minute."""

Result = TypeVar("Result")


def keep_trying(function: Callable[..., Result], *arguments: Any, **options: Any) -> Result:
    """Call a function, again while its trouble is passing."""
    from tenacity import (
        Retrying,
        retry_if_exception,
        stop_after_attempt,
        stop_after_delay,
        wait_exponential_jitter,
    )

    retrying = Retrying(
        retry=retry_if_exception(is_transient),
        stop=stop_after_attempt(RETRIES + 1) | stop_after_delay(PATIENCE_SECONDS),
        wait=wait_exponential_jitter(multiplier=BACKOFF_SECONDS, jitter=BACKOFF_SECONDS * JITTER),
        reraise=True,
    )
    return retrying(function, *arguments, **options)
