"""Many mutants in worker processes, and what came of them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock

from tests.fuzz.mutations.mutant import mutant
from tests.fuzz.trial import Judged, scratch

REPOSITORY = Path(__file__).resolve().parents[2]
MOST_FINDINGS = 200
WORKER = [sys.executable, "-m", "tests.fuzz.worker"]


@dataclass
class Report:
    """Counts of verdicts, and everything that should not have come of a file."""

    verdicts: Counter[str] = field(default_factory=Counter)
    findings: list[Judged] = field(default_factory=list)
    seconds: float = 0.0
    """Of processors."""
    slowest: float = 0.0
    peak: int = 0

    @property
    def count(self) -> int:
        return sum(self.verdicts.values())

    def add(self, judged: Judged) -> None:
        self.verdicts[judged.verdict] += 1
        self.seconds += judged.seconds
        self.slowest = max(self.slowest, judged.seconds)
        self.peak = max(self.peak, judged.peak)
        if judged.finding:
            self.findings.append(judged)

    def told(self, elapsed: float) -> str:
        """For people, with the command that repeats each finding."""
        lines = [
            f"{self.count:,} mutants in {elapsed:,.0f} s, {self.count / max(elapsed, 0.1):.0f} a "
            f"second; {1000 * self.seconds / max(1, self.count):.1f} ms each, the slowest "
            f"{self.slowest:.1f} s; at most {self.peak >> 20} MB",
            *(f"{number:>9,}  {verdict}" for verdict, number in self.verdicts.most_common()),
        ]
        kinds: dict[str, list[Judged]] = {}
        for each in self.findings:
            kinds.setdefault(_kind(each), []).append(each)
        for kind, each_of in sorted(kinds.items(), key=lambda pair: -len(pair[1])):
            first = each_of[0]
            lines += [
                "",
                f"{len(each_of)} x {kind}",
                f"  {first.number}: {first.made}",
                f"  .venv/bin/python -m tests.fuzz --only {first.number}",
            ]
        return "\n".join(lines)


def _kind(judged: Judged) -> str:
    """What findings of one cause have in common: the error, and where it was raised."""
    lines = judged.finding.strip().splitlines()
    places = [line.strip() for line in lines if line.startswith('  File "')]
    where = [place.rsplit("/", 1)[-1] for place in places[-1:]]
    said = re.sub(r"'[^']*'|\d+", "_", lines[-1])
    return " ".join([said[:160], *where])


def campaign(
    first: int, count: int, *, processes: int, watch: Callable[[Report], None] | None = None
) -> Report:
    """Judge the mutants `first` to `first + count - 1`; `watch` is called now and then."""
    report, lock = Report(), Lock()

    def work(offset: int) -> None:
        for judged in _judged(first + offset, first + count, processes):
            with lock:
                report.add(judged)
                if watch is not None:
                    watch(report)
            if len(report.findings) > MOST_FINDINGS:
                return

    with ThreadPoolExecutor(processes) as pool:
        list(pool.map(work, range(processes)))
    return report


def _judged(first: int, end: int, step: int) -> Iterator[Judged]:
    """The answers of a worker, and of another one behind the mutant that each died of."""
    while first < end:
        begun: int | None = None
        with (
            scratch() as folder,
            tempfile.TemporaryFile("w+") as errors,
            subprocess.Popen(
                [*WORKER, *map(str, (folder, first, end, step))],
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
                cwd=REPOSITORY,
            ) as worker,
        ):
            try:
                assert worker.stdout is not None
                for line in worker.stdout:
                    if line.startswith("{"):
                        begun = None
                        yield Judged(**json.loads(line))
                    else:
                        begun = int(line)
            finally:
                if worker.poll() is None and begun is not None:
                    worker.terminate()
            ended = worker.wait()
            if not ended:
                return
            errors.seek(0)
            said = errors.read()[-4000:]
        if begun is None:
            raise RuntimeError(f"a worker ended with {ended}: {said}")
        yield Judged(
            begun, "died", 0.0, 0, f"{said}\nthe process ended with {ended}", mutant(begun).made
        )
        first = begun + step


def announcer(count: int, *, every: float = 15.0) -> Callable[[Report], None]:
    """Says what a campaign finds, and every some seconds how far it has come."""
    begun = last = time.monotonic()
    told = 0

    def announce(report: Report) -> None:
        nonlocal last, told
        now = time.monotonic()
        for finding in report.findings[told:]:
            print(f"{finding.number}: {_kind(finding)}", flush=True)
        told = len(report.findings)
        if now - last >= every:
            last = now
            left = (count - report.count) * (now - begun) / report.count
            print(
                f"{report.count:,} of {count:,}, {len(report.findings)} findings, "
                f"{left:,.0f} s left",
                flush=True,
            )

    return announce
