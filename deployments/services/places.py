"""Work that holds a thread for seconds: of it only so much at once, so that others are answered."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from panoptes.network.errors import TransientError


class Places:
    """Who finds no place is told to come again, rather than to wait with a thread in hand."""

    def __init__(self, most: int, what: str) -> None:
        self._most, self._what = most, what
        self._lock = threading.Lock()
        self.used = 0

    @contextmanager
    def taken(self) -> Iterator[None]:
        """A place for the length of the context. Raises TransientError."""
        with self._lock:
            if self.used >= self._most:
                raise TransientError(f"too many ask for {self._what} at the moment: try again soon")
            self.used += 1
        try:
            yield
        finally:
            with self._lock:
                self.used -= 1


PLOTS = Places(24, "plots")
"""matplotlib draws one at a time; of the forty threads that answer, some are for other pages."""
