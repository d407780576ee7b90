"""Every star of an observation in one line, read from its Parquet file a row group at a time."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

from panoptes.network.light_curves.table import COMBINED, LightCurveFile

_READ = ("star_id", "ra", "dec", "g", "channel", "mag", "error", "flag")


@dataclass(frozen=True)
class StarSummary:
    """A star in one channel. What is not known is NaN."""

    star_id: str
    ra: float
    """Degrees, as `dec`."""
    dec: float
    g: float
    points: int
    """Good ones."""
    median: float
    """Magnitude."""
    scatter: float
    """Magnitudes: 1.4826 times the median absolute deviation."""
    error: float
    """Magnitudes: the median of what is reported."""


@dataclass(frozen=True)
class MagnitudeRow:
    """Of stars of about one magnitude: medians, in magnitudes."""

    g: float
    stars: int
    scatter: float
    error: float


def summaries(file: LightCurveFile, channel: str = COMBINED) -> list[StarSummary]:
    """Of the stars that have a good point in `channel`, the brightest first."""
    import numpy as np
    import pyarrow.compute as pc

    found = []
    for rows in file.groups(_READ):
        mine = rows.filter(pc.equal(rows["channel"], channel))
        ids = mine["star_id"].to_numpy(zero_copy_only=False)
        if not len(ids):
            continue
        numbers = {name: mine[name].to_numpy() for name in _READ[1:] if name != "channel"}
        starts = np.flatnonzero(np.concatenate([[True], ids[1:] != ids[:-1]]))
        for start, end in zip(starts, [*starts[1:], len(ids)], strict=True):
            mag = numbers["mag"][start:end]
            good = (numbers["flag"][start:end] == 0) & np.isfinite(mag)
            if not good.any():
                continue
            middle = float(np.median(mag[good]))
            found.append(
                StarSummary(
                    star_id=str(ids[start]),
                    ra=float(numbers["ra"][start]),
                    dec=float(numbers["dec"][start]),
                    g=float(numbers["g"][start]),
                    points=int(good.sum()),
                    median=middle,
                    scatter=1.4826 * float(np.median(np.abs(mag[good] - middle))),
                    error=float(np.median(numbers["error"][start:end][good])),
                )
            )
    return sorted(found, key=lambda each: math.inf if math.isnan(each.g) else each.g)


def by_magnitude(stars: Sequence[StarSummary]) -> list[MagnitudeRow]:
    """By half magnitudes, where there are three stars or more that are good in most images."""
    most = max((each.points for each in stars), default=0)
    whole = [s for s in stars if s.points > 0.8 * most and math.isfinite(s.error)]
    rows = []
    for low, high in pairwise(x / 2 - 0.25 for x in range(0, 41)):
        near = [each for each in whole if low <= each.g < high]
        if len(near) >= 3:
            scatter, error = (
                median(values) for values in zip(*((e.scatter, e.error) for e in near), strict=True)
            )
            rows.append(MagnitudeRow((low + high) / 2, len(near), scatter, error))
    return rows
