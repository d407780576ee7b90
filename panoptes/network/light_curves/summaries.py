"""Every star of an observation in one line, read from its Parquet file a row group at a time."""

from __future__ import annotations

import math
from dataclasses import dataclass

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
            median = float(np.median(mag[good]))
            found.append(
                StarSummary(
                    star_id=str(ids[start]),
                    ra=float(numbers["ra"][start]),
                    dec=float(numbers["dec"][start]),
                    g=float(numbers["g"][start]),
                    points=int(good.sum()),
                    median=median,
                    scatter=1.4826 * float(np.median(np.abs(mag[good] - median))),
                    error=float(np.median(numbers["error"][start:end][good])),
                )
            )
    return sorted(found, key=lambda each: math.inf if math.isnan(each.g) else each.g)
