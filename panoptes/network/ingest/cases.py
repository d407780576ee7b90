"""The cases that wait for somebody: files in quarantine, and files given up."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pydantic import ValidationError

from panoptes.network.cases import CaseReport, report_case
from panoptes.network.catalog.catalog import Query, Stored
from panoptes.network.documents import File
from panoptes.network.ingest.backlog import longitude_of
from panoptes.network.names import document_key
from panoptes.network.safe_text import safe_log
from panoptes.network.site import Site

log = safe_log(__name__)


class NoSuchCase(LookupError):
    """Nothing that waits goes by this id or name; the message says so."""


@dataclass(frozen=True)
class Found:
    """A case with the ledger entry that it is about."""

    key: str
    entry: File
    report: CaseReport


def cases(
    site: Site,
    *,
    unit: str | None = None,
    night: str | None = None,
    code: str | None = None,
) -> Iterator[Found]:
    """The cases that wait, of a unit, a night (``YYYY-MM-DD``) or a code.

    An entry of the ledger that cannot be read is told of in the log and left out.

    A file whose name says no observation belongs to no unit, and to the night in which it
    arrived. Costs by the cases that the catalog finds by unit and code.
    """
    where = [(n, v) for n, v in (("unit_id", unit), ("code", code)) if v is not None]
    longitudes: dict[str, float | None] = {}
    for outcome in ("quarantined", "failed"):
        conditions = [("outcome", outcome), *where]
        query = Query("files", where=[(name, "==", value) for name, value in conditions])
        for stored in site.catalog.query(query):
            found = _found(site, stored, longitudes)
            if found is not None and night in (None, found.report.night):
                yield found


def find_case(site: Site, wanted: str) -> Found:
    """The case of this id, or of the file of this name.

    Raises NoSuchCase, also for an id that more than one file has: it names them.

    A file that is no longer a case is found as well, as long as it has a history.
    """
    longitudes: dict[str, float | None] = {}
    by_name = site.catalog.get("files", document_key(wanted)) if wanted else None
    if by_name is not None and (named := _found(site, by_name, longitudes, any_outcome=True)):
        return named
    answers = site.catalog.query(_by_id(wanted))
    found = [_found(site, stored, longitudes, any_outcome=True) for stored in answers]
    matches = [each for each in found if each is not None]
    if not matches:  # judged before cases had ids, or a name that is no clean text
        matches = [
            each
            for each in cases(site)
            if wanted == each.entry.name or _is_id(wanted, each.report.id)
        ]
    if len(matches) > 1:
        names = ", ".join(sorted(each.entry.name for each in matches))
        raise NoSuchCase(f"{wanted!r} is the case of more than one file; name the file: {names}")
    if not matches:
        raise NoSuchCase(
            f"there is no case {wanted!r}: `panoptes-network quarantine list` shows all"
        )
    return matches[0]


_SHORT = re.compile(r"Q[0-9a-f]{8}", re.ASCII)
"""An id as it was given out when ids were shorter."""


def _is_id(wanted: str, case_id: str) -> bool:
    return wanted == case_id or bool(_SHORT.fullmatch(wanted) and case_id.startswith(wanted))


def _by_id(wanted: str) -> Query:
    if _SHORT.fullmatch(wanted):
        return Query("files", where=[("case_id", ">=", wanted), ("case_id", "<", f"{wanted}~")])
    return Query("files", where=[("case_id", "==", wanted)])


def _found(
    site: Site,
    stored: Stored,
    longitudes: dict[str, float | None],
    *,
    any_outcome: bool = False,
) -> Found | None:
    try:
        entry = File.model_validate(stored.fields)
    except ValidationError as error:
        log.warning("the ledger's entry %s cannot be read: %s", stored.key, error)
        return None
    given_up = entry.outcome == "failed" and entry.failures >= site.settings.failure_limit
    is_case = entry.outcome == "quarantined" or given_up
    if not is_case and not (any_outcome and entry.history):
        return None
    if entry.unit_id is not None and entry.unit_id not in longitudes:
        longitudes[entry.unit_id] = longitude_of(site, entry.unit_id)
    longitude = longitudes.get(entry.unit_id or "")
    return Found(stored.key, entry, report_case(stored.key, entry, longitude=longitude))
