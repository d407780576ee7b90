"""Transits that are looked for in what the network has stored: an observation, or a star."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, date, datetime, time
from functools import partial
from typing import TYPE_CHECKING, Any

from panoptes.network.catalog.catalog import Operator, Query
from panoptes.network.document_json import to_json
from panoptes.network.light_curves.summaries import StarSummary
from panoptes.network.light_curves.table import COMBINED, NotTheNetworks
from panoptes.network.processing.star_history import star_history
from panoptes.network.processing.stored_curves import (
    StoredCurves,
    open_curves,
    star_of,
    stars_of,
)
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound
from panoptes.network.transits.candidate import Candidate
from panoptes.network.transits.judging import neighbours_of
from panoptes.network.transits.night import search_night
from panoptes.network.transits.season import search_season
from panoptes.network.transits.series import Night, nights_of

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

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
    stars: int
    """That were looked at: bright enough, and with points enough."""
    found: tuple[FoundStar, ...]

    def as_json(self) -> dict[str, Any]:
        """Null is what is not known."""
        return {name: to_json(value) for name, value in asdict(self).items()}


@dataclass(frozen=True, eq=False)
class _Points:
    """A star's good points in one channel: arrays (points,)."""

    time: Floats
    mag: Floats
    error: Floats


def search_observation(stored: StoredCurves, *, faintest: float = FAINTEST) -> Search:
    """Of one night. Raises NotFound where its light curves are damaged, and TransientError."""
    listed = {each.star_id: each for each in stars_of(stored)}
    points: dict[str, dict[str, _Points]] = {}
    for (star_id, channel), own in _points_of(stored, _bright(listed.values(), faintest)):
        points.setdefault(star_id, {})[channel] = own
    nights = {}
    for star_id, channels in points.items():
        whole = _nights([channels[COMBINED]]) if COMBINED in channels else []
        if whole:
            nights[star_id] = whole[0]

    def colours(star_id: str) -> dict[str, Night]:
        every = {name: _nights([own]) for name, own in points[star_id].items()}
        return {name: own[0] for name, own in every.items() if own}

    found = search_night(nights, {star_id: listed[star_id].g for star_id in nights}, colours)
    stars = [_found(listed, star_id, each) for star_id, each in found.items()]
    return Search((stored.sequence_id,), (), len(nights), tuple(stars))


def search_star(site: Site, key: str) -> Search:
    """A star, by its key of `stars`, in all observations. Raises NotFound and TransientError."""
    history = star_history(site, key)
    star_id = history.star.get("star_id")
    if not isinstance(star_id, str):
        raise NotFound(f"the document of {key} names no star of the catalogue")
    channels: dict[str, list[_Points]] = {}
    read, lost = [], []
    for each in history.seen:
        try:
            found = star_of(site, each.sequence_id, star_id)
        except NotFound:
            lost.append(each.sequence_id)
            continue
        read.append(each.sequence_id)
        for curve in found.curves:
            good = (curve.flag == 0) & (curve.error > 0)
            points = _Points(curve.time[good], curve.mag[good] - curve.median, curve.error[good])
            channels.setdefault(curve.channel, []).append(points)
    nights = _nights(channels.get(COMBINED, []))
    candidate = search_season(nights, partial(_colours, channels))
    stars: list[FoundStar] = []
    if candidate is not None:
        listed = {each.star_id: each for each in stars_of(open_curves(site, read[-1]))}
        stars = [_found(listed, star_id, candidate)]
    enough = len(nights) > 1
    return Search(tuple(read), tuple(lost), int(enough), tuple(stars))


def search_observations(
    site: Site,
    sequence_ids: Iterable[str],
    *,
    faintest: float = FAINTEST,
    on_star: Callable[[], None] = lambda: None,
) -> Search:
    """All bright stars of some observations together. Raises TransientError."""
    listed: dict[str, StarSummary] = {}
    curves: dict[str, dict[str, list[_Points]]] = {}
    read, lost = [], []
    for sequence_id in sequence_ids:
        try:
            stored = open_curves(site, sequence_id)
            stars = stars_of(stored)
        except NotFound:
            lost.append(sequence_id)
            continue
        read.append(sequence_id)
        listed |= {each.star_id: each for each in stars}
        for (star_id, channel), points in _points_of(stored, _bright(stars, faintest)):
            curves.setdefault(star_id, {}).setdefault(channel, []).append(points)
    found, looked_at = [], 0
    for star_id, channels in curves.items():
        nights = _nights(channels.get(COMBINED, []))
        looked_at += len(nights) > 1
        candidate = search_season(nights, partial(_colours, channels))
        if candidate is not None:
            found.append(_found(listed, star_id, candidate))
        on_star()
    found.sort(key=lambda each: -each.candidate.snr)
    return Search(tuple(read), tuple(lost), looked_at, tuple(found))


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


def _nights(parts: Sequence[_Points]) -> list[Night]:
    import numpy as np

    if not parts:
        return []
    names = ("time", "mag", "error")
    return nights_of(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def _colours(channels: Mapping[str, Sequence[_Points]]) -> dict[str, list[Night]]:
    return {channel: _nights(parts) for channel, parts in channels.items()}


def _bright(listed: Iterable[StarSummary], faintest: float) -> set[str]:
    return {each.star_id for each in listed if each.g <= faintest}


def _found(listed: Mapping[str, StarSummary], star_id: str, candidate: Candidate) -> FoundStar:
    star = listed[star_id]
    near = neighbours_of(star, list(listed.values()), candidate.depth)
    return FoundStar(star_id, star.ra, star.dec, star.g, replace(candidate, neighbours=near))


def _points_of(stored: StoredCurves, wanted: set[str]) -> Iterable[tuple[tuple[str, str], _Points]]:
    """Good points by star and channel, about the star's median. Raises NotFound."""
    import numpy as np
    import pyarrow
    import pyarrow.compute as pc

    try:
        for rows in stored.file.groups(_READ):
            mine = rows.filter(pc.is_in(rows["star_id"], pyarrow.array(sorted(wanted))))
            if not len(mine):
                continue
            ids, channels = (
                mine[name].to_numpy(zero_copy_only=False) for name in ("star_id", "channel")
            )
            when, mag, error = (mine[name].to_numpy() for name in ("time", "mag", "error"))
            usable = (mine["flag"].to_numpy() == 0) & np.isfinite(mag) & (error > 0)
            new = (ids[1:] != ids[:-1]) | (channels[1:] != channels[:-1])
            starts = np.flatnonzero(np.concatenate([[True], new]))
            for start, end in zip(starts, [*starts[1:], len(ids)], strict=True):
                good = start + np.flatnonzero(usable[start:end])
                if len(good):
                    key = (str(ids[start]), str(channels[start]))
                    yield key, _Points(when[good], mag[good] - np.median(mag[good]), error[good])
    except NotTheNetworks as error:
        raise NotFound(
            f"the light curves of {stored.sequence_id} cannot be read: process it again"
        ) from error
