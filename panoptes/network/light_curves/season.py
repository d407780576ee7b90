"""Transits that return: one star's nights together.

1. Each night is put into bins, and for each moment and length of a box it is worked out how deep
   a box the night allows there, its level and slope being unknown (both are fitted with it).
2. How much such depths differ where there is nothing is the star's red noise (Pont, Zucker and
   Queloz 2006, MNRAS 373, 231); it is added to the error of each.
3. For each period and epoch, depths a period apart are added up by their weights.
4. The same is done for boxes that brighten. No star does that: how far it goes says how far
   noise alone goes, and only what stands well above it is a candidate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

PERIODS = (0.9, 6.0)
"""Days."""
HOURS = (1.5, 2.25, 3.25, 4.5)
"""Lengths of boxes."""
CELL_DAYS = 12 / 1440
"""Of bins, and steps of a box's place."""
GAP_DAYS = 0.25
"""Without a point: then another night begins."""
LEAST_BINS = 12
"""Of a night that counts."""
LEAST_SNR = 8.0
LEAST_OVER_BRIGHTENING = 1.35
"""Times the signal to noise of the best box that brightens."""
LEAST_WITHOUT_BEST = 4.0
"""Signal to noise without the transit that tells most: two are needed."""
LEAST_RED = 0.0004
"""Magnitudes: no camera's means over hours are better."""
_OVERSAMPLED = 3.0


@dataclass(frozen=True)
class Candidate:
    """What may be a planet, and what a person needs to judge it. Depths are in magnitudes."""

    period: float
    """Days."""
    epoch: float
    """BJD_TDB of a transit's middle."""
    hours: float
    """Length of the box."""
    depth: float
    depth_error: float
    """Red noise in it."""
    snr: float
    brightening_snr: float
    """Of the best box that brightens: what noise alone can do."""
    transit_times: tuple[float, ...]
    """BJD_TDB of those that were observed, in whole or in part."""
    transit_depths: tuple[float, ...]
    transit_errors: tuple[float, ...]
    odd_even: float
    """Difference of every other transit's depth, in standard deviations: an eclipsing pair's."""
    secondary_depth: float
    """Half a period later; with `secondary_error`, NaN where nothing was observed there."""
    secondary_error: float
    red_noise: float
    """Magnitudes, of a mean over one transit."""
    day_alias: bool
    """Whether the period is near a whole number of half days, at which nights look alike."""


@dataclass(frozen=True, eq=False)
class _Cells:
    """By place of a box's middle, on a grid over the season: depth times weight, and weight."""

    start: float
    hours: float
    pull: Floats
    weight: Floats
    """Red noise included; 0 where nothing was observed."""
    red: float


def search_season(time: Floats, mag: Floats, error: Floats) -> Candidate | None:
    """The best candidate among the good points (points,) of one star; None where there is none.

    `time` is BJD_TDB in days, ascending; `mag` is best the plain magnitude, from which nothing
    was taken away that may be a transit's.
    """
    import numpy as np

    nights = [_binned(*night) for night in _nights(time, mag, error)]
    nights = [night for night in nights if len(night[0]) >= LEAST_BINS]
    if len(nights) < 2:
        return None
    slope = _usual_slope(nights)
    start = float(nights[0][0][0]) - max(HOURS) / 24
    count = math.ceil((float(nights[-1][0][-1]) + max(HOURS) / 24 - start) / CELL_DAYS) + 1
    every = [_cells(nights, hours, start, count, slope) for hours in HOURS]
    best, brightest = None, 0.0
    for cells in every:
        for period in _trial_periods(count * CELL_DAYS, cells.hours):
            down, at, up = _folded(cells, period)
            brightest = max(brightest, up)
            if best is None or down > best[0]:
                best = (down, cells, period, at)
    assert best is not None
    snr, cells, period, at = best
    if snr < max(LEAST_SNR, LEAST_OVER_BRIGHTENING * brightest):
        return None
    found = _judged(cells, period, at, snr, brightest)
    errors = np.array(found.transit_errors)
    tells = (np.array(found.transit_depths) / errors) ** 2
    rest = np.arange(len(tells)) != np.argmax(tells)
    without = (np.array(found.transit_depths)[rest] / errors[rest] ** 2).sum()
    if not rest.any() or without / math.sqrt((1 / errors[rest] ** 2).sum()) < LEAST_WITHOUT_BEST:
        return None
    return found


def _nights(time: Floats, mag: Floats, error: Floats) -> list[tuple[Floats, Floats, Floats]]:
    import numpy as np

    breaks = np.flatnonzero(np.diff(time) > GAP_DAYS) + 1
    parts = (np.split(values, breaks) for values in (time, mag, error))
    return list(zip(*parts, strict=True))


def _binned(time: Floats, mag: Floats, error: Floats) -> tuple[Floats, Floats, Floats]:
    """Means in bins, and their errors, of which the scatter within them has a say."""
    import numpy as np

    place = np.floor((time - time[0]) / CELL_DAYS).astype(int)
    weight = 1 / error**2
    total = np.bincount(place, weight)
    full = np.flatnonzero(total > 0)
    total = total[full]
    when = np.bincount(place, weight * time)[full] / total
    level = np.bincount(place, weight * (mag - mag[0]))[full] / total
    rest = (mag - mag[0] - level[np.searchsorted(full, place)]) / error
    freedom = max(1, len(time) - len(full))
    wider = max(1.0, math.sqrt(float((np.minimum(rest, 5) ** 2).sum()) / freedom))
    return when, level, wider / np.sqrt(total)


