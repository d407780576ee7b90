"""What a run costs before it does anything: forked by a warm worker, and in a fresh interpreter."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from statistics import median

from prefect.client.schemas.actions import WorkPoolUpdate

from benchmarks.jobs import Job, run_job
from benchmarks.report import Report
from deployments.local_stack.stack import LocalStack
from deployments.work_pools.deploy import JOB_TEMPLATE, WORK_POOL
from panoptes.network.ingest.lag import percentile
from panoptes.network.names import parse_sequence_id
from panoptes.network.site import Site

NOTHING = parse_sequence_id("PAN001_14d3bd_20260115T060000")
"""An observation of which no file waits: a run looks for them, and ends."""
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
