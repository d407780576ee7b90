"""The whole ingest, by a worker's runs: against the bare calls, plain calls, and itself."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

from benchmarks import colour, frames
from benchmarks.codec import fpack
from benchmarks.frames import Frame
from benchmarks.jobs import Job, Plain, idle_cpu, run_job, run_plainly, template_of
from benchmarks.measure import cost_of
from benchmarks.observations import Observations, steady_rate
from benchmarks.report import Report
from blocks.network import PanoptesNetwork
from deployments.local_stack.stack import LocalStack


@dataclass
class Bench:
    """What all parts share."""

    report: Report
    stack: LocalStack
    site: Observations
    rice: Observations
    pair: tuple[Frame, Frame]
    scratch: Path
    quick: bool

    def job(self, count: int, *, rice: bool = False) -> Job:
        """One checked run over `count` frames."""
        site = self.rice if rice else self.site
        sequence = site.upload(self.pair, count)
        job = run_job(self.stack, sequence, network="rice" if rice else "default")
        site.check(sequence, self.pair, count)
        return job


def run(
    report: Report, pair: tuple[Frame, Frame], scratch: Path, parts: set[str], *, quick: bool
) -> None:
    site = Observations(scratch / "data", previews_wanted=True)
    rice = Observations(scratch / "rice", compression="RICE_1")
    with LocalStack(scratch / "stack", site=site.site) as stack:
        with stack.settings():
            PanoptesNetwork.of(rice.site).save("rice", overwrite=True)
        bench = Bench(report, stack, site, rice, pair, scratch, quick)
        bench.job(1)  # what only a first run does
        if "ingest" in parts:
            with report.part("ingest"):
                _against_bare(bench)
        if "cores" in parts:
            with report.part("cores"):
                _two_cores(bench)
        if "growth" in parts:
            with report.part("growth"):
                _growth(bench)


def bare(pair: Sequence[Frame], scratch: Path) -> float:
    """CPU seconds a frame of fpack, a header and the original's colour call; no orchestration."""
    costs = []
    for frame in pair:
        calls = (
            partial(fpack, frame.fits, scratch / "bare.fz"),
            partial(_first_header, frame.fits),
            partial(colour.original, frame.cr2, scratch),
        )
        costs.append(sum(cost_of(call).cpu for call in calls))
    return sum(costs) / len(costs)


def _first_header(fits: Path) -> None:
    with fits.open("rb") as file:
        read = b""
        while not re.search(rb"END {77}", read):
            read += file.read(2880)


def _against_bare(bench: Bench) -> None:
    many, rounds = (12, 1) if bench.quick else (60, 3)
    small_rounds = 2 if bench.quick else 5
    bare(bench.pair, bench.scratch)
    bares: list[float] = []
    jobs: dict[str, list[Job]] = {"": [], "rice": [], "three": []}
    plains: list[Plain] = []
    for turn in range(small_rounds):
        bares.append(bare(bench.pair, bench.scratch))
        jobs["three"].append(bench.job(3))
        if turn < rounds:
            bares.append(bare(bench.pair, bench.scratch))
            jobs[""].append(bench.job(many))
            bench.site.clear()
            sequence = bench.site.upload(bench.pair, many)
            plains.append(run_plainly(bench.scratch / "data", sequence))
            bench.site.check(sequence, bench.pair, many)
            sizes = bench.site.bytes_by_location(sequence)
            bench.site.clear()
            bares.append(bare(bench.pair, bench.scratch))
            jobs["rice"].append(bench.job(many, rice=True))
            bench.rice.clear()
        bares.append(bare(bench.pair, bench.scratch))
    one = median(bares)
    frames_of = {"": many, "rice": many, "three": 3}
    cpu = {name: median(job.cpu for job in jobs[name]) / frames_of[name] for name in jobs}
    report = bench.report
    report.number("ingest_cpu", cpu[""] / one)
    report.number("ingest_cpu_rice", cpu["rice"] / one)
    report.number("ingest_cpu_3_frames", cpu["three"] / one)
    server = median(job.server_cpu for job in jobs[""]) / many
    report.number("server_cpu", server / one)
    plain = median(each.wall for each in plains)
    report.number("orchestration_wall", median(job.wall for job in jobs[""]) / plain)
    rows: list[tuple[str, ...]] = [
        (
            f"{frames_of[name]} frames, {title}",
            f"{cpu[name]:.3f}",
            f"{cpu[name] / one:.2f}",
            f"{median(job.server_cpu for job in taken) / frames_of[name]:.3f}",
            f"{median(job.worker_cpu for job in taken):.2f}",
            f"{median(job.start for job in taken):.1f}",
            f"{median(job.wall for job in taken):.1f}",
            f"{max(job.memory for job in taken) >> 20}",
        )
        for (name, taken), title in zip(jobs.items(), ("default", "Rice", "default"), strict=True)
    ]
    plain_cpu = median(each.cpu for each in plains) / many
    shown = [f"{plain_cpu:.3f}", f"{plain_cpu / one:.2f}", "", "", "", f"{plain:.1f}", ""]
    rows.append((f"{many} frames, plain calls", *shown))
    rows.append(("the bare calls", f"{one:.3f}", "1.00", "", "", "", "", ""))
    report.table(
        "A run over one observation, a `.fits` and a `.cr2` a frame",
        ("what", "CPU s a frame", "bare = 1", "server CPU s a frame", "worker CPU s",
         "start, s", "wall, s", "peak MB"),
        rows,
    )  # fmt: skip
    idle = idle_cpu(bench.stack.process_id("server"), 4)
    report.note(
        f"The server's CPU is all it used from the run's creation until it was idle again; "
        f"idle, it uses {idle:.3f} CPU seconds a second."
    )
    _bytes(bench, sizes, many)


