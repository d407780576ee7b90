"""Transits that are looked for in what the network has stored: an observation, or a star."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import Any

from panoptes.network.catalog.catalog import Operator, Query
from panoptes.network.document_json import to_json
from panoptes.network.light_curves.summaries import StarSummary
from panoptes.network.light_curves.table import COMBINED, NotTheNetworks
from panoptes.network.processing.star_history import star_history
from panoptes.network.processing.stored_curves import (
    StoredCurves,
    open_curves,
    stars_of,
)
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound
from panoptes.network.transits.candidate import Candidate
from panoptes.network.transits.judging import neighbours_of
from panoptes.network.transits.night import search_night
from panoptes.network.transits.season import LONGEST_DAYS, search_season
from panoptes.network.transits.series import Night, nights_of

FAINTEST = 10.0
"""G: fainter stars scatter by more than a planet's transit."""
_READ = ("star_id", "channel", "time", "mag", "error", "flag")


@dataclass(frozen=True)
class FoundStar:
    """A star that dims like one with a planet."""

    star_id: str
    ra: float
    """Degrees, as `dec`."""
    dec: float
    g: float
    candidate: Candidate


@dataclass(frozen=True)
class Search:
    """What was looked through, and what was found, the clearest first."""

    observations: tuple[str, ...]
    left_out: tuple[str, ...]
    """Observations whose light curves cannot be read."""
    too_short: tuple[str, ...]
    """Observations in which no star that is bright enough was seen for `LEAST_HOURS`."""
    simulated: tuple[str, ...]
    """Observations that no telescope saw."""
    stars: int
    """That were looked at: bright enough, and with points enough."""
    found: tuple[FoundStar, ...]

    def as_json(self) -> dict[str, Any]:
        """Null is what is not known."""
        return {name: to_json(value) for name, value in asdict(self).items()}


def search_observation(stored: StoredCurves, *, faintest: float = FAINTEST) -> Search:
    """Of one night. Raises NotFound where its light curves are damaged, and TransientError."""
    listed = {each.star_id: each for each in stars_of(stored)}
    nights: dict[str, Night] = {}
    for star_id, own in _combined(stored, _bright(listed.values(), faintest)):
        nights.setdefault(star_id, own)

    def colours(star_id: str) -> dict[str, Night]:
        return {channel: own[0] for channel, own in _by_colour([stored], star_id).items()}

    found = search_night(nights, {star_id: listed[star_id].g for star_id in nights}, colours)
    stars = [_found(listed, star_id, each) for star_id, each in found.items()]
    read = (stored.sequence_id,)
    too_short = () if nights else read
    return Search(read, (), too_short, _simulated([stored]), len(nights), tuple(stars))


def search_star(site: Site, key: str) -> Search:
    """A star, by its key of `stars`, in all observations of the `LONGEST_DAYS` before the last.
    Raises NotFound and TransientError."""
    history = star_history(site, key)
    star_id = history.star.get("star_id")
    if not isinstance(star_id, str):
        raise NotFound(f"the document of {key} names no star of the catalogue")
    last = max((each.time for each in history.seen), default=None)
    recent = (
        each.sequence_id
        for each in history.seen
        if last is not None and each.time > last - timedelta(days=LONGEST_DAYS)
    )
    opened, lost = _opened(site, recent)
    by_observation = [_of_colours(each, star_id) for each in opened]
    channels = _together(by_observation)
    nights = channels.get(COMBINED, [])
    candidate = search_season(nights, lambda: channels)
    stars: list[FoundStar] = []
    if candidate is not None:
        listed = {each.star_id: each for each in stars_of(opened[-1])}
        stars = [_found(listed, star_id, candidate)] if star_id in listed else []
    read = tuple(each.sequence_id for each in opened)
    seen = zip(read, by_observation, strict=True)
    too_short = tuple(sequence_id for sequence_id, own in seen if COMBINED not in own)
    looked_at = int(len(nights) > 1)
    return Search(read, lost, too_short, _simulated(opened), looked_at, tuple(stars))


def search_observations(
    site: Site,
    sequence_ids: Iterable[str],
    *,
    faintest: float = FAINTEST,
    on_star: Callable[[], None] = lambda: None,
) -> Search:
    """All bright stars of some observations together. Raises NotFound where light curves are
    damaged, and TransientError."""
    opened, lost = _opened(site, sequence_ids)
    listed: dict[str, StarSummary] = {}
    nights: dict[str, list[Night]] = {}
    too_short = []
    for stored in opened:
        stars = stars_of(stored)
        listed |= {each.star_id: each for each in stars}
        own = list(_combined(stored, _bright(stars, faintest)))
        for star_id, night in own:
            nights.setdefault(star_id, []).append(night)
        if not own:
            too_short.append(stored.sequence_id)
    found = []
    for star_id, of_star in nights.items():
        candidate = search_season(_ordered(of_star), partial(_by_colour, opened, star_id))
        if candidate is not None:
            found.append(_found(listed, star_id, candidate))
        on_star()
    found.sort(key=lambda each: -each.candidate.snr)
    looked_at = sum(len(of_star) > 1 for of_star in nights.values())
    read = tuple(each.sequence_id for each in opened)
    return Search(read, lost, tuple(too_short), _simulated(opened), looked_at, tuple(found))


