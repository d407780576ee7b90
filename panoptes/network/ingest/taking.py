"""Taking files: one chain of steps a file, images side by side."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextvars import copy_context
from typing import Any, Protocol, TypeVar

from panoptes.network.site import Site
from panoptes.network.upload import Source
from prefect import Task
from prefect.context import FlowRunContext
from prefect.utilities.annotations import quote

from panoptes.network.errors import BadInput, is_passing
from panoptes.network.ingest.compress import compress, verify
from panoptes.network.ingest.deposit import OutputLost
from panoptes.network.ingest.keep import keep_fits, keep_media, verify_kept
from panoptes.network.ingest.ledger import (
    Verdict,
    close_failed,
    close_unfinished,
    open_entry,
    read_entry,
)
from panoptes.network.ingest.listing import by_image
from panoptes.network.ingest.outcome import Became, Derived, FileResult
from panoptes.network.ingest.quarantine import quarantine, remove_if_judged
from panoptes.network.ingest.record import record
from panoptes.network.ingest.rest import may_come, waits, was_replaced
from panoptes.network.ingest.retries import call_plainly, keep_trying
from panoptes.network.ingest.rgb import make_rgb, verify_rgb
from panoptes.network.ingest.sources import require_own_sequence
from panoptes.network.names import FileType, display_name, parse_upload
from panoptes.network.safe_text import safe_log
from panoptes.network.storage.store import NotFound

log = safe_log(__name__)

Result = TypeVar("Result")


class Call(Protocol):
    """How a step is run: as a Prefect task, or plainly."""

    def __call__(self, made: Task[..., Result], *arguments: Any, fresh: bool = False) -> Result: ...


class Watch(Protocol):
    """Who looks on while files are taken."""

    def planned(self, files: int) -> None: ...

    def taken(self, result: FileResult) -> None: ...

    def resting(self, files: int, seconds: float) -> None:
        """So many files have just changed and are looked at again in so many seconds."""
        ...


class Nobody:
    """Looks on and says nothing."""

    def planned(self, files: int) -> None:
        pass

    def taken(self, result: FileResult) -> None:
        pass

    def resting(self, files: int, seconds: float) -> None:
        pass


def as_tasks(made: Task[..., Result], *arguments: Any, fresh: bool = False) -> Result:
    """Run a step as a Prefect task; `fresh` passes over a cached result."""
    chosen = made.with_options(refresh_cache=True) if fresh else made
    # As quotations: else Prefect looks for futures in every field of every argument.
    result = chosen(*map(quote, arguments))
    running = FlowRunContext.get()
    if running is not None:
        # Prefect keeps the state behind every result, for a task that might be given it.
        running.run_results.clear()
    return result


def as_calls(made: Task[..., Result], *arguments: Any, fresh: bool = False) -> Result:
    """Run a step here, with the same retries and without Prefect; nothing is cached."""
    return call_plainly(made, *arguments)


DERIVATIONS: dict[FileType, tuple[Task[..., Derived], Task[..., None]]] = {
    FileType.FITS: (compress, verify),
    FileType.FITS_FZ: (keep_fits, verify_kept),
    FileType.CR2: (make_rgb, verify_rgb),
    FileType.JPG: (keep_media, verify_kept),
    FileType.MP4: (keep_media, verify_kept),
}
"""What is made of each type of file, and how that is compared with the file."""


def take_all(
    site: Site, sources: Sequence[Source], *, call: Call, watch: Watch
) -> dict[tuple[str, int], FileResult]:
    """Take many files, at most `workers` images at once; one bad file holds up no other."""
    watch.planned(len(sources))
    results: dict[tuple[str, int], FileResult] = {}

    def take_image(group: list[Source]) -> list[tuple[Source, FileResult]]:
        return [(source, take(site, source, call)) for source in group]

    with ThreadPoolExecutor(site.settings.workers or os.cpu_count(), "image") as pool:
        try:
            groups = [pool.submit(copy_context().run, take_image, g) for g in by_image(sources)]
            for group in as_completed(groups):
                for source, result in group.result():
                    results[source.name, source.generation] = result
                    watch.taken(result)
        except BaseException:  # interrupted: what is in the works ends, nothing more begins
            pool.shutdown(cancel_futures=True)
            raise
    return results


def take(site: Site, source: Source, call: Call) -> FileResult:
    """Take one file, whatever comes of it; never raises for the file's or our own faults."""
    try:
        return _take_unless_replaced(site, source, call)
    except Exception as error:  # the boundary between one file and its siblings
        if is_passing(error):
            log.warning("%s could not be taken: %s", source.label, error)
        else:
            log.exception("%s could not be taken", source.label)
        return _report_failure(site, source, error)


