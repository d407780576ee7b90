"""What is read of observations once, for as long as their light curves are the same."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import Future
from typing import Generic, TypeVar

from deployments.services.places import Places
from panoptes.network.light_curves.summaries import StarSummary
from panoptes.network.processing.stored_curves import StoredCurves, stars_of
from panoptes.network.processing.transit_search import (
    Search,
    search_observation,
    search_star,
)
from panoptes.network.site import Site

_KEPT = 20
_MOST_READING, _MOST_SEARCHING = 16, 8
"""Of the forty threads that answer requests."""
Value = TypeVar("Value")


class OfCurves(Generic[Value]):
    """What was made of the light curves of the observations that were asked for last. Who asks
    for what is being made waits for that, and it is made once."""

    def __init__(self, make: Callable[[StoredCurves], Value], places: Places) -> None:
        self._make = make
        self._places = places
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, int], Future[Value]] = OrderedDict()

    def of(self, stored: StoredCurves) -> Value:
        """Raises what making it raises, and TransientError where too many wait."""
        key = (stored.path, stored.generation)
        with self._lock:
            known = self._kept.get(key)
            if known is not None and known.done():
                self._kept.move_to_end(key)
                return known.result()
        with self._places.taken():
            return self._made(key, stored)

    def _made(self, key: tuple[str, int], stored: StoredCurves) -> Value:
        with self._lock:
            known = self._kept.get(key)
            if is_new := known is None:
                known = self._kept[key] = Future()
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        if is_new:
            try:
                known.set_result(self._make(stored))
            except BaseException as error:  # noqa: BLE001 - raised to all who wait
                with self._lock:
                    if self._kept.get(key) is known:
                        del self._kept[key]
                known.set_exception(error)
        return known.result()


class Summaries(OfCurves[tuple[StarSummary, ...]]):
    """The stars of observations, the brightest first."""

    def __init__(self) -> None:
        places = Places(_MOST_READING, "the stars of observations")
        super().__init__(lambda stored: tuple(stars_of(stored)), places)


class Transits:
    """What dims like a star with a planet. One search is made at a time, since it takes some
    seconds of the processor; that of a night is kept."""

    def __init__(self) -> None:
        self._searching = threading.Lock()
        self._places = Places(_MOST_SEARCHING, "transits")
        self._nights: OfCurves[Search] = OfCurves(self._search, self._places)

    def of_night(self, stored: StoredCurves) -> Search:
        """Raises NotFound and TransientError, as the other does."""
        return self._nights.of(stored)

    def of_star(self, site: Site, key: str) -> Search:
        with self._places.taken(), self._searching:
            return search_star(site, key)

    def _search(self, stored: StoredCurves) -> Search:
        with self._searching:
            return search_observation(stored)
