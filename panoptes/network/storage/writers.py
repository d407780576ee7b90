"""Whether somebody has a file open for writing, and when it was last written to.

Linux gives a read lease (fcntl(2), F_SETLEASE) on a file only if nobody has it open for
writing, and takes it back from us when somebody opens it so. Not every file system and not
every user may ask; then only the times of the file tell.
"""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_SHARED = ("nfs", "cifs", "smb", "fuse", "9p", "virtiofs", "ceph", "gluster", "afs", "lustre")
"""How the types of file systems begin that other machines may write to. They refuse a lease where
only their server has not promised them one, or give one that knows nothing of the others."""


@dataclass(frozen=True)
class Guard:
    """A look at a file's writers, for as long as it is held."""

    descriptor: int
    written: bool = False
    """Somebody has the file open for writing."""
    certain: bool = False
    """Nobody had; else the system cannot tell."""

    @property
    def holds(self) -> bool:
        """Whether, as far as the system can tell, nobody has opened it for writing so far."""
        if self.written:
            return False
        if sys.platform != "linux" or not self.certain or self.descriptor < 0:
            return True
        return fcntl.fcntl(self.descriptor, fcntl.F_GETLEASE) == fcntl.F_RDLCK


NOBODY = Guard(-1, certain=True)
"""What stands for the guard of what nobody else writes: our own files, links, pipes."""


@contextmanager
def guarded(descriptor: int) -> Iterator[Guard]:
    """Look whether anybody has an open file open for writing, and notice who opens it so.

    `descriptor` must be open for reading only. Whoever opens the file for writing meanwhile
    waits until this ends, so it must be short.
    """
    if sys.platform != "linux":
        yield Guard(descriptor)
        return
    is_shared = _is_shared(os.fstat(descriptor).st_dev)
    try:
        # The default, SIGIO, would kill us when somebody opens the file; SIGURG is ignored.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_RDLCK)
    except OSError as error:
        refused = error.errno == errno.EAGAIN
        yield Guard(descriptor, written=refused and not is_shared)
        return
    try:
        yield Guard(descriptor, certain=not is_shared)
    finally:
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_UNLCK)


@cache
def _is_shared(device: int) -> bool:
    number = f"{os.major(device)}:{os.minor(device)}"
    with suppress(OSError):
        # proc(5): number, parent, MAJOR:MINOR, root, mount point, options ... - type ...
        for line in Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines():
            mount, _, kind = line.partition(" - ")
            if mount.split()[2] == number:
                return kind.startswith(_SHARED)
    return False


def seconds_left(found: os.stat_result, seconds: float, clock: int) -> float:
    """Until a file will have been unchanged for `seconds`; 0 if it has been.

    `clock` is the time of its own file system (ns): a server's may differ from ours. A
    modification time ahead of it was set by a program; a change time far ahead is from before
    the clock was put right, and then nobody has written the file since.
    """
    changed = found.st_ctime_ns
    if found.st_mtime_ns <= clock:
        changed = max(changed, found.st_mtime_ns)
    age = (clock - changed) / 1e9
    return 0.0 if age < -seconds else max(0.0, seconds - age)
