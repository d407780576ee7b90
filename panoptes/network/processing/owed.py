"""Whether light curves of an observation are still to be made.

A run holds a lease while it makes them. One that died leaves it expired, and Prefect is then told
of the observation again, as if it had just become complete.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime, timedelta

from panoptes.network.catalog.catalog import Conflict, Fields, modify
from panoptes.network.ingest.backlog import MOST_OWED
from panoptes.network.ingest.lease import leases_over
from panoptes.network.ingest.ledger import now
from panoptes.network.safe_text import safe_log
from panoptes.network.site import Site

MOST_LOST = 3
"""Runs that may die of one observation before it is left to people."""
_PREFIX = "process "
_CLOCKS = timedelta(minutes=10)
"""By which clocks of machines may differ."""

log = safe_log(__name__)


def lease_of(sequence_id: str) -> str:
    """Key of the lease of the run that makes light curves of an observation."""
    return f"{_PREFIX}{sequence_id}"


def has_news(observation: Fields) -> bool:
    """Whether files have come since light curves were made, or none were made."""
    processed, last = observation.get("processed"), observation.get("last_arrival")
    if not isinstance(processed, datetime) or processed > now() + _CLOCKS:
        return True  # or made under a clock that was wrong: when, nobody knows
    return isinstance(last, datetime) and last > processed


def tell_again(site: Site) -> int:
    """Have Prefect told again of observations whose run died; gives of how many."""
    told = 0
    for stored in leases_over(site.catalog, MOST_OWED):
        if not stored.key.startswith(_PREFIX):
            continue
        sequence_id = stored.key.removeprefix(_PREFIX)
        after = modify(site.catalog, "observations", sequence_id, _one_more_lost)
        with suppress(Conflict):  # a run has just taken it
            site.catalog.delete("leases", stored.key, version=stored.version)
        if after.get("processing_lost", 0) < MOST_LOST:
            told += 1
        else:
            log.error(
                "%d runs that made light curves of %s died: it is left to who looks",
                after["processing_lost"],
                sequence_id,
            )
    return told


def _one_more_lost(before: Fields | None) -> Fields | None:
    if before is None:
        return None
    lost = int(before.get("processing_lost", 0)) + 1
    return {"processing_lost": lost} | ({"announced": False} if lost < MOST_LOST else {})
