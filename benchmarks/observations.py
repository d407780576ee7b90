"""Observations to ingest, made of copies of the same few frames, and looked at afterwards."""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.codec import restores
from benchmarks.frames import Frame
from benchmarks.measure import require
from panoptes.network.catalog.catalog import Query
from panoptes.network.documents import File
from panoptes.network.names import ObservationName, parse_sequence_id
from panoptes.network.settings import LOCATIONS
from panoptes.network.site import Site

_NIGHT = datetime(2026, 1, 15, tzinfo=UTC)


class Observations:
    """A network in a folder, and as many observations in it as are asked for."""

    def __init__(self, folder: Path, **policies: Any) -> None:
        self.site = Site.in_folder(folder, **({"rest_seconds": 0} | policies))
        self.site.check()
        self._count = 0

    def upload(self, frames: Sequence[Frame], count: int, *, raws: bool = True) -> ObservationName:
        """`count` frames, one of `frames` after the other, as ``.fits`` and ``.cr2``.

        Each is a file of its own, as uploads are: of several links to one file, each that leaves
        `incoming` changes the others.
        """
        began = _NIGHT + timedelta(hours=6 * self._count)
        self._count += 1
        sequence = parse_sequence_id(f"PAN001_14d3bd_{began:%Y%m%dT%H%M%S}")
        folder = Path(self.site.settings.incoming, sequence.folder)
        folder.mkdir(parents=True)
        for index in range(count):
            frame = frames[index % len(frames)]
            stem = f"{began + timedelta(seconds=20 * (index + 1)):%Y%m%dT%H%M%S}"
            shutil.copyfile(frame.fits, folder / f"{stem}.fits")
            if raws:
                shutil.copyfile(frame.cr2, folder / f"{stem}.cr2")
        os.sync()  # what is still to be written of them is no part of what is measured
        return sequence

    def check(self, sequence: ObservationName, frames: Sequence[Frame], count: int) -> None:
        """Everything is archived and counted, nothing waits; one image is read by others."""
        entries = self._entries(sequence)
        outcomes = {entry.outcome for entry in entries}
        require(outcomes == {"archived"}, f"{sequence.sequence_id}: {outcomes}")
        document = self.site.catalog.get("observations", sequence.sequence_id)
        counted = document.fields.get("num_images") if document else None
        require(counted == count, f"{sequence.sequence_id}: {counted} images of {count}")
        left = list(self.site.store("incoming").list(f"{sequence.folder}/"))
        require(not left, f"{len(left)} files of {sequence.sequence_id} still wait")
        first = min(entry.path for entry in entries if entry.location == "images" and entry.path)
        restores(Path(self.site.settings.images, first), frames[0].fits)

    def bytes_by_location(self, sequence: ObservationName) -> dict[str, int]:
        """Of all outputs, by where they lie."""
        sizes: dict[str, int] = {}
        for entry in self._entries(sequence):
            for output in entry.outputs or ():
                sizes[output.location] = sizes.get(output.location, 0) + output.size
        return sizes

    def closings(self, sequence: ObservationName) -> list[datetime]:
        """When each file was done, in order."""
        return sorted(e.closed for e in self._entries(sequence) if e.closed is not None)

    def clear(self) -> None:
        """Make room on the disk; the catalogue stays."""
        for location in LOCATIONS:
            shutil.rmtree(getattr(self.site.settings, location), ignore_errors=True)
        self.site.check()

    def _entries(self, sequence: ObservationName) -> list[File]:
        query = Query("files", where=[("sequence_id", "==", sequence.sequence_id)])
        return [File.model_validate(d.fields) for d in self.site.catalog.query(query)]


def steady_rate(closings: Sequence[datetime]) -> float:
    """Files a second, without the run's beginning and its end."""
    first, last = len(closings) // 6, len(closings) - len(closings) // 12 - 1
    return (last - first) / (closings[last] - closings[first]).total_seconds()
