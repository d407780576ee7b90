"""Runs forked from a process that has imported everything, adopted by the process that asks.

The other end is `deployments.work_pools.template_process`. It needs Linux, whose processes can
adopt their descendants' orphans.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import anyio
import anyio.to_thread

READY_SECONDS = 120.0
"""For importing everything, on a machine that is busy."""
ANSWER_SECONDS = 10.0
"""For a fork; a process that takes longer is replaced."""
COLLECTED_SECONDS = 5.0
"""In which whoever started a process himself asks how it ended."""
_PER_RUN = "PREFECT__"
"""Environment variables that Prefect gives each run, and reads only there."""
_ADOPT_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER of linux/prctl.h


class NoFork(Exception):
    """A run cannot be forked; the message says why."""


def adopts_orphans() -> bool:
    """Have this process adopt its descendants' orphans; False where the system cannot."""
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        return False
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return bool(prctl(_ADOPT_ORPHANS, 1, 0, 0, 0) == 0)


class Template:
    """The process that forks, made when it is first needed and again when it is of no more use."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._python = ""
        self._environment: dict[str, str] = {}
        self._lock = anyio.Lock()

    async def fork(
        self, python: str, environment: Mapping[str, str], cwd: Path, *, output: bool
    ) -> ForkedProcess:
        """A run that has not begun yet; `ForkedProcess.begin` lets it. Raises NoFork."""
        async with self._lock:
            try:
                return await anyio.to_thread.run_sync(
                    self._fork, python, dict(environment), cwd, output
                )
            except NoFork:
                self.close()
                raise
            except (OSError, ValueError) as error:
                self.close()
                raise NoFork(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """End the process; its runs go on."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(0.2)
            self._process.kill()
            self._process.wait()
            self._process = None

    def _fork(
        self, python: str, environment: dict[str, str], cwd: Path, output: bool
    ) -> ForkedProcess:
        shared = {k: v for k, v in environment.items() if not k.startswith(_PER_RUN)}
        if (python, shared) != (self._python, self._environment):
            self.close()  # what it has imported may have read what is different now
        for _ in range(2):
            if self._process is None:
                self._start(python, shared)
            answer, go = self._ask({"env": environment, "cwd": str(cwd)}, output=output)
            if "pid" in answer:
                return ForkedProcess(int(answer["pid"]), go)
            go.close()
            if "stale" not in answer:
                raise NoFork(str(answer.get("error", "the process that forks has ended")))
            self.close()
        raise NoFork("the code changes faster than it can be imported")

    def _start(self, python: str, environment: dict[str, str]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            module = "deployments.work_pools.template_process"
            self._process = subprocess.Popen(
                [python, "-m", module, str(theirs.fileno())],
                env=environment,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        self._connection, self._python, self._environment = ours, python, environment
        ours.settimeout(READY_SECONDS)
        data = ours.recv(65536)
        ours.settimeout(ANSWER_SECONDS)
        if not data:
            raise NoFork("the process that forks could not import everything")
        if why := json.loads(data)["obstacle"]:
            raise NoFork(f"it cannot be forked: {why}")

    def _ask(
        self, request: dict[str, Any], *, output: bool
    ) -> tuple[dict[str, Any], socket.socket]:
        """The answer, and the end of a pair on which the run waits for a word."""
        assert self._connection is not None
        go, theirs = socket.socketpair()
        nothing = os.open(os.devnull, os.O_WRONLY)
        try:
            out, err = (1, 2) if output else (nothing, nothing)
            message = json.dumps(request).encode()
            socket.send_fds(self._connection, [message], [theirs.fileno(), out, err])
            data = self._connection.recv(65536)
        except BaseException:
            go.close()
            raise
        finally:
            theirs.close()
            os.close(nothing)
        return (json.loads(data) if data else {}), go


@dataclass
class ForkedProcess:
    """A run's process, as Prefect looks at processes."""

    pid: int
    _go: socket.socket
    returncode: int | None = None
    _watched: int = field(init=False)
    at_work: ClassVar[set[int]] = set()
    """The process ids of those that are still to be collected."""

    def __post_init__(self) -> None:
        self.at_work.add(self.pid)
        self._watched = os.pidfd_open(self.pid)

    def begin(self) -> None:
        """Let it do its work."""
        with self._go, suppress(BrokenPipeError):
            self._go.send(b"g")

    async def wait(self) -> int:
        """Until it has ended; gives its exit code, below zero for a signal."""
        try:
            await anyio.wait_readable(self._watched)
            self.reap()
        finally:
            os.close(self._watched)
        assert self.returncode is not None
        return self.returncode

    def reap(self) -> None:
        _, status = os.waitpid(self.pid, 0)
        self.at_work.discard(self.pid)
        self.returncode = os.waitstatus_to_exitcode(status)


class LeftBehind:
    """What runs started and did not wait for: this worker has adopted it, and collects what of it
    has ended, which would otherwise hold its process id for as long as the worker lives."""

    def __init__(self) -> None:
        self._since: dict[int, float] = {}
        self._again: asyncio.TimerHandle | None = None

    def collect(self) -> None:
        """Collect what nobody else has in `COLLECTED_SECONDS`; comes back to what is younger."""
        moment = time.monotonic()
        ended = [each for each in _ended_children() if each not in ForkedProcess.at_work]
        self._since = {each: self._since.get(each, moment) for each in ended}
        for each, since in list(self._since.items()):
            if moment - since >= COLLECTED_SECONDS:
                with suppress(ChildProcessError):
                    os.waitpid(each, os.WNOHANG)
                del self._since[each]
        if self._again is not None:
            self._again.cancel()
        loop = asyncio.get_running_loop()
        self._again = loop.call_later(COLLECTED_SECONDS, self.collect) if self._since else None


def _ended_children() -> Iterator[int]:
    for thread in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread, or a child, that went
            for child in (thread / "children").read_text().split():
                # The name before the state may hold blanks; see proc_pid_stat(5).
                if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                    yield int(child)
