"""Ends every process of a local stack once the process that started the stack is gone.

Prefect starts each flow run in a session of its own, so neither a process group nor a
signal on the parent's death reaches it. What every descendant does inherit is the
environment: all processes of a stack carry one mark in it, and whoever carries the mark
is ended. The guard is a process outside of the stack. It waits on a pipe whose other end
only the starter holds; the kernel closes that end however the starter dies.

Uses the standard library alone, so that it starts in a few hundredths of a second.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Collection
from pathlib import Path

MARK = "PANOPTES_STACK"
"""The environment variable that holds a stack's own identifier."""


def marked_processes(stack_id: str) -> set[int]:
    """The process ids of all living processes whose environment carries the stack's mark.

    Linux reads /proc; elsewhere ``ps`` is asked, which shows the environment of one's own
    processes.
    """
    entry = f"{MARK}={stack_id}"
    if not Path("/proc/self/environ").exists():
        listing = subprocess.run(
            ["ps", "-axEww", "-o", "pid=,command="], capture_output=True, text=True, check=False
        )
        lines = [line.split() for line in listing.stdout.splitlines()]
        return {int(words[0]) for words in lines if entry in words[1:]}
    found = set()
    for process in Path("/proc").iterdir():
        if process.name.isdigit():
            # Ended meanwhile, or another user's.
            with contextlib.suppress(OSError):
                if entry.encode() in (process / "environ").read_bytes().split(b"\0"):
                    found.add(int(process.name))
    return found - {os.getpid()}


def end_processes(stack_id: str, *, grace: float, spare: Collection[int] = ()) -> None:
    """SIGTERM to every marked process, and after `grace` seconds SIGKILL, until none is left.

    Processes that appear meanwhile are ended as well. `spare` names those left alone.
    """
    deadline = time.monotonic() + grace
    asked: set[int] = set()
    while alive := marked_processes(stack_id) - set(spare):
        late = time.monotonic() > deadline
        for pid in alive if late else alive - asked:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL if late else signal.SIGTERM)
        asked |= alive
        time.sleep(0.05)


def main() -> None:
    """``guard.py STACK_ID GRACE``: wait for the end of standard input, then clear up."""
    stack_id, grace = sys.argv[1], float(sys.argv[2])
    while os.read(0, 64):
        pass
    end_processes(stack_id, grace=grace)


if __name__ == "__main__":
    main()
