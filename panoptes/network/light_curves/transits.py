"""Boxes in the light curves of one night: a star that was fainter for some hours.

A curve is fitted with a level, a slope and a box, of every length and at every place. The box's
depth is judged against the noise of points and the noise that stays the same for as long as a
transit (red noise; Pont, Zucker and Queloz 2006, MNRAS 373, 231), which is measured on the
brightenings and dimmings of all stars of like brightness. How often a box of that size comes by
chance is told by the same search for stars that became brighter, which no planet does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SHORTEST_HOURS, LONGEST_HOURS, LONGER = 0.5, 5.0, 1.3
"""Lengths of boxes that are tried, each `LONGER` than the one before."""
LONGEST_SHARE = 0.6
"""Of the night, that a box may take."""
LEAST_IN = 5
"""Points in and out of a box below which it says nothing."""
LEAST_KEPT = 0.25
"""Share of a box that level and slope may leave, below which they are the likelier explanation."""
LIKE_STARS = 100
"""Stars from which red noise is learnt."""
LEAST_SNR = 4.5
"""Below this, no box is a candidate."""
FALSE_ALARMS = 0.01
"""Share of stars that may show a box by chance."""


@dataclass(frozen=True, eq=False)
class NightBoxes:
    """The best box of each star: arrays of (stars,), NaN where there was too little to see."""

    hours: Floats
    """Of the box's middle, from the origin of the times given."""
    duration: Floats
    """Hours."""
    depth: Floats
    """Magnitudes, positive where the star was fainter."""
    error: Floats
    """Of the depth, red noise in it."""
    snr: Floats
    red_noise: Floats
    """Magnitudes: what a mean over the box scatters beyond its points' noise."""
    points: NDArray[np.int64]
    """Good points within the box."""
    outside: NDArray[np.int64]
    """Good points outside it."""
    flagged: Floats
    """Share of the points within the box that were not good."""
    brightening: Floats
    """Signal to noise of the star's best box that is brighter."""
    threshold: float
    """Signal to noise that a candidate has at least."""

    @property
    def candidates(self) -> NDArray[np.intp]:
        """The stars whose box is above the threshold, the surest first."""
        import numpy as np

        found = np.flatnonzero(np.nan_to_num(self.snr) >= self.threshold)
        return found[np.argsort(-self.snr[found])]


def search_night(
    hours: Floats, mag: Floats, error: Floats, flag: NDArray[np.integer], g: Floats
) -> NightBoxes:
    """The best box in each light curve of a night.

    `hours` (frames,) in order; `mag`, `error` in magnitudes and `flag` (0 = good) are
    (frames, stars); `g` (stars,) tells which stars are alike.
    """
    import numpy as np

    stars = mag.shape[1]
    good = (flag == 0) & np.isfinite(mag) & (error > 0)
    with np.errstate(invalid="ignore"):
        y, weight = _levelled(mag, error, good)
    best = {
        name: np.full(stars, np.nan)
        for name in ("hours", "duration", "depth", "error", "snr", "red_noise", "flagged")
    }
    points, outside = np.zeros(stars, dtype=np.int64), np.zeros(stars, dtype=np.int64)
    brightening = np.full(stars, np.nan)
    for length in box_lengths(hours):
        depth, white, counts, every, middles = _boxes(hours, y, weight, good, length)
        if not len(middles):
            continue
        red = _red_noise(depth, white, g)
        full = np.sqrt(white**2 + red**2)
        snr = depth / full
        top = np.argmax(np.where(np.isfinite(snr), snr, -np.inf), axis=0)
        at = (top, np.arange(stars))
        with np.errstate(invalid="ignore"):
            lowest = np.where(np.isfinite(snr), -snr, -np.inf).max(axis=0)
            better = np.isfinite(snr[at]) & ~(snr[at] <= best["snr"])
        brightening = np.where(np.isfinite(lowest), np.fmax(brightening, lowest), brightening)
        for name, value in (
            ("hours", middles[top]),
            ("duration", np.full(stars, length)),
            ("depth", depth[at]),
            ("error", full[at]),
            ("snr", snr[at]),
            ("red_noise", red),
            ("flagged", 1.0 - counts[at] / np.maximum(every[top], 1)),
        ):
            best[name] = np.where(better, value, best[name])
        points = np.where(better, counts[at], points)
        outside = np.where(better, good.sum(axis=0) - counts[at], outside)
    return NightBoxes(
        **best,
        points=points,
        outside=outside,
        brightening=brightening,
        threshold=_threshold(brightening),
    )


def box_lengths(hours: Floats) -> list[float]:
    """Hours of the boxes that are tried in a night."""
    lengths = [SHORTEST_HOURS]
    longest = min(LONGEST_HOURS, LONGEST_SHARE * float(hours.max() - hours.min()))
    while lengths[-1] * LONGER <= longest:
        lengths.append(lengths[-1] * LONGER)
    return lengths


