"""Work in processes of its own, which may be killed at any call and at any moment.

Children are forked from a server process that has imported everything and opened nothing:
a new interpreter would cost five seconds, and a process that has spoken gRPC must not fork.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import signal
import time
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

from tests.patience import PATIENT_SECONDS

Result = TypeVar("Result")

CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.faults.children", "tests.faults.preloaded"])


class Killed(Exception):
    """The child was ended by a signal."""


_begun: list[Child] = []


def end_all() -> None:
    """Kill every child that is still there."""
    while _begun:
        _begun.pop().end()


class Child:
    """A process that works on something."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._answer, theirs = CONTEXT.Pipe(duplex=False)
        self._process = CONTEXT.Process(target=_main, args=(theirs, function, arguments))
        self._process.start()
        theirs.close()
        assert self._process.pid is not None
        self.pid: int = self._process.pid
        self.begun = time.monotonic()
        _begun.append(self)

    def end(self) -> None:
        if self._process.is_alive():
            os.kill(self.pid, signal.SIGKILL)
            self._process.join()

    def kill_after(self, seconds: float) -> bool:
        """Kill it so long after its start; False if it had come to its end before."""
        self._process.join(max(0.0, self.begun + seconds - time.monotonic()))
        if not self._process.is_alive():
            return False
        os.kill(self.pid, signal.SIGKILL)
        self._process.join()
        return True

    def await_stop(self, seconds: float = PATIENT_SECONDS) -> bool:
        """Wait until it has stopped itself; False if it has ended instead."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            if not self._process.is_alive():
                return False
            if _state(self.pid) == "T":
                return True
            time.sleep(0.002)
        raise TimeoutError(f"the child neither stopped nor ended within {seconds} s")

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def result(self, seconds: float = 600.0) -> Any:
        """What its function gave; raises what it raised, and Killed."""
        if not self._answer.poll(seconds):
            os.kill(self.pid, signal.SIGKILL)
            raise TimeoutError(f"the child did not end within {seconds:.0f} s")
        try:
            succeeded, value, trace = self._answer.recv()
        except EOFError:
            self._process.join()
            raise Killed(f"exit code {self._process.exitcode}") from None
        finally:
            self._answer.close()
        self._process.join()
        if succeeded:
            return value
        value.add_note(trace)
        raise value


def call(function: Callable[..., Result], *arguments: Any, seconds: float = 600.0) -> Result:
    """What `function` gives in a process of its own."""
    found: Result = Child(function, *arguments).result(seconds)
    return found


def died(function: Callable[..., Any], *arguments: Any) -> bool:
    """Whether a process that does this ends by a signal."""
    try:
        call(function, *arguments)
    except Killed:
        return True
    return False


def _main(answer: Connection, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    # What goes wrong is wanted here; the findings say what came of it.
    logging.disable(logging.CRITICAL)
    try:
        found = (True, function(*arguments), "")
    except Exception as error:  # noqa: BLE001 - raised again in the parent
        found = (False, error, traceback.format_exc())
    answer.send(found)
    answer.close()
    os._exit(0)


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return ""