def _bytes(bench: Bench, sizes: dict[str, int], count: int) -> None:
    """What a frame takes of every location, beside what the original kept of it."""
    original: dict[str, float] = {}
    for frame in bench.pair:
        fpack(frame.fits, bench.scratch / "bare.fz")
        colour.original(frame.cr2, bench.scratch)
        rgb = sum((bench.scratch / f"original_{c}.fits").stat().st_size for c in "rgb")
        for place, size in (
            ("images", (bench.scratch / "bare.fz").stat().st_size),
            ("originals", frame.cr2.stat().st_size),
            ("rgb", rgb),
        ):
            original[place] = original.get(place, 0) + size / len(bench.pair)
    places = ("images", "originals", "rgb", "previews")
    rows = [
        (place, f"{original.get(place, 0) / 1e6:.2f}", f"{sizes.get(place, 0) / count / 1e6:.2f}")
        for place in places
    ]
    total = sum(original.values()) / 1e6, sum(sizes.values()) / count / 1e6
    rows.append(("together", f"{total[0]:.2f}", f"{total[1]:.2f}"))
    bench.report.table(
        "Megabytes a frame (36.2 MB of pixels) in every location",
        ("location", "the original services", "here"),
        rows,
    )


def _two_cores(bench: Bench) -> None:
    """Frames a second in the middle of a run, by how many cores its processes may use."""
    worker = bench.stack.process_id("worker")
    allowed = os.sched_getaffinity(0)
    if len(allowed) < 2:
        bench.report.note("Two cores could not be compared: this machine gives one.")
        return
    first, second = sorted(allowed)[:2]
    count, repeats = (12, 1) if bench.quick else (24, 3)
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(repeats):
        for cores in (1, 2):
            for process in (worker, template_of(worker)):  # whose forks the runs are
                _pin(process, {first} if cores == 1 else {first, second})
            sequence = bench.site.upload(bench.pair, count)
            run_job(bench.stack, sequence)
            bench.site.check(sequence, bench.pair, count)
            rates[cores].append(steady_rate(bench.site.closings(sequence)) / 2)
            bench.site.clear()
    for process in (worker, template_of(worker)):
        _pin(process, allowed)
    bench.report.number("two_core_speedup", median(rates[2]) / median(rates[1]))
    bench.report.table(
        "Frames a second in steady state",
        ("cores", "frames a second"),
        [(str(cores), f"{median(found):.2f}") for cores, found in rates.items()],
    )


def _pin(process: int, cores: set[int]) -> None:
    """Bind a process, with its threads and what it starts, to some cores."""
    for thread in Path(f"/proc/{process}/task").iterdir():
        os.sched_setaffinity(int(thread.name), cores)


def _growth(bench: Bench) -> None:
    """CPU of each further frame and peak memory, late in long runs against early."""
    small = (frames.small_frame(bench.scratch),)

    def small_job(count: int) -> Job:
        sequence = bench.site.upload(small, count, raws=False)
        job = run_job(bench.stack, sequence)
        bench.site.check(sequence, small, count)
        return job

    def full_job(count: int) -> Job:
        job = bench.job(count)
        bench.site.clear()
        return job

    small_counts, full_counts = (10, 100, 1000), (10, 30, 60)
    if bench.quick:
        small_counts, full_counts = (20, 120, 220), (2, 8, 14)
    grown = [
        _grown("small", small_job, small_counts),
        _grown("full", full_job, full_counts),
    ]
    bench.report.number("growth_cpu", max(each.cpu for each in grown))
    bench.report.number("growth_memory", max(each.memory for each in grown))
    bench.report.table(
        "Growth with the number of frames of one run",
        ("frames", "from, to, to", "CPU ms of each further frame", "ratio", "peak MB", "ratio"),
        [each.row for each in grown],
    )


@dataclass(frozen=True)
class _Grown:
    cpu: float
    memory: float
    row: tuple[str, ...]


def _grown(title: str, job: Callable[[int], Job], counts: tuple[int, int, int]) -> _Grown:
    """Runs of three lengths: a frame's CPU between the last two over that between the first two.

    Whole runs would flatter: their start weighs most in the short ones.
    """
    few, some, many = (job(count) for count in counts)
    early = (some.cpu - few.cpu) / (counts[1] - counts[0])
    late = (many.cpu - some.cpu) / (counts[2] - counts[1])
    peaks = [each.memory for each in (few, some, many)]
    row = (
        title,
        ", ".join(map(str, counts)),
        f"{1000 * early:.0f}, {1000 * late:.0f}",
        f"{late / early:.2f}",
        ", ".join(f"{peak / 2**20:.0f}" for peak in peaks),
        f"{peaks[2] / peaks[0]:.2f}",
    )
    return _Grown(late / early, peaks[2] / peaks[0], row)
