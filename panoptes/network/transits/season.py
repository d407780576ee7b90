"""Transits that return, in one star's nights of a season.

1. For each moment and length of a box: how deep a box the night allows there (`boxes`). No one
   night counts for more than `CAP` standard deviations, so one alone is never enough.
2. astropy's BoxLeastSquares folds these depths, not the points: a night's own level, and red
   noise, are in them already. Its best periods of each length are looked at closely.
3. Nights look on at the same hours each day, so several periods may fit alike: those that would
   have shown no other transit are told beside the best.
4. The transits taken away, the same is done for boxes that brighten. No star does that: how far
   it goes says how far noise alone goes, and a candidate stands above it.
5. A star that dims as clearly in other nights off the period, in more than half as many as on it,
   has no period: some of many dips always fall on one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from panoptes.network.transits.boxes import Boxes, Grid, boxes_of, depths_at, grid_of, without
from panoptes.network.transits.candidate import Candidate
from panoptes.network.transits.judging import (
    apart,
    colours_of,
    folded_of,
    mean_depth,
    seen_transits,
    shape_of,
)
from panoptes.network.transits.series import BIN_DAYS, GAP_DAYS, Night

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LONGEST_DAYS = 200.0
"""Nights that are longer before the last are left out: a search grows with the square."""
PERIODS = (0.9, 6.0)
"""Days."""
HOURS = (1.5, 2.25, 3.25, 4.5)
"""Lengths of boxes."""
CAP = 5.0
LEAST_SNR = 6.8
"""Capped: above what noise does in 1,000 stars of simulated seasons."""
LEAST_LOOKED_AT = 4.0
"""Capped, before red noise is measured without the transits."""
LESS_RED = 0.8
"""Of the red noise before."""
LEAST_OVER_BRIGHTENING = 1.25
LEAST_TRANSITS = 2
"""On nights of their own, each at least `CLEAR` standard deviations deep, and nearly as deep as
the mean."""
CLEAR = 2.5
LEAST_OF_MEAN = 0.4
MOST_BESIDE = 0.5
"""Times as many nights with dips off the period as with clear transits."""
AS_GOOD = 0.93
"""Of the best signal to noise: what reaches it is an alternative."""
SAME_PERIOD = 0.01
_OVERSAMPLED = 3.0
_PEAKS = 12
"""Of each length, that are looked at closely."""
_PEAK = 4
"""Trial periods on either side that belong to one."""


@dataclass(frozen=True, eq=False)
class Fold:
    """A period with its best epoch."""

    snr: float
    period: float
    epoch: float
    boxes: Boxes

    def times(self) -> Floats:
        """Of its transits where a box is known."""
        import numpy as np

        boxes = self.boxes
        first = math.ceil((boxes.start - self.epoch) / self.period - 1e-9)
        count = math.ceil(len(boxes.depth) * BIN_DAYS / self.period) + 1
        turns = np.arange(first, first + count, dtype=np.float64)
        times = self.epoch + turns * self.period
        return np.asarray(times[depths_at(boxes, times)[1] > 0])


def search_season(
    nights: Sequence[Night], colours: Callable[[], Mapping[str, Sequence[Night]]] = dict
) -> Candidate | None:
    """The best candidate of one star, or None. `nights` are of all colours together, of whatever
    cameras; `colours` gives those of each channel, and is asked where there is a candidate."""
    last = max((float(each.time[0]) for each in nights), default=0.0)
    nights = [each for each in nights if each.time[0] > last - LONGEST_DAYS]
    if len(nights) < LEAST_TRANSITS:
        return None
    grid = grid_of(nights, max(HOURS))
    every = {hours: boxes_of(nights, hours, grid) for hours in HOURS}
    best = _best(every.values())
    if best is None or best.snr < LEAST_LOOKED_AT:
        return None
    # Transits in many nights pass for red noise: it is measured again without them.
    rest = without(nights, best.times()[_clear(best)].tolist(), 1.3 * best.boxes.hours)
    noise = {hours: boxes_of(rest, hours, grid) for hours in HOURS if rest}
    if noise and noise[best.boxes.hours].red < LESS_RED * best.boxes.red:
        red = {hours: min(every[hours].red, noise[hours].red) for hours in HOURS}
        every = {hours: boxes_of(nights, hours, grid, red[hours]) for hours in HOURS}
        best = _best(every.values())
    if best is None or best.snr < LEAST_SNR:
        return None
    fold, alternatives = _periods(every.values(), best)
    clear = _clear(fold)
    if clear.sum() < LEAST_TRANSITS:
        return None
    rest = without(nights, fold.times()[clear].tolist(), 1.3 * fold.boxes.hours)
    quiet = [boxes_of(rest, hours, grid, every[hours].red) for hours in HOURS if rest]
    brightest = _best(quiet, -1.0)
    brightening = brightest.snr if brightest else 0.0
    if best.snr < LEAST_OVER_BRIGHTENING * brightening:
        return None
    if _dips_beside(nights, grid, fold, clear) > MOST_BESIDE * clear.sum():
        return None
    found = _judged(nights, colours(), grid, fold, alternatives)
    return replace(found, capped_snr=best.snr, brightening_snr=brightening)


def _judged(
    nights: Sequence[Night],
    colours: Mapping[str, Sequence[Night]],
    grid: Grid,
    fold: Fold,
    alternatives: Sequence[float],
) -> Candidate:
    import numpy as np

    boxes, times = fold.boxes, fold.times()
    depths, weights = depths_at(boxes, times)
    turns = np.rint((times - times[0]) / fold.period).astype(int)
    odd, even = (mean_depth(depths[turns % 2 == n], weights[turns % 2 == n]) for n in (1, 0))
    whole = mean_depth(depths, weights)
    secondary = replace(fold, epoch=fold.epoch + fold.period / 2).times()
    half_days = 2 * fold.period
    return Candidate(
        period=fold.period,
        period_error=_period_error(turns, depths * np.sqrt(weights), boxes.hours),
        alternatives=tuple(alternatives),
        epoch=float(times[np.argmax(weights)]),
        hours=boxes.hours,
        depth=whole.depth,
        depth_error=whole.error,
        snr=whole.depth / whole.error,
        capped_snr=math.nan,
        brightening_snr=math.nan,
        red_noise=boxes.red,
        transits=seen_transits(nights, boxes, times),
        odd=odd,
        even=even,
        odd_even_sigma=apart(odd, even),
        secondary=mean_depth(*depths_at(boxes, secondary)),
        colours=colours_of(colours, boxes.hours, times, grid, boxes.red),
        shape=shape_of(nights, times, boxes.hours, grid, boxes.red),
        folded=folded_of(nights, times, boxes.hours, grid),
        day_alias=abs(half_days - round(half_days)) < 0.02 * fold.period,
    )


def _period_error(turns: NDArray[np.intp], snr: Floats, hours: float) -> float:
    """Days. A transit's middle is known to half its length over its signal to noise, and to the
    grid's step."""
    import numpy as np

    middles = np.hypot(hours / 48 / np.maximum(snr, 1.0), BIN_DAYS / math.sqrt(12))
    weight = 1 / middles**2
    mean = (weight * turns).sum() / weight.sum()
    spread = float((weight * (turns - mean) ** 2).sum())
    return 1 / math.sqrt(spread) if spread else math.nan


