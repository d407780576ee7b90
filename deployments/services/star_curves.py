"""The stars of observations, read once for as long as their light curves are the same."""

from __future__ import annotations

import threading
from collections import OrderedDict

from panoptes.network.light_curves.summaries import StarSummary
from panoptes.network.processing.stored_curves import StoredCurves, stars_of

_KEPT = 20


class Summaries:
    """The stars of the observations that were asked for last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int], tuple[StarSummary, ...]] = OrderedDict()

    def of(self, stored: StoredCurves) -> tuple[StarSummary, ...]:
        """The brightest first."""
        key = (stored.path, stored.generation)
        with self._lock:
            known = self._kept.get(key)
        if known is None:  # read without the lock: others' stars do not wait for these
            known = tuple(stars_of(stored))
        with self._lock:
            self._kept[key] = known
            self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return known
