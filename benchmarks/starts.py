"""What a run costs before it does anything: forked by a warm worker, and in a fresh interpreter.

``python -m benchmarks.starts --runs 1000`` prints what the worker's processes hold meanwhile.
"""

from __future__ import annotations

import argparse
import shlex
import sys
import tempfile
from pathlib import Path
from statistics import median

from prefect.client.schemas.actions import WorkPoolUpdate

from benchmarks.jobs import Job, run_job, template_of
from benchmarks.report import Report
from deployments.local_stack.stack import LocalStack
from deployments.work_pools.deploy import JOB_TEMPLATE, WORK_POOL
from flows.runs import INGEST
from panoptes.network.ingest.lag import percentile
from panoptes.network.names import parse_sequence_id
from panoptes.network.site import Site

NOTHING = parse_sequence_id("PAN001_14d3bd_20260115T060000")
"""An observation of which no file waits: a run looks for them, and ends."""
AT_ONCE = 20
"""Runs, of as many observations, where memory is looked at."""
FRESH = shlex.join([sys.executable, "-X", "utf8", "-m", "prefect.engine"])
"""The engine as no fork is: the worker starts what it does not know as the process worker does."""


def run(report: Report, scratch: Path, *, quick: bool) -> None:
    """Runs of both kinds in turns, on a server that does nothing else."""
    site = Site.in_folder(scratch / "starts")
    site.check()
    rounds = 3 if quick else 10
    jobs: dict[str, list[Job]] = {"forked": [], "fresh": []}
    with LocalStack(scratch / "starts-stack", site=site) as stack:
        run_job(stack, NOTHING)  # makes the process that forks
        for _ in range(rounds):
            jobs["forked"] += [run_job(stack, NOTHING) for _ in range(2)]
            _set_command(stack, FRESH)
            jobs["fresh"].append(run_job(stack, NOTHING))
            _set_command(stack, JOB_TEMPLATE["job_configuration"]["command"])
    forked, fresh = (median(job.cpu for job in jobs[name]) for name in ("forked", "fresh"))
    report.number("run_start_cpu", forked / fresh)
    report.number("run_start_wall", percentile((job.start for job in jobs["forked"]), 0.95))
    report.table(
        "A run that finds nothing to do",
        ("start", "runs", "CPU s", "worker CPU s", "server CPU s", "start, s", "p95", "wall, s"),
        [
            (
                name,
                str(len(taken)),
                f"{median(job.cpu for job in taken):.2f}",
                f"{median(job.worker_cpu for job in taken):.2f}",
                f"{median(job.server_cpu for job in taken):.2f}",
                f"{median(job.start for job in taken):.2f}",
                f"{percentile((job.start for job in taken), 0.95):.2f}",
                f"{median(job.wall for job in taken):.2f}",
            )
            for name, taken in jobs.items()
        ],
    )


def _set_command(stack: LocalStack, command: str) -> None:
    configuration = JOB_TEMPLATE["job_configuration"] | {"command": command}
    template = JOB_TEMPLATE | {"job_configuration": configuration}
    with stack.client() as client:
        client.update_work_pool(WORK_POOL, WorkPoolUpdate(base_job_template=template))


def _memory(process: int) -> float:
    """Its own megabytes: what it shares with others in proportion."""
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {process} does not say what memory it has")


def memory_of_many_runs(scratch: Path, runs: int) -> None:
    """What worker, its process that forks, and server hold, printed after each hundredth."""
    site = Site.in_folder(scratch / "many")
    site.check()
    print("  runs  worker  template  server, MB")
    with LocalStack(scratch / "many-stack", site=site) as stack:
        run_job(stack, NOTHING)
        for done in range(0, runs + 1, AT_ONCE):
            if done:
                names = [f"PAN{unit + 1:03d}_14d3bd_20260115T060000" for unit in range(AT_ONCE)]
                asked = [stack.run_deployment(INGEST, {"sequence_id": name}) for name in names]
                stack.await_runs(asked)
            if done % 100 == 0:
                worker, server = map(stack.process_id, ("worker", "server"))
                held = (worker, template_of(worker), server)
                print(f"{done:6}", *(f"{_memory(each):8.0f}" for each in held), flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.starts")
    parser.add_argument("--runs", type=int, default=1000)
    with tempfile.TemporaryDirectory(prefix="panoptes-starts-") as folder:
        memory_of_many_runs(Path(folder), parser.parse_args().runs)
