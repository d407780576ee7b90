"""One damaged file through a whole ingest, and the judgement of what became of it."""

from __future__ import annotations

import json
import logging
import resource
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from panoptes.network.cutout import Cutout, NotInImage, Pixel, Sky, cutout
from panoptes.network.documents import Location
from panoptes.network.errors import ADVICE, BadInput
from panoptes.network.header_answer import ALL, REFUSALS, stored_header
from panoptes.network.ingest.outcome import Became, FileResult
from panoptes.network.ingest.take import Calls, take
from panoptes.network.names import parse_upload
from panoptes.network.site import Site
from panoptes.network.upload import Source
from tests import sites
from tests.fuzz.mutations.mutant import Mutant

SECONDS = 10.0
"""Of the processor that one file may take."""
MEMORY = 1 << 30
"""Bytes that one file may take."""
POLICIES: tuple[dict[str, Any], ...] = ({}, {"compression": "RICE_1"}, {}, {"rawpy_options": {}})
"""Of the network that a mutant meets, by its number."""
ALLOWED = (Became.CATALOGUED, Became.FILED, Became.QUARANTINED)


@dataclass(frozen=True)
class Judged:
    """What became of a mutant; `finding` says what is wrong with that, empty if nothing is."""

    number: int
    verdict: str
    """``taken``, a quarantine code, or ``failed``."""
    seconds: float
    """Of the processor."""
    peak: int
    """Bytes of memory that the process has ever had, less what it had before its first file."""
    finding: str = ""
    made: str = ""


class _Errors(logging.Handler):
    """Keeps the traceback that an ingest logs of an unexpected error."""

    def __init__(self) -> None:
        super().__init__()
        self.last = ""

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[1] is not None:
            self.last = "".join(traceback.format_exception(record.exc_info[1]))
        else:
            self.last = self.last or record.getMessage()


class Bench:
    """An empty network to ingest into, made anew after some hundreds of files."""

    def __init__(self, folder: Path) -> None:
        self._networks = [Site.in_folder(folder, **(sites.AT_ONCE | each)) for each in POLICIES]
        self._networks[0].check()
        self._incoming = Path(self._networks[0].settings.incoming)
        self._baseline = peak_memory()
        self._errors = _Errors()
        log = logging.getLogger("panoptes.network.ingest.take")
        log.handlers, log.propagate = [self._errors], False

    def judge(self, mutant: Mutant) -> Judged:
        """Ingest it as an upload of a unit of its own."""
        number = mutant.number
        site = self._networks[number % len(self._networks)]
        unit = f"PAN{number % 1000:03d}/{number // 1000 % 1_000_000:06d}/20180216T110623"
        name = f"{unit}/20180216T112430.{mutant.suffix}"
        path = self._incoming / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(mutant.data)
        self._errors.last = ""
        before, peak = time.process_time(), peak_memory()
        verdict, finding = "failed", ""
        try:
            if mutant.suffix.startswith("fits"):
                self._read_headers(site, f"incoming/{name}")
                self._cut_out(site, "incoming", name)
            result = take(site, self._source(site, name), Calls(site))
            verdict, finding = self._verdict(result)
            if verdict == "taken" and result.location == "images":
                self._read_headers(site, f"images/{result.path}")
                self._cut_out(site, "images", str(result.path))
        except Exception:  # noqa: BLE001 - what escapes is what is looked for
            finding = traceback.format_exc()
        seconds, now = time.process_time() - before, peak_memory()
        if now > peak and now - self._baseline > MEMORY:
            finding = finding or f"it took {(now - self._baseline) >> 20} MB of memory"
        if seconds > SECONDS:
            finding = finding or f"it took {seconds:.1f} s"
        return Judged(number, verdict, seconds, now - self._baseline, finding, mutant.made)

    def _cut_out(self, site: Site, location: Location, name: str) -> None:
        with suppress(BadInput, NotInImage):
            cutout(site.store(location), name, Cutout(Pixel(3, 2), 16, 16))
        with suppress(BadInput, NotInImage):
            cutout(site.store(location), name, Cutout(Sky(300.2, 22.7), 16, 16))

    def _source(self, site: Site, name: str) -> Source:
        info = site.store("incoming").stat(name)
        upload = parse_upload(name)
        return Source(name, info.generation, info.size, info.updated, info.crc32c, upload)

    def _verdict(self, result: FileResult) -> tuple[str, str]:
        if result.became not in ALLOWED:
            return "failed", self._errors.last or f"{result.became}: {result.reason}"
        if result.became is not Became.QUARANTINED:
            return "taken", ""
        if result.code not in ADVICE or result.code == "decoder-crash" or not result.reason:
            return "failed", f"quarantined as {result.code}, {result.reason}"
        return result.code, ""

    def _read_headers(self, site: Site, path: str) -> None:
        """As `get-fits-header` answers it: refused with a sentence, or JSON."""
        try:
            answer = stored_header(site, path, ALL)
        except REFUSALS:
            if path.startswith("images/"):
                raise
        else:
            json.dumps(answer, allow_nan=False, ensure_ascii=False).encode()


@contextmanager
def scratch(within: Path | None = None) -> Iterator[Path]:
    """A folder, in memory where the system has such a place: a bench writes many small files."""
    shared = Path("/dev/shm")
    place = within or (shared if shared.is_dir() else None)
    folder = Path(tempfile.mkdtemp(prefix="panoptes-fuzz-", dir=place))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def bench(within: Path | None = None) -> Iterator[Bench]:
    """A bench in a folder of its own."""
    with scratch(within) as folder:
        yield Bench(folder)


def peak_memory() -> int:
    """Bytes that this process has ever had in memory."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak << 10
