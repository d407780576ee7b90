"""The way of a file: open its ledger entry, derive, verify, record; or quarantine it.

This is the one composition. Its steps are given to it: as plain calls from the command line
and a Python prompt, as Prefect tasks from the flows (`tasks.ingest_image`).
"""

from __future__ import annotations

import os
from collections.abc import Generator, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import closing, suppress
from datetime import datetime
from typing import Protocol

from panoptes.network.errors import BadInput, is_transient
from panoptes.network.file_types import FileType
from panoptes.network.ingest.at_rest import may_come, waits, was_replaced
from panoptes.network.ingest.deposit import OutputLost
from panoptes.network.ingest.derive import DERIVATIONS, verify
from panoptes.network.ingest.ledger import (
    Opened,
    Verdict,
    close_failed,
    close_unfinished,
    now,
    open_entry,
    read_entry,
)
from panoptes.network.ingest.listing import by_image
from panoptes.network.ingest.outcome import Became, Derived, FileResult
from panoptes.network.ingest.provenance import require_own_sequence
from panoptes.network.ingest.quarantine import may_be_removed, quarantine_file
from panoptes.network.ingest.record import record_image_file
from panoptes.network.ingest.removing import remove_from_incoming
from panoptes.network.ingest.retries import keep_trying
from panoptes.network.ingest.settle import settle_observation
from panoptes.network.names import ObservationName, display_name, parse_upload
from panoptes.network.safe_text import safe_log
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound, Unreadable
from panoptes.network.structured_log import about
from panoptes.network.upload import Source

log = safe_log(__name__)

Taken = tuple[Source, FileResult]


class Steps(Protocol):
    """How the steps of an ingest are run; each is retried while its trouble is passing."""

    def derive(self, source: Source, file_type: FileType, *, fresh: bool) -> Derived:
        """See `DERIVATIONS`; `fresh` passes over what was cached. Raises BadInput."""
        ...

    def verify(self, source: Source, derived: Derived) -> None:
        """Raises OutputLost."""
        ...

    def record(self, source: Source, derived: Derived) -> FileResult: ...

    def quarantine(self, source: Source, bad: BadInput) -> FileResult: ...

    def settle(self, sequence: ObservationName) -> None: ...

    def images(self, groups: Iterable[list[Source]]) -> Generator[list[Taken], None, None]:
        """`take` the files of each group one after the other, groups side by side.

        Closed early, it begins nothing more and waits for what is in the works.
        """
        ...


class Calls:
    """Steps as plain calls in this process."""

    def __init__(self, site: Site) -> None:
        self.site = site

    def derive(self, source: Source, file_type: FileType, *, fresh: bool) -> Derived:
        return keep_trying(DERIVATIONS[file_type].make, self.site, source)

    def verify(self, source: Source, derived: Derived) -> None:
        keep_trying(verify, self.site, source, derived)

    def record(self, source: Source, derived: Derived) -> FileResult:
        return keep_trying(record_image_file, self.site, source, derived)

    def quarantine(self, source: Source, bad: BadInput) -> FileResult:
        return keep_trying(quarantine_file, self.site, source, bad)

    def settle(self, sequence: ObservationName) -> None:
        keep_trying(settle_observation, self.site, sequence)

    def images(self, groups: Iterable[list[Source]]) -> Generator[list[Taken], None, None]:
        def take_image(group: list[Source]) -> list[Taken]:
            return [(source, take(self.site, source, self)) for source in group]

        with ThreadPoolExecutor(images_in_flight(self.site.settings.workers), "image") as pool:
            try:
                waiting = [pool.submit(take_image, group) for group in groups]
                for done in as_completed(waiting):
                    yield done.result()
            except BaseException:  # interrupted: what is in the works ends, nothing more begins
                pool.shutdown(cancel_futures=True)
                raise


def images_in_flight(workers: int) -> int:
    """How many images are in the works at once: `workers`, or one a core for 0."""
    return workers or os.cpu_count() or 1


class Watch:
    """Who looks on while files are taken; says nothing."""

    def planned(self, files: int) -> None:
        """So many more files will be taken."""

    def taken(self, result: FileResult) -> None:
        """One has been."""

    def resting(self, files: int, seconds: float) -> None:
        """So many have just changed, and are looked at again in so many seconds."""


def take_all(
    sources: Sequence[Source], *, steps: Steps, watch: Watch
) -> dict[tuple[str, int], FileResult]:
    """Take many files; one bad file holds up no other. Gives results by name and generation."""
    watch.planned(len(sources))
    results: dict[tuple[str, int], FileResult] = {}
    with closing(steps.images(by_image(sources))) as images:
        for image in images:
            for source, result in image:
                results[source.name, source.generation] = result
                watch.taken(result)
    return results


def take(site: Site, source: Source, steps: Steps) -> FileResult:
    """Take one file, whatever comes of it; never raises for the file's or our own faults."""
    upload = source.upload
    named = (upload.sequence_id, upload.image_id) if upload else (None, None)
    with about(*named):
        return _take_or_report(site, source, steps)


