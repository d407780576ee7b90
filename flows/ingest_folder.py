"""A folder of a user's own files, ingested with nothing to start.

The folder is a kept source: read, and left as it is. The steps are those of
`ingest-observation`, run as plain calls, observation by observation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from blocks.network import PanoptesNetwork
from flows.ingest_observation import ingest
from flows.taking import Watch, as_calls, take_all
from models.errors import BadInput
from models.ingest import Became, FileResult, Source
from models.names import FileType, display_name, parse_upload
from tasks.ledger import read_entry
from tasks.listing import everything_waiting

PATIENCE_SECONDS = 3600.0
"""How long to wait for another run that is at work on the same observation."""


def files_in(network: PanoptesNetwork, data: Path) -> list[Source]:
    """Every file of the kept source but those of the data folder, if that lies within."""
    inside = _inside(Path(network.incoming), data)
    return [s for s in everything_waiting(network) if not inside or not s.name.startswith(inside)]


def _inside(folder: Path, data: Path) -> str | None:
    data = data.expanduser().resolve()
    return f"{data.relative_to(folder)}/" if data.is_relative_to(folder) else None


def ingest_folder(
    network: PanoptesNetwork, sources: Iterable[Source], *, watch: Watch
) -> list[FileResult]:
    """What became of each file, in the order of the names."""
    sources = list(sources)
    unroutable = [source for source in sources if source.upload is None]
    results = list(take_all(network, unroutable, call=as_calls, watch=watch).values())
    sequences = {s.upload.sequence_id: s.upload.sequence for s in sources if s.upload}
    for _, sequence in sorted(sequences.items()):
        results += ingest(network, sequence, call=as_calls, watch=watch, patience=PATIENCE_SECONDS)
    return sorted(results, key=lambda result: result.name)


def foresee(network: PanoptesNetwork, sources: Iterable[Source]) -> list[FileResult]:
    """What would become of each file by its name, its size and the ledger; reads no contents."""
    return [_foresee(network, source) for source in sources]


def _foresee(network: PanoptesNetwork, source: Source) -> FileResult:
    name = display_name(source.name)
    entry = read_entry(network, source.name)
    if entry is not None and entry.generation == source.generation and entry.outcome:
        done = entry.outcome in ("archived", "filed")
        return FileResult.from_entry(entry, Became.ALREADY if done else None)
    try:
        upload = parse_upload(source.name)
    except BadInput as bad:
        return FileResult(name, Became.QUARANTINED, code=bad.code, reason=bad.reason)
    if source.size == 0 or source.size > network.max_file_bytes:
        bad = BadInput("too-large" if source.size else "empty-file")
        return FileResult(name, Became.QUARANTINED, code=bad.code, reason=bad.reason)
    image_id = None if upload.is_pointing else upload.image_id
    makes_image = upload.file_type in (FileType.FITS, FileType.FITS_FZ, FileType.CR2)
    planned = FileResult(name, Became.FILED, image_id=image_id)
    return replace(planned, outcome=Became.CATALOGUED) if makes_image and image_id else planned
