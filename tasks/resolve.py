"""A name, or coordinates, to a place on the sky."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from prefect import task

from panoptes.network.ingest.retries import RETRIES
from panoptes.network.lookup.resolve import resolve_name, utc
from panoptes.network.lookup.resolved import NoSuchName, Resolved, tidy
from panoptes.network.lookup.solar_system import body_named
from tasks.naming import task_run_named
from tasks.policies import BACKOFF, VersionedKey


@dataclass
class NameKey(VersionedKey):
    """Also of the tidied name, and for what moves the time.

    What moves, now, has none: it is worked out anew each time.
    """

    def identity(self, inputs: Mapping[str, Any]) -> str | None:
        moment: datetime | None = inputs.get("moment")
        try:
            text = tidy(inputs["search_string"])
        except NoSuchName:
            return None
        if body_named(text) is None:
            return text
        return None if moment is None else f"{text}@{utc(moment).isoformat()}"


@task(
    name="resolve",
    task_run_name=task_run_named("resolve {search_string}"),
    retries=RETRIES,
    **BACKOFF,
    cache_policy=NameKey(),
    cache_expiration=timedelta(days=30),
    persist_result=True,
    result_serializer="json",
)
def resolve(search_string: str, moment: datetime | None = None) -> Resolved:
    """Where a name is on the sky. Only answers are cached, never that there is none."""
    return resolve_name(search_string, moment=moment)
