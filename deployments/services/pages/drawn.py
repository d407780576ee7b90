"""Plots that are kept for as long as what they show is the same."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import Generic, TypeVar

from markupsafe import Markup

from deployments.services.places import PLOTS

Key = TypeVar("Key", bound=Hashable)
Shown = TypeVar("Shown")

_KEPT = 100


class Drawn(Generic[Key, Shown]):
    """Who asks for plots that are being drawn waits for these, and for no others."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._drawn: OrderedDict[Key, tuple[Shown, Future[list[Markup]]]] = OrderedDict()

    def of(self, key: Key, shown: Shown, draw: Callable[[], list[Markup]]) -> list[Markup]:
        """What `draw` gave the last time that `key` showed this. Raises what it raises, and
        TransientError where too many wait for plots."""
        with self._lock:
            ready = self._drawn.get(key)
            if ready is not None and ready[0] == shown and ready[1].done():
                self._drawn.move_to_end(key)
                return ready[1].result()
        with PLOTS.taken():
            return self._made(key, shown, draw)

    def _made(self, key: Key, shown: Shown, draw: Callable[[], list[Markup]]) -> list[Markup]:
        with self._lock:
            known = self._drawn.pop(key, None)
            is_new = known is None or known[0] != shown
            if known is None or is_new:
                known = shown, Future()
            self._drawn[key] = known
            while len(self._drawn) > _KEPT:
                self._drawn.popitem(last=False)
        if is_new:
            try:
                known[1].set_result(draw())
            except BaseException as error:  # noqa: BLE001 - raised to all who wait
                with self._lock:
                    if self._drawn.get(key) is known:
                        del self._drawn[key]
                known[1].set_exception(error)
        return known[1].result()