def _periods(every: Iterable[Boxes], capped: Fold) -> tuple[Fold, list[float]]:
    """The best fold of depths that are not capped, and other periods that fit as well."""
    import numpy as np

    near = (_fold_near(each, capped.period, capped.epoch, _step(each)) for each in every)
    first = max(near, key=_snr)
    boxes, step = first.boxes, _step(first.boxes)
    folds, times = [first], first.times()[_clear(first)]
    if len(times) >= LEAST_TRANSITS:
        # All transits are a whole number of periods apart.
        gap = float(np.diff(times).min())
        for count in range(1, math.floor(gap / PERIODS[0]) + 1):
            if gap / count <= PERIODS[1]:
                folds.append(_fold_near(boxes, gap / count, float(times[0]), 1.5 * step))
    folds.sort(key=_snr, reverse=True)
    best = folds[0]
    others: list[float] = []
    for each in folds[1:]:
        known = [best.period, *others]
        new = all(abs(each.period / period - 1) > SAME_PERIOD for period in known)
        if new and each.snr > AS_GOOD * best.snr:
            others.append(each.period)
    return best, others


def _clear(fold: Fold) -> NDArray[np.bool_]:
    """Which of its transits are seen for themselves."""
    import numpy as np

    depths, weights = depths_at(fold.boxes, fold.times())
    mean = float((depths * weights).sum() / weights.sum()) if len(depths) else 0.0
    return np.asarray((depths * np.sqrt(weights) > CLEAR) & (depths > LEAST_OF_MEAN * mean))