def _levelled(mag: Floats, error: Floats, good: NDArray[np.bool_]) -> tuple[Floats, Floats]:
    """Magnitudes about their level, and weights that fit the scatter between neighbours."""
    import numpy as np

    y = np.where(good, mag, np.nan)
    filled = good.any(axis=0)
    level = np.zeros(mag.shape[1])
    level[filled] = np.nanmedian(y[:, filled], axis=0)
    y = y - level
    ratio = np.full(mag.shape[1], np.nan)
    steps = np.abs(np.diff(y, axis=0)) / np.hypot(error[1:], error[:-1])
    seen = np.isfinite(steps).any(axis=0)
    ratio[seen] = 1.4826 * np.nanmedian(steps[:, seen], axis=0)
    scale = np.maximum(1.0, np.nan_to_num(ratio, nan=1.0))
    spread = np.where(good, error, 1.0) * scale
    # A single wild point is no box.
    clipped = np.clip(np.nan_to_num(y), -6 * spread, 6 * spread)
    return np.where(good, clipped, 0.0), np.where(good, spread**-2.0, 0.0)


def _boxes(
    hours: Floats, y: Floats, weight: Floats, good: NDArray[np.bool_], length: float
) -> tuple[Floats, Floats, NDArray[np.int64], NDArray[np.int64], Floats]:
    """Depth, its white noise and good points of each box (boxes, stars); all points, middles."""
    import numpy as np

    cadence = float(np.median(np.diff(hours))) if len(hours) > 1 else length
    first = np.arange(len(hours))
    last = np.searchsorted(hours, hours + length - cadence / 2, side="left")
    useful = (last - first >= LEAST_IN) & (hours + length <= hours[-1] + length / 2)
    first, last = first[useful], last[useful]
    t = (hours - hours.mean())[:, None]

    def summed(values: Floats) -> Floats:
        return np.concatenate([np.zeros((1, values.shape[1])), np.cumsum(values, axis=0)])

    def within(values: Floats) -> Floats:
        sums = summed(values)
        return np.asarray(sums[last] - sums[first])

    s0, s1, s2 = (np.sum(weight * t**n, axis=0) for n in range(3))
    f0, f1 = np.sum(weight * y, axis=0), np.sum(weight * t * y, axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        determinant = s0 * s2 - s1**2
        offset, slope = (s2 * f0 - s1 * f1) / determinant, (s0 * f1 - s1 * f0) / determinant
        rest = weight * (y - offset - slope * t)
        b0, b1 = within(weight), within(weight * t)
        taken = (s2 * b0**2 - 2 * s1 * b0 * b1 + s0 * b1**2) / determinant
        left = b0 - taken
        depth, white = within(rest) / left, 1.0 / np.sqrt(left)
        # What a level alone would leave of this box.
        counts = within(good.astype(np.float64)).round().astype(np.int64)
        few = (counts < LEAST_IN) | (good.sum(axis=0) - counts < LEAST_IN)
        few |= left < LEAST_KEPT * b0 * (1.0 - b0 / s0)
        depth = np.where(few, np.nan, depth)
    middles = (hours[first] + hours[np.minimum(last, len(hours)) - 1]) / 2
    return depth, white, counts, last - first, middles


def _red_noise(depth: Floats, white: Floats, g: Floats) -> Floats:
    """Scatter of depths beyond that of points, among the stars of like brightness: (stars,)."""
    import numpy as np

    red = np.zeros(len(g))
    order = np.argsort(g, kind="stable")
    for stars in np.array_split(order, max(1, round(len(order) / LIKE_STARS))):
        part, noise = depth[:, stars], white[:, stars]
        seen = np.isfinite(part)
        if not seen.any():
            continue
        scatter = 1.4826 * np.median(np.abs(part[seen] / noise[seen]))
        typical = np.median(noise[seen])
        red[stars] = typical * np.sqrt(max(0.0, scatter**2 - 1.0))
        # A star that is noisier than its like, as a variable one is, has its own.
        with np.errstate(invalid="ignore"):
            share = np.isfinite(part).sum(axis=0) > 10
            if share.any():
                own = 1.4826 * np.nanmedian(np.abs(part[:, share]), axis=0)
                own = np.sqrt(np.maximum(own**2 - np.nanmedian(noise[:, share], axis=0) ** 2, 0))
                # Half of it: a transit raises the scatter of its own star's depths.
                red[stars[share]] = np.maximum(red[stars[share]], 0.5 * own)
    return red


def _threshold(brightening: Floats) -> float:
    """What hardly a star reaches by becoming brighter, and at least `LEAST_SNR`."""
    import numpy as np

    found = brightening[np.isfinite(brightening)]
    if len(found) < 2 / FALSE_ALARMS:
        return LEAST_SNR
    return max(LEAST_SNR, float(np.quantile(found, 1.0 - FALSE_ALARMS / 2)))
