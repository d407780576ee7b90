"""A live night: cameras that each send a frame every two minutes through ``make up``.

A frame is a full ``.fits`` and a ``.cr2``, written under a passing name and renamed. The lag of
a file is from its last byte to its place in the catalogue, its picture made, as the ledger has it.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sysconfig
import threading
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from benchmarks.frames import Frame
from benchmarks.measure import require
from benchmarks.report import Report
from deployments.command_line.up import DATABASE
from panoptes.network.catalog.catalog import Query
from panoptes.network.documents import File
from panoptes.network.ingest.lag import IN_ALL, STAGES, lag_of, percentile
from panoptes.network.settings import LOCATIONS
from panoptes.network.site import Site
from tests.local_http import free_ports
from tests.postgres import postgres

CADENCE = 120.0
"""Seconds between two frames of a camera."""
STEPS = (20, 50, 60)
"""Cameras: those of the three targets."""
ON_POSTGRESQL = 50
"""Cameras of one more step, with PostgreSQL for Prefect's server where it is installed."""
FRAMES = 2
"""Of each camera at each step."""
PATIENCE = 300.0
"""Seconds for what is still on its way at the end of a step."""


def run(report: Report, pair: Sequence[Frame], scratch: Path, *, quick: bool) -> None:
    data = scratch / "live"
    site = Site.in_folder(data)
    site.check()
    steps = STEPS[:1] if quick else STEPS
    lags = _night(site, pair, data, steps)
    in_all = {cameras: [lag[IN_ALL] for lag in found] for cameras, found in lags.items()}
    report.number("live_lag_p95", percentile(in_all[20], 0.95))
    if not quick:
        within = [n for n, found in in_all.items() if percentile(found, 0.95) <= 60]
        report.number("live_cameras", float(max(within, default=0)))
        done = [lag <= CADENCE for lag in in_all[50]]
        report.number("live_in_cadence", sum(done) / len(done))
    rows = [(str(number), found) for number, found in lags.items()]
    if not quick and shutil.which("initdb"):
        elsewhere = Site.in_folder(scratch / "live-postgresql")
        elsewhere.check()
        with postgres(scratch) as database:
            found = _night(elsewhere, pair, scratch / "live-postgresql", [ON_POSTGRESQL], database)
        rows.append((f"{ON_POSTGRESQL}, PostgreSQL", found[ON_POSTGRESQL]))
    report.table(
        f"A live night, {FRAMES} frames of each camera at a cadence of {CADENCE:.0f} s",
        ("cameras", "files", "p50, s", "p95", "p99", *(f"{each}, p50" for each in STAGES)),
        [
            (
                cameras,
                str(len(found)),
                *(
                    f"{percentile((lag[IN_ALL] for lag in found), share):.1f}"
                    for share in (0.5, 0.95, 0.99)
                ),
                *(f"{percentile((lag[each] for lag in found), 0.5):.1f}" for each in STAGES),
            )
            for cameras, found in rows
        ],
    )


def _night(
    site: Site, pair: Sequence[Frame], data: Path, steps: Sequence[int], database: str | None = None
) -> dict[int, list[dict[str, float]]]:
    """The lags of all files of each step, by its cameras."""
    lags = {}
    with Up(data, database) as up:
        for number, cameras in enumerate(steps):
            _send(site, pair, number, cameras)
            lags[cameras] = [lag_of(entry) for entry in _await(site, up, number, cameras)]
            _clear(site)
    return lags


class Up:
    """``panoptes-network up`` on ports of its own, until the end."""

    def __init__(self, data: Path, database: str | None = None) -> None:
        program = Path(sysconfig.get_path("scripts")) / "panoptes-network"
        names = ("--port", "--receiver-port", "--site-port")
        taken = zip(names, map(str, free_ports(len(names))), strict=True)
        ports = [word for each in taken for word in each]
        self._log = (data / "up.log").open("w+b")
        self._process = subprocess.Popen(
            [str(program), "up", "--data", str(data), *ports],
            env=os.environ | ({DATABASE: database} if database else {}),
            stdout=self._log,
            stderr=subprocess.STDOUT,
        )
        self._path = data / "up.log"

    def __enter__(self) -> Up:
        deadline = time.monotonic() + PATIENCE
        while "Ctrl-C stops everything" not in self._path.read_text():
            self.check()
            require(time.monotonic() < deadline, "the stack did not come up")
            time.sleep(0.5)
        return self

    def check(self) -> None:
        require(self._process.poll() is None, f"up has ended: {self._path.read_text()[-500:]}")

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        self._process.wait(60)
        self._log.close()


def _observation(step: int, camera: int) -> tuple[str, datetime]:
    """The folder of a camera's observation, and when it began: tonight, after the last step's."""
    now = datetime.now(UTC).replace(microsecond=0)
    began = now.replace(hour=0, minute=0, second=0) + step * FRAMES * timedelta(seconds=CADENCE)
    return f"PAN{camera // 2 + 1:03d}/{camera:06x}/{began:%Y%m%dT%H%M%S}", began


def _send(site: Site, pair: Sequence[Frame], step: int, cameras: int) -> None:
    """All frames of a step, each camera at its own moment of the cadence."""
    sending: list[threading.Thread] = []
    start = time.monotonic()
    for index in range(FRAMES):
        for camera in range(cameras):
            due = start + CADENCE * (index + camera / cameras)
            time.sleep(max(0.0, due - time.monotonic()))
            folder, began = _observation(step, camera)
            stem = f"{began + timedelta(seconds=CADENCE * index):%Y%m%dT%H%M%S}"
            target = Path(site.settings.incoming, folder)
            target.mkdir(parents=True, exist_ok=True)
            frame = pair[index % len(pair)]
            thread = threading.Thread(target=_write, args=(frame, target, stem))
            thread.start()
            sending.append(thread)
    for thread in sending:
        thread.join()


def _write(frame: Frame, folder: Path, stem: str) -> None:
    for source in (frame.fits, frame.cr2):
        passing = folder / f"{stem}{source.suffix}.part"
        shutil.copyfile(source, passing)
        os.utime(passing)
        passing.rename(passing.with_suffix(""))


def _await(site: Site, up: Up, step: int, cameras: int) -> list[File]:
    """The ledger's entries of every file of a step, all archived."""
    deadline = time.monotonic() + PATIENCE
    wanted = 2 * FRAMES * cameras
    while True:
        up.check()
        found = [entry for camera in range(cameras) for entry in _entries(site, step, camera)]
        done = [entry for entry in found if entry.outcome is not None]
        if len(done) == wanted:
            require({e.outcome for e in done} == {"archived"}, "not every frame was archived")
            return done
        require(time.monotonic() < deadline, f"{wanted - len(done)} files are on their way still")
        time.sleep(2)


def _entries(site: Site, step: int, camera: int) -> list[File]:
    folder, _ = _observation(step, camera)
    query = Query("files", where=[("sequence_id", "==", folder.replace("/", "_"))])
    return [File.model_validate(stored.fields) for stored in site.catalog.query(query)]


def _clear(site: Site) -> None:
    """Make room on the disk; the catalogue stays."""
    for location in LOCATIONS:
        if location not in ("incoming", "quarantine"):
            for each in Path(getattr(site.settings, location)).iterdir():
                shutil.rmtree(each, ignore_errors=True)