def _dips_beside(nights: Sequence[Night], grid: Grid, fold: Fold, clear: NDArray[np.bool_]) -> int:
    """Nights with a dip off the period that is as clear as the middle one of the transits."""
    import numpy as np

    hours, times = fold.boxes.hours, fold.times()
    depths, weights = (each[clear] for each in depths_at(fold.boxes, times))
    rest = without(nights, times.tolist(), 1.3 * hours)
    if not rest:
        return 0
    boxes = boxes_of(rest, hours, grid, fold.boxes.red)
    is_dip = boxes.depth * np.sqrt(boxes.weight) >= np.median(depths * np.sqrt(weights))
    places = np.flatnonzero(is_dip & (boxes.depth >= LEAST_OF_MEAN * depths.mean()))
    return int(np.count_nonzero(np.diff(places, prepend=-np.inf) * BIN_DAYS > GAP_DAYS))


def _snr(fold: Fold) -> float:
    return fold.snr


def _capped(boxes: Boxes) -> Boxes:
    import numpy as np

    most = CAP / np.sqrt(np.maximum(boxes.weight, 1e-30))
    return replace(boxes, depth=np.clip(boxes.depth, -most, most))


def _step(boxes: Boxes) -> float:
    """Relative, between trial periods: a transit shifts by a third of its length in all."""
    span = max(len(boxes.depth) * BIN_DAYS, PERIODS[1])
    return boxes.hours / 24 / _OVERSAMPLED / span


def _best(every: Iterable[Boxes], sign: float = 1.0) -> Fold | None:
    """Of all lengths, capped; with -1 as `sign`, of boxes that brighten."""
    folds = (fold for boxes in every for fold in _folds(_capped(boxes), sign))
    return max(folds, key=_snr, default=None)


def _folds(boxes: Boxes, sign: float) -> list[Fold]:
    import numpy as np
    from astropy.timeseries import BoxLeastSquares

    seen = boxes.weight > 0
    if not seen.any():
        return []
    step = _step(boxes)
    count = math.ceil(math.log(PERIODS[1] / PERIODS[0]) / step)
    periods = np.geomspace(*PERIODS, count)
    time = boxes.start + np.flatnonzero(seen) * BIN_DAYS
    search = BoxLeastSquares(time, -sign * boxes.depth[seen], 1 / np.sqrt(boxes.weight[seen]))
    found = search.power(periods, 2 * BIN_DAYS, oversample=2, objective="snr")
    power = np.nan_to_num(np.asarray(found.power), neginf=0.0)
    folds: list[Fold] = []
    taken = np.zeros(len(power), bool)
    for at in np.argsort(-power):
        if len(folds) >= _PEAKS:
            break
        if taken[at]:
            continue
        taken[max(0, at - _PEAK) : at + _PEAK + 1] = True
        folds.append(
            _fold_near(boxes, float(periods[at]), float(found.transit_time[at]), step, sign)
        )
    return folds


def _fold_near(boxes: Boxes, period: float, epoch: float, step: float, sign: float = 1.0) -> Fold:
    """The best fold within a step of the period and a third of the box of the epoch."""
    import numpy as np

    # The epoch in the middle of the season: there it does not depend on the period.
    span = len(boxes.depth) * BIN_DAYS
    middle = boxes.start + span / 2
    epoch += round((middle - epoch) / period) * period
    trials = period * (1 + step * np.linspace(-1.25, 1.25, 11))
    reach = max(2, math.ceil(boxes.hours / 24 / 3 / BIN_DAYS))
    epochs = epoch + np.arange(-reach, reach + 1) * BIN_DAYS
    turns = np.arange(-math.ceil(span / 2 / period) - 1, math.ceil(span / 2 / period) + 2)
    times = epochs[None, :, None] + turns * trials[:, None, None]
    places = np.rint((times - boxes.start) / BIN_DAYS).astype(int)
    inside = (places >= 0) & (places < len(boxes.depth))
    places = np.where(inside, places, 0)
    weight = np.where(inside, boxes.weight[places], 0.0)
    pull = (weight * boxes.depth[places]).sum(axis=2)
    snr = sign * pull / np.sqrt(np.maximum(weight.sum(axis=2), 1e-30))
    one, other = np.unravel_index(int(np.argmax(snr)), snr.shape)
    return Fold(float(snr[one, other]), float(trials[one]), float(epochs[other]), boxes)
