"""Transits that return, in one star's nights of a season.

1. For each moment and length of a box: how deep a box the night allows there (`boxes`).
2. astropy's BoxLeastSquares folds these depths, not the points: a night's own level, and red
   noise, are in them already. Its best periods of each length are looked at closely.
3. The same is done for boxes that brighten. No star does that: how far it goes says how far
   noise alone goes, and only what stands well above it is a candidate.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from panoptes.network.transits.boxes import Boxes
from panoptes.network.transits.series import BIN_DAYS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

PERIODS = (0.9, 6.0)
"""Days."""
HOURS = (1.5, 2.25, 3.25, 4.5)
"""Lengths of boxes."""
LEAST_SNR = 8.0
LEAST_OVER_BRIGHTENING = 1.35
"""Times the signal to noise of the best box that brightens."""
LEAST_WITHOUT_BEST = 4.0
"""Signal to noise without the transit that tells most: two are needed."""
_OVERSAMPLED = 3.0
_PEAKS = 12
"""Of each length, that are looked at closely."""
SAME_PERIOD = 0.01


@dataclass(frozen=True, eq=False)
class Fold:
    """A period with its best epoch."""

    snr: float
    period: float
    epoch: float
    boxes: Boxes

    def places(self) -> NDArray[np.intp]:
        """Of its transits on the grid, where a box is known."""
        import numpy as np

        boxes = self.boxes
        first = math.ceil((boxes.start - self.epoch) / self.period - 1e-9)
        count = math.ceil(len(boxes.depth) * BIN_DAYS / self.period) + 1
        times = self.epoch + (first + np.arange(count)) * self.period
        places = np.rint((times - boxes.start) / BIN_DAYS).astype(int)
        places = places[(places >= 0) & (places < len(boxes.depth))]
        return np.asarray(places[boxes.weight[places] > 0])


def trial_periods(span: float, hours: float) -> Floats:
    """So close that a transit shifts by less than a third of its length over the season."""
    import numpy as np

    step = hours / 24 / _OVERSAMPLED / max(span, PERIODS[1])
    count = math.ceil(math.log(PERIODS[1] / PERIODS[0]) / step)
    return np.geomspace(*PERIODS, max(2, count))


def folds_of(every: Sequence[Boxes], sign: float = 1.0) -> list[Fold]:
    """The best of all lengths, the best first; with -1 as `sign`, of boxes that brighten."""
    found = [fold for boxes in every for fold in _folds(boxes, sign)]
    return sorted(found, key=lambda each: -each.snr)


def _folds(boxes: Boxes, sign: float) -> list[Fold]:
    import numpy as np
    from astropy.timeseries import BoxLeastSquares

    seen = boxes.weight > 0
    if not seen.any():
        return []
    span = len(boxes.depth) * BIN_DAYS
    periods = trial_periods(span, boxes.hours)
    time = boxes.start + np.flatnonzero(seen) * BIN_DAYS
    search = BoxLeastSquares(time, -sign * boxes.depth[seen], 1 / np.sqrt(boxes.weight[seen]))
    found = search.power(periods, 2 * BIN_DAYS, oversample=2, objective="snr")
    power = np.nan_to_num(np.asarray(found.power), neginf=0.0)
    step = periods[1] / periods[0] - 1
    folds = []
    near = 4
    taken = np.zeros(len(power), bool)
    for at in np.argsort(-power):
        if len(folds) >= _PEAKS:
            break
        if taken[at]:
            continue
        taken[max(0, at - near) : at + near + 1] = True
        folds.append(
            fold_near(boxes, float(periods[at]), float(found.transit_time[at]), step, sign)
        )
    return folds


def fold_near(boxes: Boxes, period: float, epoch: float, step: float, sign: float = 1.0) -> Fold:
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
