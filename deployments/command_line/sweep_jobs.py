"""`panoptes-network sweep-jobs`: what workers of a Cloud Run pool left behind."""

from __future__ import annotations

import sys
from datetime import timedelta
from typing import Annotated

import typer

from deployments.command_line.choosing import AsJson
from deployments.command_line.telling import OK, complaining, print_json
from panoptes.network.amounts import counted

app = typer.Typer()


@app.command("sweep-jobs")
@complaining("sweep-jobs")
def sweep_jobs(
    project: Annotated[str, typer.Option(help="The project's id.")],
    region: Annotated[str, typer.Option(help="Where the jobs are, such as us-central1.")],
    older_than: Annotated[
        int, typer.Option(min=1, help="Minutes since a job ended, or was made and never begun.")
    ] = 120,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be deleted; change nothing.")
    ] = False,
    as_json: AsJson = False,
) -> int:
    """Delete job definitions that workers of a cloud-run-v2 pool left behind.

    A region takes 1,000 jobs, and a worker that dies, or that Cloud Run refuses, leaves its
    own. Jobs that run, and those of others, are let be. It wants Google's application-default
    credentials.
    """
    from deployments.work_pools.leftover_jobs import CloudRunJobs

    jobs = CloudRunJobs(project, region)
    found = list(jobs.left_over(older_than=timedelta(minutes=older_than)))
    for name in found:
        if not dry_run:
            jobs.delete(name)
        if not as_json:
            sys.stdout.write(f"{name}\n")
    if as_json:
        print_json({"jobs": found, "dry_run": dry_run})
    else:
        sys.stdout.write(
            f"{counted(len(found), 'job')} {'would be deleted' if dry_run else 'deleted'}\n"
        )
    return OK
