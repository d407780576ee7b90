"""A run that makes no progress ends itself, so that its worker's slot and its files are free.

What hangs cannot be asked to stop: a decoder in a loop, a library that waits for an answer
without a limit. The timer is faulthandler's: it runs beside Python, so that code which
never lets other threads run cannot hold it up, and it writes where every thread was before
it ends the process. The worker then reports the run as crashed, the next sweep starts
another, and the file that was in the works is decoded in a child process.
"""

from __future__ import annotations

import faulthandler
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

_STDERR = 2
_EVERY = 1.0
"""Seconds; progress in between is taken as one."""

Item = TypeVar("Item")


class _Timer:
    """The process has one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._limits: list[float] = []
        self._armed = 0.0

    def begin(self, seconds: float) -> None:
        with self._lock:
            self._limits.append(seconds)
            self._arm()

    def end(self) -> None:
        with self._lock:
            self._limits.pop()
            faulthandler.cancel_dump_traceback_later()
            if self._limits:
                self._arm()

    def again(self) -> None:
        if self._limits and time.monotonic() - self._armed >= min(_EVERY, self._limits[-1] / 10):
            with self._lock:
                if self._limits:
                    self._arm()

    def _arm(self) -> None:
        self._armed = time.monotonic()
        faulthandler.dump_traceback_later(self._limits[-1], exit=True, file=_STDERR)


_timer = _Timer()


@contextmanager
def ended_when_stalled(seconds: float) -> Iterator[None]:
    """End this process with status 1 once `progressed` was not called for so long.

    Not for processes that do other things as well.
    """
    _timer.begin(seconds)
    try:
        yield
    finally:
        _timer.end()


def progressed() -> None:
    """Something was done. Costs nothing where nobody waits for it."""
    _timer.again()


def progressing(items: Iterable[Item]) -> Iterator[Item]:
    """The items, each of them progress."""
    for item in items:
        progressed()
        yield item