def _usual_slope(nights: list[tuple[Floats, Floats, Floats]]) -> float:
    """Magnitudes a day by which a night usually slopes."""
    import numpy as np

    slopes = [np.polyfit(t - t.mean(), m, 1, w=1 / e)[0] for t, m, e in nights]
    return max(0.003, 1.4826 * float(np.median(np.abs(slopes))))


def _cells(
    nights: list[tuple[Floats, Floats, Floats]],
    hours: float,
    start: float,
    count: int,
    slope: float,
) -> _Cells:
    import numpy as np

    pull, weight = np.zeros(count), np.zeros(count)
    half = hours / 48
    for time, mag, error in nights:
        first = max(0, math.floor((time[0] - half - start) / CELL_DAYS))
        last = min(count - 1, math.ceil((time[-1] + half - start) / CELL_DAYS))
        places = np.arange(first, last + 1)
        middles = start + places * CELL_DAYS
        edge = (half + CELL_DAYS / 2 - np.abs(time[None, :] - middles[:, None])) / CELL_DAYS
        boxes = np.clip(edge, 0.0, 1.0)
        nuisance = np.stack([np.ones_like(time), time - time.mean()])
        inverse = 1 / error**2
        normal = (nuisance * inverse) @ nuisance.T + np.diag([0.0, 1 / slope**2])
        of_nuisance = np.linalg.solve(normal, (nuisance * inverse) @ np.stack([mag, *boxes]).T)
        free = mag - of_nuisance[:, 0] @ nuisance
        own = boxes - of_nuisance[:, 1:].T @ nuisance
        told = (boxes * inverse * own).sum(axis=1)
        # Too little of the box, or of the night beside it, and level and depth are one.
        least = 0.25 * hours / 24 / CELL_DAYS * np.median(inverse)
        good = told > least
        pull[places[good]] = (boxes * inverse * free).sum(axis=1)[good]
        weight[places[good]] = told[good]
    seen = weight > 0
    if not seen.any():
        return _Cells(start, hours, pull, weight, LEAST_RED)
    depths = pull[seen] / weight[seen]
    spread = 1.4826 * float(np.median(np.abs(depths)))
    red = math.sqrt(max(spread**2 - float(np.median(1 / weight[seen])), LEAST_RED**2))
    share = np.zeros(count)
    share[seen] = 1 / (1 + weight[seen] * red**2)
    return _Cells(start, hours, pull * share, weight * share, red)


def _trial_periods(span: float, hours: float) -> Floats:
    """So close that a transit shifts by less than a third of its length over the season."""
    import numpy as np

    step = hours / 24 / _OVERSAMPLED / span
    count = math.ceil(math.log(PERIODS[1] / PERIODS[0]) / step)
    return np.geomspace(*PERIODS, max(2, count))


def _folded(cells: _Cells, period: float) -> tuple[float, int, float]:
    """Signal to noise of the best epoch, its cell, and that of the best one that brightens."""
    import numpy as np

    epochs = np.arange(math.ceil(period / CELL_DAYS))
    turns = np.arange(math.ceil(len(cells.pull) * CELL_DAYS / period))
    at = epochs[:, None] + np.rint(turns * period / CELL_DAYS).astype(int)
    inside = at < len(cells.pull)
    at = np.where(inside, at, 0)
    pull = np.where(inside, cells.pull[at], 0.0).sum(axis=1)
    weight = np.where(inside, cells.weight[at], 0.0).sum(axis=1)
    snr = np.where(weight > 0, pull / np.sqrt(np.maximum(weight, 1e-30)), 0.0)
    best = int(np.argmax(snr))
    return float(snr[best]), best, -float(snr.min())


def _judged(cells: _Cells, period: float, at: int, snr: float, brightening: float) -> Candidate:
    import numpy as np

    turns = np.arange(math.ceil(len(cells.pull) * CELL_DAYS / period) + 1)

    def transits(first: float) -> tuple[Floats, Floats, Floats, NDArray[np.intp]]:
        places = np.rint(first + turns * period / CELL_DAYS).astype(int)
        known = (places >= 0) & (places < len(cells.pull))
        known[known] = cells.weight[places[known]] > 0
        places, numbers = places[known], turns[known]
        weight = cells.weight[places]
        times = cells.start + places * CELL_DAYS
        return times, cells.pull[places] / weight, weight, numbers

    times, depths, weight, numbers = transits(at)
    depth = float((depths * weight).sum() / weight.sum())
    _, other, others, _ = transits(at - period / 2 / CELL_DAYS)
    odd, even = numbers % 2 == 1, numbers % 2 == 0
    apart = 0.0
    if odd.any() and even.any():
        means = [(depths[k] * weight[k]).sum() / weight[k].sum() for k in (odd, even)]
        errors = [1 / weight[k].sum() for k in (odd, even)]
        apart = float((means[0] - means[1]) / math.sqrt(sum(errors)))
    halves = 2 * period
    return Candidate(
        period=period,
        epoch=float(times[np.argmax(weight)]),
        hours=cells.hours,
        depth=depth,
        depth_error=1 / math.sqrt(float(weight.sum())),
        snr=snr,
        brightening_snr=brightening,
        transit_times=tuple(times.tolist()),
        transit_depths=tuple(depths.tolist()),
        transit_errors=tuple((1 / np.sqrt(weight)).tolist()),
        odd_even=apart,
        secondary_depth=float((other * others).sum() / others.sum()) if len(other) else math.nan,
        secondary_error=1 / math.sqrt(float(others.sum())) if len(other) else math.nan,
        red_noise=cells.red,
        day_alias=abs(halves - round(halves)) < 0.02 * period,
    )
