"""The cases that wait, the newest first, a page at a time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import islice

from pydantic import ValidationError

from panoptes.network.catalog.catalog import Condition, Query, Stored
from panoptes.network.documents import File
from panoptes.network.ingest.cases import CaseReport, report_case
from panoptes.network.safe_text import safe_log
from panoptes.network.site import Site

log = safe_log(__name__)

MOST_LOOKED_AT = 4_000
_SORTED_BY = ("outcome", "failures", "arrived")
_BEFORE_ALL = datetime(1, 1, 2, tzinfo=UTC)


@dataclass(frozen=True)
class CasePage:
    """Some of the cases. Where more wait than are looked at, `is_all` is False."""

    cases: list[CaseReport]
    total: int
    """That match, among those that were looked at."""
    number: int
    """Of this page, from 1 on."""
    pages: int
    is_all: bool


def case_page(
    site: Site,
    *,
    unit: str | None = None,
    code: str | None = None,
    start: datetime | None = None,
    end: datetime | None = None,
    number: int = 1,
    size: int = 25,
) -> CasePage:
    """A page of the cases of a unit, of a code, that arrived between two times.

    They are put in order by what the ledger holds, and only those of the page are read whole.
    """
    asked: dict[str, str | None] = {"unit_id": unit, "code": code}
    found: list[Stored] = []
    is_all = True
    for outcome in ("quarantined", "failed"):
        where: list[Condition] = [("outcome", "==", outcome)]
        where += [(name, "==", value) for name, value in asked.items() if value]
        query = Query("files", where, limit=MOST_LOOKED_AT + 1, only=_SORTED_BY)
        stored = list(islice(site.catalog.query(query), MOST_LOOKED_AT))
        is_all = is_all and len(stored) < MOST_LOOKED_AT
        found += [each for each in stored if _waits(site, each) and _within(each, start, end)]
    found.sort(key=_arrived, reverse=True)
    pages = max(1, -(-len(found) // size))
    number = min(max(1, number), pages)
    longitude = cache(site.longitude)
    cases = []
    for each in found[(number - 1) * size : number * size]:
        whole = site.catalog.get("files", each.key)
        try:
            entry = File.model_validate(whole.fields if whole else {})
        except ValidationError as error:
            log.warning("the ledger's entry %s cannot be read: %s", each.key, error)
            continue
        east = None if entry.unit_id is None else longitude(entry.unit_id)
        cases.append(report_case(each.key, entry, longitude=east))
    return CasePage(cases, len(found), number, pages, is_all)


def _waits(site: Site, stored: Stored) -> bool:
    """Whether it is a case: what has failed is one once it failed too often."""
    failures = stored.fields.get("failures")
    return stored.fields.get("outcome") == "quarantined" or (
        isinstance(failures, int) and failures >= site.settings.failure_limit
    )


def _within(stored: Stored, start: datetime | None, end: datetime | None) -> bool:
    arrived, _ = _arrived(stored)
    return (start is None or arrived >= start) and (end is None or arrived <= end)


def _arrived(stored: Stored) -> tuple[datetime, str]:
    """By which they are sorted; an entry may hold anything."""
    arrived = stored.fields.get("arrived")
    return arrived if isinstance(arrived, datetime) else _BEFORE_ALL, stored.key
