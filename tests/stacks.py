"""Stacks for tests: one of a run of the tests is deployed in full, others begin where it ended.

To make the tables of Prefect's database and to deploy everything is half of what a stack's start
costs. That a stack does both is shown by the first, and by tests/deployments/local_stack.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from deployments.local_stack.stack import LocalStack
from deployments.work_pools.deploy import WORK_POOL


class BegunStack(LocalStack):
    """A stack that starts again in the home of one that was stopped, and deploys nothing anew."""

    @contextmanager
    def settings(self) -> Iterator[None]:
        """Without heartbeats: at the end of a run Prefect waits for their thread, a second each."""
        from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

        with super().settings(), temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}):
            yield

    def _start_deploying(self) -> None:
        pass

    def _await_deployments(self, deadline: float) -> None:
        """While others deploy their worker comes, which cannot begin without a server."""
        with self.client() as client:
            while self.worker and not client.read_workers_for_work_pool(WORK_POOL):
                self._check_start("worker", deadline)
                time.sleep(0.25)


def begun_stack(paths: pytest.TempPathFactory, home: Path, **options: Any) -> BegunStack:
    """A stack in a new home, with everything in prefect.yaml deployed as LocalStack does it.

    `options` are those of LocalStack.
    """
    shutil.copytree(_deployed(paths) / "prefect", home / "prefect")
    return BegunStack(home, **options)


def _deployed(paths: pytest.TempPathFactory) -> Path:
    """The home of a stopped stack, started once for all workers of pytest-xdist."""
    base = paths.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    home = shared / "deployed-stack"
    with (shared / "deployed-stack.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (home / "stopped").exists():
            shutil.rmtree(home, ignore_errors=True)
            with LocalStack(home, worker=False):
                pass
            (home / "stopped").touch()
    return home
