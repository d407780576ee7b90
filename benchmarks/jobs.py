"""One run of a worker, whole: every process that it starts, and what the server has with it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from benchmarks.measure import require
from deployments.local_stack.stack import LocalStack
from deployments.work_pools.template_process import RUN
from flows.runs import INGEST
from panoptes.network.names import ObservationName

_TICK = 1 / os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Job:
    """What one flow run cost."""

    cpu: float
    """Seconds, of all processes that the worker started for it."""
    server_cpu: float
    """Seconds, until the server had recorded everything."""
    worker_cpu: float
    """Seconds, of the worker itself."""
    wall: float
    """Seconds of the flow, from Running to its end."""
    start: float
    """Seconds from the run's creation to Running."""
    memory: int
    """Peak bytes of the largest process."""


def run_job(stack: LocalStack, sequence: ObservationName, *, network: str = "default") -> Job:
    """Have the worker run ``ingest-observation``, and wait without asking the server."""
    server, worker = map(stack.process_id, ("server", "worker"))
    before, worker_before, server_before = _of_children(worker), _own(worker), _own(server)
    run = stack.run_deployment(INGEST, {"sequence_id": sequence.sequence_id, "network": network})
    memory = _watch_children(worker)
    _until_idle(server)
    cpu = _of_children(worker) - before
    server_cpu, worker_cpu = _own(server) - server_before, _own(worker) - worker_before
    [ended] = stack.await_runs([run], timeout=60)
    require(ended.state and ended.state.is_completed(), f"{ended.name}: {ended.state}")
    assert ended.start_time
    assert ended.end_time
    assert ended.created
    wall = (ended.end_time - ended.start_time).total_seconds()
    start = (ended.start_time - ended.created).total_seconds()
    return Job(cpu, server_cpu, worker_cpu, wall, start, memory)


@dataclass(frozen=True)
class Plain:
    """The same tasks as plain calls, in a process of their own; seconds."""

    cpu: float
    wall: float
    """Of `ingest` alone, without the process's start."""


def run_plainly(data: Path, sequence: ObservationName) -> Plain:
    """The whole composition without Prefect's engine, by `benchmarks.plain`."""
    import resource

    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = [sys.executable, "-m", "benchmarks.plain", str(data), sequence.sequence_id]
    said = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Plain(cpu, float(said.split()[-1]))


def _watch_children(process: int) -> int:
    """Wait until a process has had a child and has none; gives the children's peak memory."""
    peak, seen = 0, False
    while True:
        children = _descendants(process)
        seen = seen or bool(children)
        if seen and not children:
            return peak
        peak = max([peak, *map(_peak_memory, children)])
        time.sleep(0.05)


def _until_idle(process: int) -> None:
    """Wait until it has had little to do for two seconds."""
    quiet = 0
    while quiet < 4:
        before = _own(process)
        time.sleep(0.5)
        quiet = quiet + 1 if _own(process) - before <= 0.05 else 0


def idle_cpu(process: int, seconds: float) -> float:
    """CPU seconds a second of a process that has nothing to do."""
    before = _own(process)
    time.sleep(seconds)
    return (_own(process) - before) / seconds


def _stat(process: int) -> list[str]:
    # The name before them may hold blanks. https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html
    return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()


def _own(process: int) -> float:
    return sum(map(int, _stat(process)[11:13])) * _TICK


def _of_children(process: int) -> float:
    """Of all children that have ended, and of theirs."""
    return sum(map(int, _stat(process)[13:15])) * _TICK


def _descendants(process: int) -> list[int]:
    """Without the process that runs are forked from: it is there before them and stays."""
    found: list[int] = []
    with suppress(OSError):
        for thread in Path(f"/proc/{process}/task").iterdir():
            for child in map(int, (thread / "children").read_text().split()):
                found += [] if _is_template(child) else [child, *_descendants(child)]
    return found


def template_of(worker: int) -> int:
    """The process that its runs are forked from."""
    threads = Path(f"/proc/{worker}/task").iterdir()
    children = " ".join((each / "children").read_text() for each in threads)
    [template] = [each for each in map(int, children.split()) if _is_template(each)]
    return template


def _is_template(process: int) -> bool:
    home = Path(f"/proc/{process}")
    is_one = b"template_process" in (home / "cmdline").read_bytes()
    return is_one and (home / "comm").read_bytes().strip() != RUN


def _peak_memory(process: int) -> int:
    with suppress(OSError):
        for line in Path(f"/proc/{process}/status").read_text().splitlines():
            if line.startswith("VmHWM"):
                return int(line.split()[1]) << 10
    return 0
