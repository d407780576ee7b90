"""Transits that are looked for in what the network has stored: an observation, or a star."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from panoptes.network.light_curves.summaries import StarSummary
from panoptes.network.light_curves.table import COMBINED, NotTheNetworks
from panoptes.network.processing.star_history import star_history
from panoptes.network.processing.stored_curves import StoredCurves, open_curves, stars_of
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


@dataclass(frozen=True, eq=False)
class _Points:
    """A star's good points in one channel: arrays (points,)."""

    time: Floats
    mag: Floats
    error: Floats


def search_observation(site: Site, sequence_id: str, *, faintest: float = FAINTEST) -> Search:
    """Of one night. Raises NotFound where it has no light curves, and TransientError."""
    stored = open_curves(site, sequence_id)
    listed = {each.star_id: each for each in stars_of(stored)}
    nights: dict[str, dict[str, Night]] = {}
    for (star_id, channel), points in _points_of(stored, _bright(listed.values(), faintest)):
        own = nights_of(points.time, points.mag, points.error)
        if own:
            nights.setdefault(star_id, {})[channel] = own[0]
    found = search_night(nights, {star_id: listed[star_id].g for star_id in nights})
    stars = [_found(listed, star_id, each) for star_id, each in found.items()]
    return Search((stored.sequence_id,), (), len(nights), tuple(stars))


def search_star(site: Site, key: str) -> Search:
    """A star, by its key of `stars`, in all observations. Raises NotFound and TransientError."""
    history = star_history(site, key)
    star_id = history.star.get("star_id")
    if not isinstance(star_id, str):
        raise NotFound(f"the document of {key} names no star of the catalogue")
    return _season(site, [each.sequence_id for each in history.seen], lambda _: {star_id})


def search_observations(
    site: Site,
    sequence_ids: Iterable[str],
    *,
    faintest: float = FAINTEST,
    on_star: Callable[[], None] = lambda: None,
) -> Search:
    """All bright stars of some observations together. Raises TransientError."""
    return _season(site, sequence_ids, lambda listed: _bright(listed, faintest), on_star)


def _season(
    site: Site,
    sequence_ids: Iterable[str],
    wanted: Callable[[Iterable[StarSummary]], set[str]],
    on_star: Callable[[], None] = lambda: None,
) -> Search:
    import numpy as np

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
        for (star_id, channel), points in _points_of(stored, wanted(stars)):
            curves.setdefault(star_id, {}).setdefault(channel, []).append(points)
    found, looked_at = [], 0
    for star_id, channels in curves.items():
        nights = {
            channel: nights_of(
                *(
                    np.concatenate([getattr(part, name) for part in parts])
                    for name in ("time", "mag", "error")
                )
            )
            for channel, parts in channels.items()
        }
        on_star()
        looked_at += len(nights.get(COMBINED, ())) > 1
        candidate = search_season(nights)
        if candidate is not None:
            found.append(_found(listed, star_id, candidate))
    found.sort(key=lambda each: -each.candidate.snr)
    return Search(tuple(read), tuple(lost), looked_at, tuple(found))


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
            time, mag, error = (mine[name].to_numpy() for name in ("time", "mag", "error"))
            usable = (mine["flag"].to_numpy() == 0) & np.isfinite(mag) & (error > 0)
            new = (ids[1:] != ids[:-1]) | (channels[1:] != channels[:-1])
            starts = np.flatnonzero(np.concatenate([[True], new]))
            for start, end in zip(starts, [*starts[1:], len(ids)], strict=True):
                good = start + np.flatnonzero(usable[start:end])
                if len(good):
                    key = (str(ids[start]), str(channels[start]))
                    yield key, _Points(time[good], mag[good] - np.median(mag[good]), error[good])
    except NotTheNetworks as error:
        raise NotFound(
            f"the light curves of {stored.sequence_id} cannot be read: process it again"
        ) from error