def _take_unless_replaced(site: Site, source: Source, call: Call) -> FileResult:
    try:
        return _take(site, source, call)
    except NotFound:
        if not keep_trying(was_replaced, site, source):
            raise
        keep_trying(close_unfinished, site, source)
        return waits(source, 0.0)


def _take(site: Site, source: Source, call: Call) -> FileResult:
    with site.holding(source):
        opened = keep_trying(open_entry, site, source)
        match opened.verdict:
            case Verdict.DONE:
                if not keep_trying(remove_if_judged, site, source, opened.entry):
                    return _changed_unseen(source)
                return FileResult.from_entry(opened.entry, Became.ALREADY)
            case Verdict.QUARANTINED:
                # Without a path there is no copy of it, and it stays.
                removable = opened.entry.path is not None
                if removable and not keep_trying(remove_if_judged, site, source, opened.entry):
                    return _changed_unseen(source)
                return FileResult.from_entry(opened.entry)
            case Verdict.GIVEN_UP:
                return FileResult.from_entry(opened.entry, Became.FAILED)
            case Verdict.GONE:
                return FileResult.from_entry(opened.entry, Became.ALREADY)
            case Verdict.WORK:
                return _work(site, source.in_child() if opened.guarded else source, call)


def _work(site: Site, source: Source, call: Call) -> FileResult:
    try:
        upload = source.upload or parse_upload(source.name)
        derive, compare = DERIVATIONS[upload.file_type]
        keep_trying(require_own_sequence, site, upload)
        derived = call(derive, site, source)
        try:
            call(compare, site, source, derived)
        except OutputLost:  # a cached result whose outputs are gone
            derived = call(derive, site, source, fresh=True)
            call(compare, site, source, derived)
        return call(record, site, source, derived)
    except BadInput as bad:
        if keep_trying(may_come, site, source, bad):
            entry = keep_trying(close_unfinished, site, source, bad)
            return FileResult.from_entry(entry, Became.WAITING)
        return call(quarantine, site, source, bad)


def _changed_unseen(source: Source) -> FileResult:
    """The folder's times and sizes say that it was judged, its bytes say otherwise: it stays."""
    return FileResult(
        name=display_name(source.name),
        outcome=Became.FAILED,
        code="changed-unseen",
        reason="Its bytes are not those that were judged before, though the folder gives the "
        "same time and size.",
        next_step="Give it a new time (touch) and it is taken as a new upload.",
    )


def _report_failure(site: Site, source: Source, error: Exception) -> FileResult:
    try:
        if isinstance(error, NotFound):
            entry = read_entry(site, source.name)
            if entry is not None and entry.generation != source.generation:
                return FileResult.from_entry(entry, Became.ALREADY)  # replaced under our hands
        entry = keep_trying(close_failed, site, source, error, passing=is_passing(error))
        return FileResult.from_entry(entry)  # which another run may have brought to its end
    except Exception as second:  # even the ledger is out of reach
        log.exception("the failure of %s could not be written down", source.label)
        return FileResult(
            name=display_name(source.name),
            outcome=Became.FAILED,
            code="unexpected-error",
            reason=f"{type(error).__name__}: {error} (and then {type(second).__name__}: {second})",
        )
