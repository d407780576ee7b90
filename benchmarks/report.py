"""What was measured, as a page for people and as numbers for programs."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

TARGETS: dict[str, tuple[str, str, str]] = {
    "rice_cpu": ("<= 1.0", "`.fits` to `.fits.fz`, Rice, checksums written", "`fpack -r`, CPU"),
    "rice_verified_cpu": ("<= 1.9", "the same, read back and compared", "`fpack -r`, CPU"),
    "archive_size_dark": ("<= 0.86", "size of the default format, dark sky", "`fpack -r`"),
    "archive_size_bright": ("<= 0.80", "size of the default format, bright sky", "`fpack -r`"),
    "archive_cpu": ("<= 1.8", "the default format, checksums written", "`fpack -r`, CPU"),
    "rgb_cpu": ("<= 0.55", "`.cr2` to R, G, B, verified", "the original's call, plain files; CPU"),
    "header_requests": ("== 1", "requests for the header of a solved frame", ""),
    "header_speedup": (">= 9", "that header at 30 ms latency", "block by block; wall"),
    "cutout_ms": ("<= 300", "a cutout of 1,024 x 1,024 pixels of a frame at 30 ms; ms", ""),
    "ingest_cpu": ("<= 1.0", "a run's processes whole, 60 frames; a frame", "the bare calls; CPU"),
    "ingest_cpu_rice": ("<= 1.0", "the same with Rice", "the bare calls; CPU"),
    "ingest_cpu_3_frames": ("<= 1.5", "the same at 3 frames a run", "the bare calls; CPU"),
    "server_cpu": ("<= 0.4", "the Prefect server; a frame of 60", "the bare calls; CPU"),
    "orchestration_wall": (
        "<= 1.12",
        "wall of the flow after its start",
        "the same as plain calls",
    ),
    "run_start_cpu": ("<= 0.2", "a run that finds nothing, forked", "a fresh interpreter; CPU"),
    "run_start_wall": ("<= 1.5", "seconds from its creation until it runs, p95", ""),
    "live_lag_p95": ("<= 30", "seconds from last byte to catalogued, 20 live cameras, p95", ""),
    "live_cameras": (">= 60", "live cameras at which that is at most 60 s", ""),
    "live_in_cadence": (">= 0.99", "share done before the next frame, 50 live cameras", ""),
    "search_p95_ms": ("<= 50", "the worst kind of search, 100,000 observations; ms, p95", ""),
    "night_p95_ms": ("<= 300", "a past night with its plots, 100,000 images; ms, p95", ""),
    "bytes_an_image": ("<= 2048", "bytes of the catalogue's file for each image", ""),
    "growth_cpu": ("<= 1.1", "CPU a frame, many frames", "few frames"),
    "growth_memory": ("<= 1.2", "peak memory, many frames", "few frames"),
    "two_core_speedup": (">= 1.6", "frames a second on two cores", "one core"),
}
"""Key -> what it must reach, what it is, against what."""

WORDS = Path(__file__).with_name("words.md")
"""What people have to say of the figures."""
_PACKAGES = ("prefect", "imagecodecs", "numpy", "rawpy", "pillow", "astropy", "fitsio")
_COMPARED = {"<=": float.__le__, ">=": float.__ge__, "==": float.__eq__}


@dataclass
class Measured:
    """What one part found, and on which machine."""

    numbers: dict[str, float] = field(default_factory=dict)
    tables: list[str] = field(default_factory=list)
    circumstances: str = ""


@dataclass
class Report:
    """Collects numbers, tables and remarks, part by part; a part replaces its earlier results."""

    extent: str
    """How many frames and rounds, in a sentence."""
    folder: Path
    """Where it is written, part by part."""
    _parts: dict[str, Measured] = field(default_factory=dict)
    _now: Measured = field(default_factory=Measured)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """What is said within belongs to this part."""
        self._now = self._parts[name] = Measured()
        began = time.monotonic()
        yield
        self._now.circumstances = _circumstances(time.monotonic() - began)
        self.write()

    @property
    def numbers(self) -> dict[str, float]:
        measured = {k: v for part in self._parts.values() for k, v in part.numbers.items()}
        return {key: round(measured[key], 4) for key in TARGETS if key in measured}

    def number(self, key: str, value: float) -> None:
        self._now.numbers[key] = value
        print(f"{key:20} {value:8.3f}   must be {TARGETS[key][0]}", flush=True)

    def note(self, text: str) -> None:
        self._now.tables.append(text)

    def table(self, title: str, head: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        lines = [head, ["---"] * len(head), *rows]
        self.note("\n".join([f"### {title}\n", *(f"| {' | '.join(r)} |" for r in lines)]))
        print("\n".join([title, *("  " + "  ".join(row) for row in rows)]), flush=True)

    @property
    def missed(self) -> list[str]:
        return [key for key in TARGETS if not reached(key, self.numbers.get(key))]

    def write(self) -> None:
        """RESULTS.md, results.json, and details.json with all that later parts are added to."""
        details = self.folder / "details.json"
        if details.exists():
            kept = {k: Measured(**v) for k, v in json.loads(details.read_text()).items()}
            self._parts = kept | self._parts
        details.write_text(
            json.dumps({k: vars(v) for k, v in self._parts.items()}, indent=1) + "\n"
        )
        numbers = self.numbers
        (self.folder / "results.json").write_text(json.dumps(numbers, indent=2) + "\n")
        rows = [
            f"| `{key}` | {what} | {peer} | {reach} | {_shown(numbers, key)} |"
            for key, (reach, what, peer) in TARGETS.items()
        ]
        page = [
            "# What it costs",
            "Written by `make bench`, part by part: what each was measured with stands at its "
            f"details. {self.extent}",
            "| key | what | against | must be | is |\n|---|---|---|---|---|\n" + "\n".join(rows),
            "Ratios below 1 mean less than the other. CPU seconds are those of the process, its "
            "threads and its children. Everything is measured in turns with its peer, and what "
            "is timed is also checked: see the modules of this folder.",
            WORDS.read_text().strip(),
            *(
                "\n\n".join([f"## Details: {name}", part.circumstances, *part.tables])
                for name, part in self._parts.items()
            ),
        ]
        (self.folder / "RESULTS.md").write_text("\n\n".join(filter(None, page)) + "\n")


def _circumstances(seconds: float) -> str:
    programs = [f"{name} {version(name)}" for name in _PACKAGES]
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    return (
        f"On {datetime.now(UTC):%Y-%m-%d %H:%M} UTC, in {seconds / 60:.0f} minutes, on "
        f"{os.cpu_count()} cores of {_processor()}; load at the end {load}. "
        f"Python {platform.python_version()}, {', '.join(programs)}, fpack {_version_of_fpack()}."
    )


def reached(key: str, value: float | None) -> bool:
    """Whether a number is what `TARGETS` asks for."""
    sign, limit = TARGETS[key][0].split()
    return value is not None and _COMPARED[sign](float(value), float(limit))


def _shown(numbers: dict[str, float], key: str) -> str:
    if key not in numbers:
        return "not measured"
    return f"{numbers[key]:.2f}" + ("" if reached(key, numbers[key]) else " (missed)")


def _version_of_fpack() -> str:
    try:
        said = subprocess.run(["fpack", "-V"], capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "(not installed)"
    return " ".join(said.stdout.split())


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.machine()
    return next((x.partition(":")[2].strip() for x in lines if x.startswith("model name")), "?")
