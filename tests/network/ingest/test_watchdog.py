"""A process that makes no progress ends itself, whatever it hangs in."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

START = """
import re, sys, threading, time
from panoptes.network.ingest.watchdog import ended_when_stalled, progressed, progressing
"""
HANGS = {
    "waiting": "time.sleep(60)",
    "waiting for a lock": "lock = threading.Lock(); lock.acquire(); lock.acquire()",
    "code that lets no other thread run": "re.match('(a+)+b', 'a' * 60)",
    "another thread": "t = threading.Thread(target=time.sleep, args=[60]); t.start(); t.join()",
}


def run(text: str) -> tuple[int, str, float]:
    """Status, what it said, and the seconds it took."""
    begun = time.monotonic()
    ended = subprocess.run(
        [sys.executable, "-c", START + text], capture_output=True, text=True, check=False
    )
    return ended.returncode, ended.stderr, time.monotonic() - begun


@pytest.mark.parametrize("hang", HANGS)
def test_what_hangs_is_ended_and_says_where_it_was(hang: str) -> None:
    status, said, seconds = run(f"with ended_when_stalled(0.5): {HANGS[hang]}")
    assert status == 1
    assert "Timeout" in said
    assert 'File "<string>"' in said
    assert seconds < 55  # of the minute that it would hang


def test_progress_keeps_a_process_alive_for_longer_than_the_limit() -> None:
    status, said, _ = run(
        "with ended_when_stalled(2.0):\n"
        "    for _ in progressing(range(10)): time.sleep(0.25)\n"
        "    progressed()\n"
        "time.sleep(2.2)\n"
        "progressed()\n"
        "sys.exit(7)"
    )
    assert (status, said) == (7, "")


def test_limits_within_each_other_end_one_after_the_other() -> None:
    status, _, _ = run(
        "with ended_when_stalled(1.0):\n"
        "    with ended_when_stalled(60.0): time.sleep(1.5)\n"
        "    sys.stderr.write('after')\n"
        "    sys.stderr.flush()\n"
        "    time.sleep(60)"
    )
    assert status == 1