def observations_between(
    site: Site, first: date, last: date | None = None, unit_id: str | None = None
) -> list[str]:
    """The ids of those with light curves that began within some days, UTC, by time."""
    where: list[tuple[str, Operator, object]] = [
        ("time", ">=", datetime.combine(first, time(), UTC))
    ]
    if last is not None:
        where.append(("time", "<=", datetime.combine(last, time.max, UTC)))
    if unit_id is not None:
        where.append(("unit_id", "==", unit_id))
    found = site.catalog.query(Query("observations", where, [("time", "asc")]))
    return [each.key for each in found if each.fields.get("measurements_path")]


def _opened(site: Site, sequence_ids: Iterable[str]) -> tuple[list[StoredCurves], tuple[str, ...]]:
    """Light curves, and the observations of which they cannot be read."""
    opened, lost = [], []
    for sequence_id in sequence_ids:
        try:
            opened.append(open_curves(site, sequence_id))
        except NotFound:
            lost.append(sequence_id)
    return opened, tuple(lost)


def _simulated(opened: Iterable[StoredCurves]) -> tuple[str, ...]:
    return tuple(each.sequence_id for each in opened if each.is_simulated)


def _by_colour(opened: Iterable[StoredCurves], star_id: str) -> dict[str, list[Night]]:
    """A star's nights by channel, in the order of time. Raises NotFound."""
    return _together(_of_colours(stored, star_id) for stored in opened)


def _of_colours(stored: StoredCurves, star_id: str) -> dict[str, list[Night]]:
    """Of one observation, by channel; without those of which no night counts. Raises NotFound."""
    nights = {}
    with _damage_told(stored):
        for curve in stored.file.star(star_id):
            good = curve.flag == 0
            own = nights_of(curve.time[good], curve.mag[good], curve.error[good])
            if own:
                nights[curve.channel] = own
    return nights


def _together(every: Iterable[Mapping[str, list[Night]]]) -> dict[str, list[Night]]:
    """By channel, in the order of time."""
    nights: dict[str, list[Night]] = {}
    for of_colours in every:
        for channel, own in of_colours.items():
            nights.setdefault(channel, []).extend(own)
    return {channel: _ordered(own) for channel, own in nights.items()}


def _ordered(nights: Iterable[Night]) -> list[Night]:
    return sorted(nights, key=lambda each: float(each.time[0]))


def _bright(listed: Iterable[StarSummary], faintest: float) -> set[str]:
    return {each.star_id for each in listed if each.g <= faintest}


def _found(listed: Mapping[str, StarSummary], star_id: str, candidate: Candidate) -> FoundStar:
    star = listed[star_id]
    near = neighbours_of(star, list(listed.values()), candidate.depth)
    return FoundStar(star_id, star.ra, star.dec, star.g, replace(candidate, neighbours=near))


def _combined(stored: StoredCurves, wanted: set[str]) -> Iterator[tuple[str, Night]]:
    """Nights of stars in all colours together. Raises NotFound."""
    import numpy as np
    import pyarrow
    import pyarrow.compute as pc

    chosen = pyarrow.array(sorted(wanted), pyarrow.string())
    with _damage_told(stored):
        for rows in stored.file.groups(_READ):
            mine = rows.filter(
                pc.and_(pc.equal(rows["channel"], COMBINED), pc.is_in(rows["star_id"], chosen))
            )
            ids = mine["star_id"].to_numpy(zero_copy_only=False)
            if not len(ids):
                continue
            columns = [mine[name].to_numpy() for name in ("time", "mag", "error")]
            good = mine["flag"].to_numpy() == 0
            starts = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
            for start, end in zip(starts, [*starts[1:], len(ids)], strict=True):
                kept = start + np.flatnonzero(good[start:end])
                for night in nights_of(*(each[kept] for each in columns)):
                    yield str(ids[start]), night


@contextmanager
def _damage_told(stored: StoredCurves) -> Iterator[None]:
    try:
        yield
    except NotTheNetworks as error:
        raise NotFound(
            f"the light curves of {stored.sequence_id} cannot be read: process it again"
        ) from error
