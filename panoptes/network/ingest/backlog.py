"""What waits in `incoming`, who will take it, and whether that is a backlog that grows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache, partial

from pydantic import BaseModel, ConfigDict, Field

from panoptes.network.amounts import counted, duration
from panoptes.network.catalog.catalog import Condition, Query, Stored
from panoptes.network.documents import File
from panoptes.network.ingest.allowance import is_spent
from panoptes.network.ingest.at_rest import seconds_left
from panoptes.network.ingest.lease import MOST_AHEAD, leases_over
from panoptes.network.ingest.ledger import now, readable_entry
from panoptes.network.ingest.listing import by_image, everything_waiting, source_of
from panoptes.network.ingest.removing import why_it_stays
from panoptes.network.ingest.watchdog import progressing
from panoptes.network.names import ObservationName, parse_sequence_id
from panoptes.network.nighttime import night_of
from panoptes.network.safe_text import safe_log
from panoptes.network.site import Site
from panoptes.network.upload import Source

SWEPT = "panoptes.incoming.swept"
"""The event with which a sweep says what it found."""


class Backlog(BaseModel):
    """The count of one sweep."""

    model_config = ConfigDict(frozen=True)
    files: int = Field(description="that wait in incoming")
    observations: int = Field(description="that they belong to")
    unnamed: int = Field(0, description="files whose names say no observation")
    overdue: int = Field(description="files that nobody took in three windows")
    oldest_seconds: float = Field(description="how long the oldest of them has waited")
    passing: int = Field(
        0, description="files under passing names such as NAME.part, unchanged for a day"
    )
    over_limit: int = Field(0, description="files of units that have sent enough for a day")
    stuck: int = Field(0, description="files that are done and cannot be removed")
    started: int = Field(0, description="runs that the sweep created")
    unroutable: int = Field(0, description="files that it took into quarantine")

    @property
    def sentence(self) -> str:
        """For people."""
        of = f"of {counted(self.observations, 'observation')}"
        if self.unnamed:
            of = f"{self.files - self.unnamed} {of} and {self.unnamed} of none"
        return (
            f"{counted(self.files, 'file', 'wait')} ({of}), {self.overdue} of them overdue, "
            f"the oldest for {duration(self.oldest_seconds)}"
        )


def is_growing(reports: list[Backlog]) -> bool:
    """Whether three sweeps in a row, newest first, each found more overdue files."""
    last = [report.overdue for report in reports[:3]]
    return len(last) == 3 and last[0] > last[1] > last[2]


MOST_QUIET = 500
"""Observations that one sweep looks at to see whether they are received."""
FORGOTTEN_SECONDS = 86400.0
"""An upload under a passing name that has not changed for so long was given up."""

MOST_OWED = 1000
"""Observations left unsettled by runs that died, of which one sweep takes notice."""

log = safe_log(__name__)


@dataclass
class Waiting:
    """The files that wait for one observation."""

    sources: list[Source] = field(default_factory=list)
    is_ready: bool = False
    """Whether a run could take one of them now: it is at rest."""

    @property
    def since(self) -> datetime:
        return min(source.arrived for source in self.sources)


@dataclass(frozen=True)
class Survey:
    """Everything that waited at one moment, and is not settled already."""

    moment: datetime
    observations: dict[str, Waiting]
    """By sequence_id."""
    unroutable: list[Source]
    passing: int = 0
    """Files under passing names that have been unchanged for a day."""
    stuck: Counter[str] = field(default_factory=Counter)
    """Files that are done and cannot be removed, by the reason."""
    spent: set[str] = field(default_factory=set)
    """Units that have sent what they may send a day: what they sent beyond is not overdue."""

    def backlog(self, *, overdue_after: float, held: set[str]) -> Backlog:
        """The count; a file is overdue after so many seconds, unless a run is at work on it."""
        everything = [s for w in self.observations.values() for s in w.sources] + self.unroutable
        limit = self.moment - timedelta(seconds=overdue_after)
        overdue = sum(
            source.arrived <= limit
            for source in everything
            if source.upload is None
            or not (source.upload.sequence_id in held or _unit(source) in self.spent)
        )
        oldest = min((source.arrived for source in everything), default=self.moment)
        return Backlog(
            files=len(everything),
            observations=len(self.observations),
            unnamed=len(self.unroutable),
            overdue=overdue,
            oldest_seconds=max(0.0, round((self.moment - oldest).total_seconds(), 3)),
            passing=self.passing,
            stuck=self.stuck.total(),
            over_limit=sum(_unit(source) in self.spent for source in everything),
        )


def _unit(source: Source) -> str | None:
    return source.upload.sequence.unit_id if source.upload else None


def survey(site: Site) -> Survey:
    """What waits, at the cost of what waits.

    A file on which nothing more will be done (it failed too often, it cannot be moved, or
    it is done and kept, or cannot be removed) does not wait.
    """
    found = Survey(now(), {}, [], site.store("incoming").count_passing(FORGOTTEN_SECONDS))
    spent = cache(partial(is_spent, site))
    for source in progressing(everything_waiting(site)):
        entry = readable_entry(site, source)
        if entry is not None and (why := why_it_stays(site, source, entry)):
            found.stuck[why] += 1
        elif _is_left(site, source, entry):
            pass
        elif source.upload is None:
            found.unroutable.append(source)
        else:
            waiting = found.observations.setdefault(source.upload.sequence_id, Waiting())
            waiting.sources.append(source)
            if spent(source.upload.sequence.unit_id):
                found.spent.add(source.upload.sequence.unit_id)
            elif not waiting.is_ready:
                waiting.is_ready = seconds_left(site, source) == 0
    return found


def waiting_of_nights(
    site: Site, first: str, last: str, *, unit: str | None = None
) -> dict[str, Waiting]:
    """What waits of the nights from `first` to `last` (``YYYY-MM-DD``), by sequence_id.

    Of one unit costs by what waits of it. Nights are those of the unit's local noon, or of
    Greenwich's where its longitude is not known.
    """
    found: dict[str, Waiting] = {}
    longitude = cache(site.longitude)
    store = site.store("incoming")
    prefixes = [""] if unit is None else [f"{unit}/", f"{unit}_"]
    for source in (source_of(info) for prefix in prefixes for info in store.list(prefix)):
        if source.upload is None:
            continue
        sequence = source.upload.sequence
        night = night_of(sequence.time, longitude(sequence.unit_id))
        if first <= night <= last and not is_settled(site, source):
            found.setdefault(sequence.sequence_id, Waiting()).sources.append(source)
    return found


def is_settled(site: Site, source: Source) -> bool:
    """Whether another run would do nothing for this generation of a file."""
    return _settles(site, source, readable_entry(site, source))


def _settles(site: Site, source: Source, entry: File | None) -> bool:
    if _is_left(site, source, entry):
        return True
    return entry is not None and why_it_stays(site, source, entry) is not None


def _is_left(site: Site, source: Source, entry: File | None) -> bool:
    """Whether it failed too often, cannot be moved, or is done and kept: runs leave it alone."""
    if entry is None or entry.generation != source.generation:
        return False
    if entry.outcome == "failed":
        return entry.failures >= site.settings.failure_limit
    if entry.outcome == "quarantined" and entry.path is None:
        return True  # a pipe, a dangling link: there was nothing to take away
    return site.settings.keep_incoming and entry.outcome is not None


def first_batch(site: Site, sources: Iterable[Source], most_files: int) -> list[Source]:
    """About the first `most_files`: whole images, and what failed before behind the others.

    Files for which another run would do nothing are left out. Costs by the batch.
    """
    batch: list[Source] = []
    failed: list[Source] = []
    for group in by_image(sources):
        for source in group:
            entry = readable_entry(site, source)
            if not _settles(site, source, entry):
                tried = entry is not None and entry.outcome == "failed"
                (failed if tried else batch).append(source)
        if len(batch) >= most_files:
            return batch
    return batch + failed[: most_files - len(batch)]


def is_old(sequence_id: str, moment: datetime, live_nights: int) -> bool:
    """Whether an observation began more than `live_nights` days before `moment`."""
    return moment - parse_sequence_id(sequence_id).time > timedelta(days=live_nights)


def held(site: Site) -> set[str]:
    """Observations that a live run is at work on."""
    moment = now()
    within: list[Condition] = [("expires", ">", moment), ("expires", "<=", moment + MOST_AHEAD)]
    query = Query("leases", where=within)
    return {stored.key for stored in site.catalog.query(query)}


def abandoned(site: Site) -> set[str]:
    """Observations whose run died or broke off before it settled them, whether files wait or not.

    Those that are owed for longest, where there are many.
    """
    return {each.key for each in leases_over(site.catalog, MOST_OWED) if _readable(each)}


def fallen_quiet(site: Site, *, busy: set[str]) -> list[ObservationName]:
    """Observations that are still receiving files, but got none for `quiet_hours`.

    Also those that were never settled: earlier versions could break off and leave no word of
    it. Those in `busy` are left to their runs.
    """
    quiet = now() - timedelta(hours=site.settings.quiet_hours)
    query = Query(
        "observations",
        where=[("status", "==", "receiving_files"), ("time", "<=", quiet)],
        order_by=[("time", "asc")],
        limit=MOST_QUIET,
    )
    return [
        sequence
        for stored in site.catalog.query(query)
        if stored.key not in busy
        and _is_due(stored, quiet)
        and (sequence := _readable(stored)) is not None
    ]


def _is_due(stored: Stored, quiet: datetime) -> bool:
    if stored.fields.get("num_images") is None:
        return True
    last = stored.fields.get("last_arrival")
    return isinstance(last, datetime) and last <= quiet


def _readable(stored: Stored) -> ObservationName | None:
    """The observation that a document is about; None, and word in the log, for a strange id."""
    try:
        return parse_sequence_id(stored.key)
    except ValueError as error:
        log.warning("left alone: %s", error)
        return None
