"""What a local stack holds for itself alone: its home and its port."""

from __future__ import annotations

import fcntl
import os
import socket
import time
from pathlib import Path
from typing import IO

HOST = "127.0.0.1"
GRACE_SECONDS = 5.0
"""How long a process may take to end by itself before it is killed."""


class StackError(Exception):
    """The local stack did not start or has broken down; the message ends with its log."""


def claim_home(home: Path) -> IO[str]:
    """Hold the home for this process, until the file that is given back is closed.

    Waits for the guard of a killed stack to clear up. Raises StackError if another stack
    is running there.
    """
    file = (home / "lock").open("a+")
    deadline = time.monotonic() + 3 * GRACE_SECONDS
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read()
            if time.monotonic() > deadline or (holder.isdigit() and _is_alive(int(holder))):
                file.close()
                raise StackError(
                    f"{home} is in use by another local stack (process {holder}): "
                    "stop that one, or choose another folder."
                ) from None
            time.sleep(0.1)
        else:
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            return file


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def claim_port(port: int | None) -> socket.socket:
    """A socket that listens on `port` of this machine alone; None takes a free one.

    Raises StackError if another program has the port.
    """
    try:
        return socket.create_server((HOST, port or 0), backlog=128)
    except OSError as error:
        raise StackError(
            f"Port {port} cannot be used ({error.strerror}): stop what listens there, or choose "
            "another port."
        ) from error