def _take_or_report(site: Site, source: Source, steps: Steps) -> FileResult:
    begun = now()
    try:
        return _take_unless_replaced(site, source, steps)
    except Exception as error:  # the boundary between one file and its siblings
        if is_transient(error) or isinstance(error, Unreadable):
            log.warning("%s could not be taken: %s", source.label, error)
        else:
            log.exception("%s could not be taken", source.label)
        return _report_failure(site, source, error, begun)
    finally:
        source.memory.clear()


def _take_unless_replaced(site: Site, source: Source, steps: Steps) -> FileResult:
    try:
        return _take(site, source, steps)
    except NotFound:
        if not keep_trying(was_replaced, site, source):
            raise
        keep_trying(close_unfinished, site, source)
        return waits(source, 0.0)


def _take(site: Site, source: Source, steps: Steps) -> FileResult:
    opened = keep_trying(open_entry, site, source)
    match opened.verdict:
        case Verdict.DONE:
            return _take_away(site, source, opened, Became.ALREADY)
        case Verdict.QUARANTINED if opened.entry.path is None:
            return FileResult.from_entry(opened.entry)  # there is no copy of it, and it stays
        case Verdict.QUARANTINED:
            return _take_away(site, source, opened, Became.QUARANTINED)
        case Verdict.GIVEN_UP:
            return FileResult.from_entry(opened.entry, Became.FAILED)
        case Verdict.GONE:
            return FileResult.from_entry(opened.entry, Became.ALREADY)
        case Verdict.WORK:
            return _work(site, source.in_child() if opened.guarded else source, steps)


def _take_away(site: Site, source: Source, opened: Opened, became: Became) -> FileResult:
    """Of a file that was done before; what cannot be removed anyway is not read for it."""
    stays = opened.stays
    if stays is None:
        if not keep_trying(may_be_removed, site, source, opened.entry):
            return _changed_unseen(source)
        stays = keep_trying(remove_from_incoming, site, source)
    return FileResult.from_entry(opened.entry, became, stays=stays)


def _work(site: Site, source: Source, steps: Steps) -> FileResult:
    try:
        upload = source.upload or parse_upload(source.name)
        keep_trying(require_own_sequence, site, upload)
        derived = steps.derive(source, upload.file_type, fresh=False)
        try:
            steps.verify(source, derived)
        except OutputLost:  # a cached result whose outputs are gone
            derived = steps.derive(source, upload.file_type, fresh=True)
            steps.verify(source, derived)
        return steps.record(source, derived)
    except BadInput as bad:
        if keep_trying(may_come, site, source, bad):
            entry = keep_trying(close_unfinished, site, source, bad)
            return FileResult.from_entry(entry, Became.WAITING)
        return steps.quarantine(source, bad)


def lost(source: Source, error: Exception) -> FileResult:
    """Of a file whose worker went with it; nothing is written down, so that the ledger still
    counts an attempt that did not return."""
    return FileResult(
        name=display_name(source.name),
        became=Became.FAILED,
        code="passing-trouble",
        reason=f"The machine that worked on it was lost ({type(error).__name__}: {error}).",
        next_step="The next sweep takes it up again.",
    )


def _changed_unseen(source: Source) -> FileResult:
    """The folder's times and sizes say that it was judged, its bytes say otherwise: it stays."""
    return FileResult(
        name=display_name(source.name),
        became=Became.FAILED,
        code="changed-unseen",
        reason="Its bytes are not those that were judged before, though the folder gives the "
        "same time and size.",
        next_step="Give it a new time (touch) and it is taken as a new upload.",
    )


def _is_there(site: Site, source: Source) -> bool:
    with suppress(Unreadable):  # it is, but nobody may look
        return keep_trying(site.has, source)
    return True


def _report_failure(site: Site, source: Source, error: Exception, begun: datetime) -> FileResult:
    try:
        if isinstance(error, NotFound):
            entry = read_entry(site, source.name)
            if entry is not None and entry.generation != source.generation:
                return FileResult.from_entry(entry, Became.ALREADY)  # replaced under our hands
        entry = keep_trying(close_failed, site, source, error, passing=is_transient(error))
        said = f"{type(error).__name__}: {error}"
        is_of_another = entry.generation != source.generation
        if is_of_another and _is_there(site, source):  # of the upload before
            return FileResult(entry.name, Became.FAILED, code="passing-trouble", reason=said)
        # Which another run may have brought to its end, now or long ago.
        is_old = entry.outcome in ("archived", "filed") and entry.closed and entry.closed < begun
        is_done = entry.outcome in ("archived", "filed", "quarantined")
        stays = said if is_done and _is_there(site, source) else None
        return FileResult.from_entry(entry, Became.ALREADY if is_old else None, stays=stays)
    except Exception as second:  # even the ledger is out of reach
        log.exception("the failure of %s could not be written down", source.label)
        return FileResult(
            name=display_name(source.name),
            became=Became.FAILED,
            code="unexpected-error",
            reason=f"{type(error).__name__}: {error} (and then {type(second).__name__}: {second})",
        )
