"""How deep a box each night allows at each moment, and how far such depths are to be trusted.

For every place and length of a box the night's level and slope are fitted with it, so that each
night is compared with itself alone. By how much the depths differ where there is nothing is the
star's red noise (Pont, Zucker and Queloz 2006, MNRAS 373, 231); it is added to each error.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from panoptes.network.transits.series import BIN_DAYS, LEAST_BINS, Night

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

LEAST_RED = 0.001
"""Magnitudes: simulated nights of bright stars seldom have less."""
LEAST_SLOPE = 0.003
"""Magnitudes a day."""
_LEAST_SHARE = 0.25
"""Of a box: with less of it, or less of the night beside it, level and depth are one."""


@dataclass(frozen=True, eq=False)
class Boxes:
    """By place of a box's middle, on a grid of `BIN_DAYS` over all nights."""

    start: float
    """Days: the grid's first place."""
    hours: float
    depth: Floats
    """(places,) magnitudes, positive for what dims; 0 where it is not known."""
    weight: Floats
    """(places,) of 1 over its error squared, red noise included; 0 where it is not known."""
    red: float
    """Magnitudes."""


@dataclass(frozen=True)
class Grid:
    """Places of boxes' middles, over all nights."""

    start: float
    count: int
    slope: float
    """Magnitudes a day by which a night usually slopes."""


def grid_of(nights: Sequence[Night], longest_hours: float) -> Grid:
    import numpy as np

    margin = longest_hours / 24
    start = min(float(each.time[0]) for each in nights) - margin
    end = max(float(each.time[-1]) for each in nights) + margin
    count = math.ceil((end - start) / BIN_DAYS) + 1
    slopes = [
        np.polyfit(each.time - each.time.mean(), each.mag, 1, w=1 / each.error)[0]
        for each in nights
    ]
    usual = 1.4826 * float(np.median(np.abs(slopes)))
    return Grid(start, count, max(LEAST_SLOPE, usual))


def boxes_of(nights: Sequence[Night], hours: float, grid: Grid, red: float | None = None) -> Boxes:
    """Boxes of one length; their red noise is measured where it is not given."""
    import numpy as np

    pull, told = np.zeros(grid.count), np.zeros(grid.count)
    half = hours / 48
    for night in nights:
        first = max(0, math.floor((night.time[0] - half - grid.start) / BIN_DAYS))
        last = min(grid.count - 1, math.ceil((night.time[-1] + half - grid.start) / BIN_DAYS))
        places = np.arange(first, last + 1)
        middles = grid.start + places * BIN_DAYS
        forms = box(night.time[None, :] - middles[:, None], hours)
        of_night, weight = _fitted(night, forms, grid.slope)
        least = _LEAST_SHARE * hours / 24 / BIN_DAYS * float(np.median(1 / night.error**2))
        good = weight > least
        pull[places[good]] += of_night[good]
        told[places[good]] += weight[good]
    seen = told > 0
    depth = np.zeros(grid.count)
    depth[seen] = pull[seen] / told[seen]
    if red is None:
        red = red_noise(depth[seen], 1 / told[seen])
    weight = np.zeros(grid.count)
    weight[seen] = 1 / (1 / told[seen] + red**2)
    return Boxes(grid.start, hours, depth, weight, red)


def box(away: Floats, hours: float) -> Floats:
    """1 within a box of that length about 0 days, as bins see it: their edges are not sharp."""
    import numpy as np

    return np.clip((hours / 48 + BIN_DAYS / 2 - np.abs(away)) / BIN_DAYS, 0.0, 1.0)


def _fitted(night: Night, forms: Floats, slope: float) -> tuple[Floats, Floats]:
    """Of each form (forms, bins): its depth times what tells it, and what tells it (1 over its
    variance), the night's level and slope being free."""
    import numpy as np

    middle = night.time.mean()
    nuisance = np.stack([np.ones_like(night.time), night.time - middle])
    inverse = 1 / night.error**2
    normal = (nuisance * inverse) @ nuisance.T + np.diag([0.0, 1 / slope**2])
    found = np.linalg.solve(normal, (nuisance * inverse) @ np.stack([night.mag, *forms]).T)
    free = night.mag - found[:, 0] @ nuisance
    own = forms - found[:, 1:].T @ nuisance
    return (forms * inverse * free).sum(axis=1), (forms * inverse * own).sum(axis=1)


def red_noise(depths: Floats, variances: Floats) -> float:
    """With which half of the depths lie within 0.67 of their standard deviations; magnitudes."""
    import numpy as np

    low, high = LEAST_RED, 0.1
    while len(depths) and high > 1.02 * low:
        middle = math.sqrt(low * high)
        if np.median(np.abs(depths) / np.sqrt(variances + middle**2)) > 0.6745:
            low = middle
        else:
            high = middle
    return low


def depths_at(boxes: Boxes, times: Floats) -> tuple[Floats, Floats]:
    """Depths and weights (times,) of the boxes there; of weight 0 what is not known."""
    import numpy as np

    places = np.rint((times - boxes.start) / BIN_DAYS).astype(int)
    inside = (places >= 0) & (places < len(boxes.depth))
    places = np.where(inside, places, 0)
    return boxes.depth[places], np.where(inside, boxes.weight[places], 0.0)


def without(nights: Sequence[Night], times: Sequence[float], hours: float) -> list[Night]:
    """Nights without the bins within boxes at some times."""
    import numpy as np

    left = []
    for night in nights:
        away = np.abs(night.time[:, None] - np.asarray(times)[None, :])
        clear = (away > hours / 48 + BIN_DAYS / 2).all(axis=1)
        if clear.sum() >= LEAST_BINS:
            left.append(Night(night.time[clear], night.mag[clear], night.error[clear]))
    return left
