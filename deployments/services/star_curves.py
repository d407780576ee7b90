"""What is read of observations once, for as long as their light curves are the same."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Generic, TypeVar

from panoptes.network.light_curves.summaries import StarSummary
from panoptes.network.processing.stored_curves import StoredCurves, stars_of
from panoptes.network.processing.transit_search import (
    Search,
    search_observation,
    search_star,
)
from panoptes.network.site import Site

_KEPT = 20
Value = TypeVar("Value")


class OfCurves(Generic[Value]):
    """What was made of the light curves of the observations that were asked for last."""

    def __init__(self, make: Callable[[StoredCurves], Value]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int], Value] = OrderedDict()

    def of(self, stored: StoredCurves) -> Value:
        """Raises what making it raises."""
        key = (stored.path, stored.generation)
        with self._lock:
            known = self._kept.get(key)
        if known is None:  # made without the lock: others' stars do not wait for these
            known = self._make(stored)
        with self._lock:
            self._kept[key] = known
            self._kept.move_to_end(key)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return known


class Summaries(OfCurves[tuple[StarSummary, ...]]):
    """The stars of observations, the brightest first."""

    def __init__(self) -> None:
        super().__init__(lambda stored: tuple(stars_of(stored)))


class Transits:
    """What dims like a star with a planet. One search is made at a time, since it takes some
    seconds of the processor; that of a night is kept."""

    def __init__(self) -> None:
        self._searching = threading.Lock()
        self._nights: OfCurves[Search] = OfCurves(self._search)

    def of_night(self, stored: StoredCurves) -> Search:
        """Raises NotFound and TransientError, as the other does."""
        return self._nights.of(stored)

    def of_star(self, site: Site, key: str) -> Search:
        with self._searching:
            return search_star(site, key)

    def _search(self, stored: StoredCurves) -> Search:
        with self._searching:
            return search_observation(stored)
