"""Requests that a provider's API answers with 503: the service is unavailable."""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager


class Refusals:
    """Which of them, by ``METHOD /path``. None, until `of` says so."""

    def __init__(self) -> None:
        self.refused: list[str] = []
        self._which: re.Pattern[str] | None = None
        self._in_a_row: int | None = None
        self._asked: Counter[str] = Counter()
        self._lock = threading.Lock()

    @contextmanager
    def of(self, which: str, *, in_a_row: int | None = None) -> Iterator[None]:
        """Within the block, each request that `which` matches is refused `in_a_row` times
        before it is answered, and then again; None: always."""
        with self._lock:
            self._which, self._in_a_row = re.compile(which), in_a_row
            self._asked.clear()
        try:
            yield
        finally:
            with self._lock:
                self._which = None

    def refuses(self, request: str) -> bool:
        with self._lock:
            if self._which is None or not self._which.search(request):
                return False
            self._asked[request] += 1
            every = self._in_a_row
            if every is not None and self._asked[request] % (every + 1) == 0:
                return False
            self.refused.append(request)
            return True
