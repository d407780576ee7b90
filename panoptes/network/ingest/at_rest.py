"""Uploads in a folder are taken once nobody writes them any more.

An object of a bucket is there once it is whole. A file in a folder is there from its first
byte, and whether it is whole only its writer knows. It is at rest once nobody has it open for
writing, where the system can tell, and it has been unchanged for the network's `rest_seconds`;
what looks incomplete is given `incomplete_seconds`, since a connection may break and be taken
up again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from panoptes.network.errors import ADVICE, BadInput
from panoptes.network.ingest.ledger import readable_entry
from panoptes.network.ingest.outcome import Became, FileResult
from panoptes.network.ingest.retries import keep_trying
from panoptes.network.ingest.watchdog import progressed
from panoptes.network.names import display_name
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound, Unreadable
from panoptes.network.upload import Source

Resting = Callable[[int, float], None]
"""Is told how many files will be looked at again, and in how many seconds."""


@dataclass
class Patience:
    """What is left of the time that a run waits for files to come to rest, seconds."""

    seconds: float

    def wait(self, left: Iterable[float], resting: Resting) -> bool:
        """Wait until the next of them is at rest; False, at once, if that would be too long."""
        soon = [each for each in left if each <= self.seconds]
        if not soon or self.seconds <= 0:
            return False
        # Together what comes to rest together: each look costs a listing.
        pause = min(self.seconds, max(min(soon), 0.1) + 0.05)
        resting(len(soon), pause)
        time.sleep(pause)
        progressed()
        self.seconds -= pause
        return True


@dataclass
class Split:
    """What may be taken, and of each of the others in how many seconds it may."""

    ready: list[Source] = field(default_factory=list)
    moving: dict[tuple[str, int], tuple[Source, float]] = field(default_factory=dict)

    @property
    def left(self) -> list[float]:
        return [seconds for _, seconds in self.moving.values()]

    def results(self) -> list[FileResult]:
        return [waits(source, seconds) for source, seconds in self.moving.values()]


def at_rest(site: Site, sources: Iterable[Source]) -> Split:
    """Tell what may be taken from what is still moving. What has gone is neither.

    One whose name says nothing is given the time of what looks incomplete, as is one that
    looked so before.
    """
    found = Split()
    for source in sources:
        progressed()
        left = keep_trying(seconds_left, site, source)
        if left == 0:
            found.ready.append(source)
        elif left is not None:
            found.moving[source.name, source.generation] = (source, left)
    return found


def seconds_left(site: Site, source: Source) -> float | None:
    """Until a file may be taken: 0 if it may, infinite if it is being written, None if it has
    gone."""
    try:
        left = _left(site, source, site.settings.rest_seconds)
        if left or site.settings.keep_incoming:
            return left
        if source.upload is None:
            return _left(site, source, site.settings.incomplete_seconds)
        longer = _left(site, source, site.settings.incomplete_seconds)
        return longer if longer and _looked_incomplete(site, source) else 0.0
    except NotFound:
        return None
    except Unreadable:
        return 0.0  # taking it says so, and holds up no other


def patience(site: Site) -> str:
    """What people are told of files that look incomplete; empty where each is judged at once."""
    settings = site.settings
    seconds = settings.incomplete_seconds
    if settings.keep_incoming or settings.incoming.startswith("gs://") or not seconds:
        return ""
    wait = f"{seconds / 60:g} minutes" if seconds >= 120 else f"{seconds:g} seconds"
    return (
        f"A file that looks cut short or empty is judged once it has not changed for {wait}: "
        "its upload may go on."
    )


def may_come(site: Site, source: Source, bad: BadInput) -> bool:
    """Whether what is wrong with a file may be that its writer has not finished."""
    if site.settings.keep_incoming or not bad.may_pass:
        return False
    try:
        return _left(site, source, site.settings.incomplete_seconds) > 0
    except NotFound:
        return False


def was_replaced(site: Site, source: Source) -> bool:
    """Whether another generation of a file lies in `incoming`: somebody is writing it."""
    found = site.stat("incoming", source.name)
    return found is not None and found.generation != source.generation


def _left(site: Site, source: Source, seconds: float) -> float:
    store = site.store("incoming")
    return store.seconds_to_rest(source.name, seconds, generation=source.generation)


def _looked_incomplete(site: Site, source: Source) -> bool:
    entry = readable_entry(site, source)
    return (
        entry is not None
        and entry.generation == source.generation
        and entry.outcome is None
        and entry.code in ADVICE
    )


def waits(source: Source, seconds: float) -> FileResult:
    """The row of a file that is left where it is because it is not at rest."""
    when = "Somebody is still writing it."
    if math.isfinite(seconds):
        when = "It changed a moment ago, and may not be whole yet."
    return FileResult(
        name=display_name(source.name),
        became=Became.WAITING,
        reason=when,
        next_step="It stays where it is, and is taken once it no longer changes.",
    )
