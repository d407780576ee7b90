"""A star's nights as the search looks at them: means over some minutes, with true errors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

BIN_DAYS = 12 / 1440
GAP_DAYS = 0.25
"""Without a point: then another night begins."""
LEAST_BINS = 12
"""Of a night that counts."""
LEAST_HOURS = LEAST_BINS * BIN_DAYS * 24
OUTLIER = 5.0
"""Standard deviations from its bin's median beyond which a point does not count."""


@dataclass(frozen=True, eq=False)
class Night:
    """Arrays (bins,)."""

    time: Floats
    """Days, ascending."""
    mag: Floats
    """Magnitudes about the night's median."""
    error: Floats
    """Magnitudes; the scatter within the bins has a say."""


def nights_of(time: Floats, mag: Floats, error: Floats) -> list[Night]:
    """One star's good points (points,), in any order, by night and binned.

    `time` is in days, BJD_TDB for periods that mean something. Nights with fewer than
    `LEAST_BINS` bins are left out.
    """
    import numpy as np

    known = np.isfinite(time) & np.isfinite(mag) & (error > 0)
    order = np.argsort(time[known], kind="stable")
    columns = [each[known][order] for each in (time, mag, error)]
    breaks = np.flatnonzero(np.diff(columns[0]) > GAP_DAYS) + 1
    parts = zip(*(np.split(each, breaks) for each in columns), strict=True)
    nights = [_binned(*part) for part in parts if len(part[0]) >= LEAST_BINS]
    return [night for night in nights if len(night.time) >= LEAST_BINS]


def _binned(time: Floats, mag: Floats, error: Floats) -> Night:
    import numpy as np

    middle = float(np.median(mag))
    place = np.floor((time - time[0]) / BIN_DAYS).astype(int)
    edges = np.searchsorted(place, np.arange(place[-1] + 2))
    median = np.array([np.median(mag[a:b]) if b > a else 0.0 for a, b in _pairs(edges)])
    away = np.abs(mag - median[place])
    usual = np.maximum(error, 1.4826 * float(np.median(away)))
    weight = np.where(away < OUTLIER * usual, 1 / error**2, 0.0)
    total = np.bincount(place, weight)
    full = np.flatnonzero(total > 0)
    total = total[full]
    when = np.bincount(place, weight * time)[full] / total
    level = np.bincount(place, weight * (mag - middle))[full] / total
    used = weight > 0
    rest = (mag[used] - middle - level[np.searchsorted(full, place[used])]) / error[used]
    freedom = max(1, int(used.sum()) - len(full))
    wider = max(1.0, math.sqrt(float((rest**2).sum()) / freedom))
    return Night(when, level, wider / np.sqrt(total))


def _pairs(edges: NDArray[np.intp]) -> Sequence[tuple[int, int]]:
    return list(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
