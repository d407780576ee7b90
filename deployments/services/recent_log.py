"""The last lines that a process has logged, for a report of a problem."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

MOST_LINES = 1_000


class RecentLog(logging.Handler):
    """Remembers what other handlers write."""

    def __init__(self) -> None:
        super().__init__()
        self.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        self._lines: deque[str] = deque(maxlen=MOST_LINES)

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Hears what this process logs meanwhile."""
        logging.getLogger().addHandler(self)
        try:
            yield
        finally:
            logging.getLogger().removeHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Called by logging, under the handler's lock."""
        self._lines.append(self.format(record))

    def lines(self) -> list[str]:
        """The oldest first; a traceback is several."""
        self.acquire()
        try:
            kept = list(self._lines)
        finally:
            self.release()
        return [line for each in kept for line in each.splitlines()]
