"""Processes and their logs."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from deployments.local_stack.processes import Processes
from tests.patience import PATIENT_SECONDS

pytestmark = pytest.mark.xdist_group("local_stack")
TALKING = """
import sys, time
for number in range(100):
    print(f"line {number}", flush=True)
sys.stdin.read()
while True:
    print("still here", flush=True)
    time.sleep(0.01)
"""


def test_a_long_log_begins_anew_while_its_process_writes_on(tmp_path: Path) -> None:
    processes = Processes(tmp_path, grace=5)
    log = tmp_path / "talking.log"
    try:
        processes.start("talking", [sys.executable, "-c", TALKING], dict(os.environ))
        wait_for(lambda: "still here" in log.read_text())
        processes.trim_logs(most_bytes=200)
        kept = (tmp_path / "talking.log.1").read_text()
        assert len(kept) <= 200
        assert kept.startswith(("line ", "still here"))
        assert "line 0\n" not in log.read_text()
        wait_for(lambda: "still here" in processes.last_words("talking"))
    finally:
        processes.end_all()


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENT_SECONDS
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)
