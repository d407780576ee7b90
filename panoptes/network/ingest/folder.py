"""A folder of a user's own files, ingested with nothing to start.

The folder is a kept source: read, and left as it is. The steps are those of
`ingest-observation`, run as plain calls, observation by observation.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from panoptes.network.errors import BadInput, TransientError
from panoptes.network.file_types import IMAGES
from panoptes.network.ingest.at_rest import Patience, at_rest
from panoptes.network.ingest.ledger import readable_entry
from panoptes.network.ingest.listing import everything_waiting
from panoptes.network.ingest.observation import AnotherRun, ingest_observation
from panoptes.network.ingest.outcome import Became, FileResult
from panoptes.network.ingest.take import Calls, Watch, take_all
from panoptes.network.names import display_name, parse_sequence_id, parse_upload
from panoptes.network.safe_text import safe_log
from panoptes.network.site import Site
from panoptes.network.upload import Source

log = safe_log(__name__)

PATIENCE_SECONDS = 3600.0
"""How long to wait for another run that is at work on the same observation."""


def files_in(site: Site, data: Path) -> list[Source]:
    """Every file of the kept source but those of the data folder, if that lies within."""
    folder, data = Path(site.settings.incoming), data.expanduser().resolve()
    inside = f"{data.relative_to(folder)}/" if data.is_relative_to(folder) else None
    return [s for s in everything_waiting(site) if not inside or not s.name.startswith(inside)]


def ingest_folder(
    site: Site, sources: Iterable[Source], *, watch: Watch | None = None
) -> list[FileResult]:
    """What became of each file, in the order of the names; every file has a row.

    An observation whose run cannot go on (its catalog is full, another run keeps it) has its
    files reported as failed, and holds up no other.
    """
    sources, watch = list(sources), watch or Watch()
    results: list[FileResult] = []
    observations: dict[str, list[Source]] = {}
    for source in sources:
        if source.upload is not None:
            observations.setdefault(source.upload.sequence_id, []).append(source)
    for sequence_id in sorted(observations):
        waiting = observations[sequence_id]
        seen = _Seen(watch)
        try:
            done, _ = ingest_observation(
                site, parse_sequence_id(sequence_id), watch=seen, patience=PATIENCE_SECONDS
            )
            names = {result.name for result in done}
            unseen = [s for s in waiting if display_name(s.name) not in names]
            results += done + [_not_met(site, source) for source in unseen]
        except (AnotherRun, TransientError) as error:
            log.warning("%s was broken off: %s", sequence_id, error)
            results += seen.results.values()
            left = [s for s in waiting if display_name(s.name) not in seen.results]
            reason = str(error) or "another run has been at work on its observation for an hour"
            results += [_not_taken(source, reason) for source in left]
    unroutable = [source for source in sources if source.upload is None]
    results += _take_unroutable(site, unroutable, watch)
    return sorted(results, key=lambda result: result.name)


def _take_unroutable(site: Site, sources: list[Source], watch: Watch) -> list[FileResult]:
    patience = Patience(site.settings.rest_seconds)
    while (found := at_rest(site, sources)).left and patience.wait(found.left, watch.resting):
        pass
    taken = take_all(found.ready, steps=Calls(site), watch=watch)
    return [*taken.values(), *found.results()]


class _Seen(Watch):
    """Passes on what a run tells, and keeps the rows for the case that it breaks off."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self.results: dict[str, FileResult] = {}

    def planned(self, files: int) -> None:
        self._watch.planned(files)

    def taken(self, result: FileResult) -> None:
        self.results[result.name] = result
        self._watch.taken(result)

    def resting(self, files: int, seconds: float) -> None:
        self._watch.resting(files, seconds)


def _not_met(site: Site, source: Source) -> FileResult:
    """The row of a file that was listed, and that the run of its observation did not find."""
    entry = readable_entry(site, source)
    if entry is not None and entry.outcome is not None:  # another run has taken it meanwhile
        done = entry.outcome in ("archived", "filed")
        return FileResult.from_entry(entry, Became.ALREADY if done else None)
    return _not_taken(
        source, "it was there when the folder was listed, and not when it was to be taken"
    )


def _not_taken(source: Source, reason: str) -> FileResult:
    name, step = display_name(source.name), "Run it again."
    return FileResult(name, Became.FAILED, code="passing-trouble", reason=reason, next_step=step)


def foresee(site: Site, sources: Iterable[Source]) -> list[FileResult]:
    """What would become of each file by its name, its size and the ledger; reads no contents."""
    return [_foresee(site, source) for source in sources]


def _foresee(site: Site, source: Source) -> FileResult:
    name = display_name(source.name)
    entry = readable_entry(site, source)
    if entry is not None and entry.generation == source.generation and entry.outcome:
        done = entry.outcome in ("archived", "filed")
        return FileResult.from_entry(entry, Became.ALREADY if done else None)
    try:
        upload = parse_upload(source.name)
    except BadInput as bad:
        return FileResult(name, Became.QUARANTINED, code=bad.code, reason=bad.reason)
    if source.size == 0 or source.size > site.settings.max_file_bytes:
        unfit = BadInput("too-large" if source.size else "empty-file")
        return FileResult(name, Became.QUARANTINED, code=unfit.code, reason=unfit.reason)
    outcome = Became.CATALOGUED if upload.file_type in IMAGES else Became.FILED
    return FileResult(name, outcome, image_id=upload.image_id)
