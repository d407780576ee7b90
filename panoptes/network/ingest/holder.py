"""Who holds a lease, so that a holder that died on this machine keeps nobody waiting."""

from __future__ import annotations

import os
import uuid
from pathlib import Path

_PROC = Path("/proc")


def myself() -> str:
    """A name for this process and run: ``MACHINE:PID:START:RANDOM``.

    On Linux the machine is its boot and pid namespace and START the process's start time
    (https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html, field 22), so that neither
    a reused pid nor another container can be mistaken for it. Elsewhere they are empty.
    """
    return f"{_machine()}:{os.getpid()}:{_started(os.getpid())}:{uuid.uuid4().hex}"


def has_died(holder: str) -> bool:
    """Whether `holder` was a process of this very machine that is no more.

    False wherever that cannot be known; the lease's expiry decides then.
    """
    machine, _, rest = holder.partition(":")
    pid, _, rest = rest.partition(":")
    started, _, _ = rest.partition(":")
    if not machine or machine != _machine() or not pid.isdecimal() or not started:
        return False
    return _started(int(pid)) != started


def _machine() -> str:
    try:
        boot = (_PROC / "sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{(_PROC / 'self/ns/pid').readlink().name.strip('pid:[]')}"
    except OSError:
        return ""


def _started(pid: int) -> str:
    try:
        text = (_PROC / str(pid) / "stat").read_text()
    except OSError:
        return ""
    fields = text.rpartition(")")[2].split()  # the name before it may hold blanks
    return "" if fields[0] in ("Z", "X") else fields[19]
