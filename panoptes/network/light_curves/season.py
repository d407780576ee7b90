"""Transits that return: one star's nights together, searched with box least squares.

1. What follows the star's place on the sensor and the airmass in the same way in all nights is
   taken away, by night about its mean: thousands of points fix a dozen terms, so that a transit
   loses next to nothing.
2. Box least squares (Kovacs, Zucker and Mazeh 2002; astropy's) over the periods.
3. The best periods are judged anew: each night's level is taken from the points outside the
   transits, and depths from one transit to the next tell of red noise (Pont, Zucker and Queloz
   2006, MNRAS 373, 231).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

PERIODS = (0.9, 8.0)
"""Days."""
DURATIONS = (0.06, 0.09, 0.13, 0.18)
"""Days."""
BIN_DAYS = 10 / 1440
LEAST_NIGHT = 12
"""Good points of a night that counts."""
GAP_DAYS = 0.25
"""Without a point: then another night begins."""
PEAKS = 6
"""Periods of the spectrum that are judged."""
LEAST_SNR = 7.0
LEAST_SDE = 5.0
LEAST_TRANSITS = 2
LEAST_WITHOUT_DEEPEST = 3.5
"""Signal to noise that is left without the transit that tells most."""
MOST_APART = 12.0
"""Chi square over transits, by which depths may differ and be of one planet."""
NEAR_ARCMIN = 6.0
TOGETHER_SNR = 4.0
DAY_ALIAS = 0.004
"""Relative distance of a period from half and whole days."""


@dataclass(frozen=True, eq=False)
class SeasonCurve:
    """One star over many nights, points in the order of time."""

    star_id: str
    ra: float
    """Degrees, as `dec`."""
    dec: float
    g: float
    time: Floats
    """(points,) BJD_TDB in days."""
    mag: Floats
    """The protected form, where there is one."""
    error: Floats
    flag: NDArray[np.integer]
    x: Floats
    y: Floats
    airmass: Floats


@dataclass(frozen=True)
class Candidate:
    """What may be a planet, and what a person needs to judge it. Depths are in magnitudes."""

    star_id: str
    ra: float
    dec: float
    g: float
    period: float
    """Days."""
    epoch: float
    """BJD_TDB of a transit's middle."""
    duration: float
    """Hours."""
    depth: float
    depth_error: float
    """Red noise in it."""
    snr: float
    """Depth over its error."""
    sde: float
    """Signal detection efficiency: the peak over the spectrum, in standard deviations."""
    transits: int
    """That were observed."""
    points_in_transit: int
    transit_depths: tuple[float, ...]
    odd_depth: float | None
    odd_error: float | None
    even_depth: float | None
    even_error: float | None
    secondary_depth: float | None
    """Half a period later."""
    secondary_error: float | None
    red_noise: float
    """Magnitudes, of a mean over one transit."""
    white_noise: float
    """Magnitudes, of one point."""
    flagged: float
    """Share of the points within transits that are not good."""
    day_alias: bool
    """Whether the period is a whole number of half days, at which nights look alike."""
    neighbours: tuple[str, ...] = ()
    """Stars within some minutes of arc that dim at the same times."""


@dataclass(frozen=True, eq=False)
class _Cleaned:
    """Good points, without nightly levels and trends."""

    time: Floats
    mag: Floats
    weight: Floats
    night: NDArray[np.intp]
    nights: int
    bad_times: Floats


@dataclass(frozen=True, eq=False)
class _Judged:
    epoch: float
    depths: Floats
    variances: Floats
    numbers: NDArray[np.intp]
    """Which transit, from the epoch on."""
    points: int
    red: float
    white: float

    @property
    def depth(self) -> float:
        return float((self.depths / self.variances).sum() / (1 / self.variances).sum())

    @property
    def error(self) -> float:
        return float((1 / self.variances).sum() ** -0.5)

    @property
    def snr(self) -> float:
        return self.depth / self.error

    def of(self, chosen: NDArray[np.bool_]) -> _Judged | None:
        if not chosen.any():
            return None
        return replace(
            self,
            depths=self.depths[chosen],
            variances=self.variances[chosen],
            numbers=self.numbers[chosen],
        )


def search_season(curves: Sequence[SeasonCurve]) -> list[Candidate]:
    """The candidates among stars, the surest first, each with the neighbours that dim with it."""
    cleaned = [_clean(curve) for curve in curves]
    found = []
    for curve, clean in zip(curves, cleaned, strict=True):
        candidate = None if clean is None else _search(curve, clean)
        if candidate is not None:
            found.append(replace(candidate, neighbours=_together(candidate, curves, cleaned)))
    return sorted(found, key=lambda each: -each.snr)


def search_star(curve: SeasonCurve) -> Candidate | None:
    """The candidate that a star's season holds, if any; its neighbours are not looked at."""
    clean = _clean(curve)
    return None if clean is None else _search(curve, clean)


def _clean(curve: SeasonCurve) -> _Cleaned | None:
    import numpy as np

    good = (curve.flag == 0) & np.isfinite(curve.mag) & (curve.error > 0)
    night_of = np.concatenate([[0], np.cumsum(np.diff(curve.time) > GAP_DAYS)]).astype(np.intp)
    counts = np.bincount(night_of[good], minlength=night_of[-1] + 1 if len(night_of) else 1)
    good &= counts[night_of] >= LEAST_NIGHT
    if not good.any():
        return None
    _, night = np.unique(night_of[good], return_inverse=True)
    nights = int(night.max()) + 1
    if nights < LEAST_TRANSITS:
        return None
    time, y = curve.time[good], curve.mag[good]
    base = curve.error[good] ** -2.0
    design = _season_trends(curve.x[good], curve.y[good], curve.airmass[good])

    def about(values: Floats, weight: Floats) -> Floats:
        total = np.bincount(night, weight, minlength=nights)
        means = np.stack(
            [np.bincount(night, weight * v, minlength=nights) / total for v in values.T], axis=-1
        )
        return np.asarray(values - means[night])

    # The level is the median of a night, so that its transit hardly moves it.
    levels = np.array([np.median(y[night == n]) for n in range(nights)])
    y = y - levels[night]
    weight, scale = base, 1.0
    for _ in range(3):
        columns = about(design, weight)
        normal = columns.T @ (columns * weight[:, None])
        normal[np.diag_indices_from(normal)] += 1e-6 * np.trace(normal) + 1e-9
        trend = columns @ np.linalg.solve(normal, columns.T @ (weight * y))
        rest = y - trend
        rest = rest - np.array([np.median(rest[night == n]) for n in range(nights)])[night]
        scale = max(1.0, 1.4826 * float(np.median(np.abs(rest) * np.sqrt(base))))
        sigma = np.abs(rest) * np.sqrt(base) / scale
        weight = base / scale**2 * np.minimum(1.0, 4.0 / np.maximum(sigma, 1e-9))
    spread = scale / np.sqrt(base)
    clean = np.clip(rest, -6 * spread - 0.05, 6 * spread + 0.05)
    return _Cleaned(time, clean, spread**-2.0, night, nights, curve.time[~good])


def _season_trends(x: Floats, y: Floats, airmass: Floats) -> Floats:
    """(points, terms): the airmass, and the place within the cell of the mask."""
    import numpy as np

    terms = [airmass]
    for waves in (np.pi, 2 * np.pi):
        for place in (x, y):
            terms += [np.sin(waves * place), np.cos(waves * place)]
    for one in (np.sin, np.cos):
        for other in (np.sin, np.cos):
            terms.append(one(np.pi * x) * other(np.pi * y))
    design = np.nan_to_num(np.stack(terms, axis=-1))
    spread = design.std(axis=0)
    return np.asarray((design - design.mean(axis=0)) / np.where(spread > 1e-6, spread, np.inf))


def _search(curve: SeasonCurve, clean: _Cleaned) -> Candidate | None:
    import numpy as np

    best: tuple[_Judged, float, float, float] | None = None
    for period, epoch, duration, sde in _peaks(clean):
        tuned = _tuned(clean, period, epoch, duration)
        if tuned is None:
            continue
        judged, period, duration = tuned
        if sde >= LEAST_SDE and _holds(judged) and (best is None or judged.snr > best[0].snr):
            best = judged, period, duration, sde
    if best is None:
        return None
    judged, period, duration, sde = best
    odd, even = (judged.of(judged.numbers % 2 == n) for n in (1, 0))
    later = _judge(clean, period, judged.epoch + period / 2, duration)
    away = np.abs((clean.bad_times - judged.epoch + period / 2) % period - period / 2)
    bad = int((away < duration / 2).sum())
    halves = 2 * period
    return Candidate(
        star_id=curve.star_id,
        ra=curve.ra,
        dec=curve.dec,
        g=curve.g,
        period=period,
        epoch=judged.epoch,
        duration=24 * duration,
        depth=judged.depth,
        depth_error=judged.error,
        snr=judged.snr,
        sde=sde,
        transits=len(judged.depths),
        points_in_transit=judged.points,
        transit_depths=tuple(round(float(each), 6) for each in judged.depths),
        odd_depth=odd.depth if odd else None,
        odd_error=odd.error if odd else None,
        even_depth=even.depth if even else None,
        even_error=even.error if even else None,
        secondary_depth=later.depth if later else None,
        secondary_error=later.error if later else None,
        red_noise=judged.red,
        white_noise=judged.white,
        flagged=bad / max(bad + judged.points, 1),
        day_alias=abs(halves - round(halves)) < DAY_ALIAS * halves,
    )


def _holds(judged: _Judged) -> bool:
    """Whether there are enough transits, all alike, that none of them makes alone."""
    import numpy as np

    if len(judged.depths) < LEAST_TRANSITS or judged.snr < LEAST_SNR:
        return False
    others = np.arange(len(judged.depths)) != np.argmax(judged.depths / judged.variances)
    rest = judged.of(others)
    apart = ((judged.depths - judged.depth) ** 2 / judged.variances).sum()
    return (
        rest is not None
        and rest.snr >= LEAST_WITHOUT_DEEPEST
        and bool(apart < MOST_APART + 2 * len(judged.depths))
    )


def _peaks(clean: _Cleaned) -> list[tuple[float, float, float, float]]:
    """Period, epoch and duration in days and SDE of the spectrum's peaks, the highest first."""
    import numpy as np
    from astropy.timeseries import BoxLeastSquares

    cells = np.floor(clean.time / BIN_DAYS).astype(np.int64)
    _, cell = np.unique(cells, return_inverse=True)
    total = np.bincount(cell, clean.weight)
    time, mag = (np.bincount(cell, clean.weight * v) / total for v in (clean.time, clean.mag))
    span = float(time[-1] - time[0])
    longest = min(PERIODS[1], span / (LEAST_TRANSITS - 0.5))
    if longest <= PERIODS[0]:
        return []
    step = DURATIONS[1] / 3 / span
    periods = np.exp(np.arange(math.log(PERIODS[0]), math.log(longest), step))
    # Of a box in the light: a star that dims has a larger magnitude.
    model = BoxLeastSquares(time - time[0], -mag, total**-0.5)
    spectrum = model.power(periods, DURATIONS, objective="snr", method="fast", oversample=4)
    power = np.nan_to_num(np.asarray(spectrum.power, dtype=np.float64), neginf=0.0)
    width = max(1, len(power) // 20)
    parts = np.array_split(power, max(1, len(power) // width))
    middles = np.array([part.size for part in parts]).cumsum() - width / 2
    level = np.interp(np.arange(len(power)), middles, [np.median(part) for part in parts])
    raised = power - level
    spread = max(1.4826 * float(np.median(np.abs(raised - np.median(raised)))), 1e-12)
    found: list[tuple[float, float, float, float]] = []
    for top in np.argsort(-raised):
        period = float(periods[top])
        if any(abs(period / each[0] - 1) < 0.01 for each in found):
            continue
        epoch = float(spectrum.transit_time[top]) + float(time[0])
        found.append((period, epoch, float(spectrum.duration[top]), float(raised[top] / spread)))
        if len(found) == PEAKS:
            break
    return found


def _tuned(
    clean: _Cleaned, period: float, epoch: float, duration: float
) -> tuple[_Judged, float, float] | None:
    """The best of the periods, epochs and durations close by."""
    import numpy as np

    span = float(clean.time[-1] - clean.time[0])
    # Counted from the middle of the season, so that period and epoch are independent.
    epoch += round((float(clean.time.mean()) - epoch) / period) * period
    best: tuple[_Judged, float, float] | None = None
    change = 1.5 * DURATIONS[1] / 3 / span
    for shrink in (1.0, 0.35):
        for factor in 1 + shrink * change * np.linspace(-1, 1, 5):
            for shift in shrink * duration * np.linspace(-0.4, 0.4, 5):
                judged = _judge(clean, period * factor, epoch + shift, duration)
                if judged is not None and (best is None or judged.snr > best[0].snr):
                    best = judged, period * float(factor), duration
        if best is None:
            return None
        judged, period, _ = best
        epoch = judged.epoch
    assert best is not None  # the loop ends there otherwise
    for length in (0.7 * duration, 0.85 * duration, 1.2 * duration, 1.4 * duration):
        other = _judge(clean, period, epoch, length)
        if other is not None and other.snr > best[0].snr:
            best = other, period, length
    return best


def _judge(clean: _Cleaned, period: float, epoch: float, duration: float) -> _Judged | None:
    """Each transit's depth against its night's level outside; None where there are none."""
    import numpy as np

    number = np.round((clean.time - epoch) / period)
    away = np.abs(clean.time - epoch - number * period)
    inside = away < duration / 2
    if not inside.any():
        return None

    def summed(of: NDArray[np.bool_], values: Floats) -> Floats:
        return np.bincount(clean.night[of], values[of], clean.nights).astype(np.float64)

    weighted = clean.weight * clean.mag
    w_in, w_out = summed(inside, clean.weight), summed(~inside, clean.weight)
    n_in = np.bincount(clean.night[inside], minlength=clean.nights)
    n_out = np.bincount(clean.night[~inside], minlength=clean.nights)
    with np.errstate(invalid="ignore", divide="ignore"):
        level = np.where(n_out >= LEAST_NIGHT // 2, summed(~inside, weighted) / w_out, 0.0)
        depth = summed(inside, weighted) / w_in - level
    white = 1.4826 * float(np.median(np.abs(np.diff(clean.mag)))) / math.sqrt(2)
    cadence = float(np.median(np.diff(clean.time)))
    full = max(LEAST_NIGHT // 2, 0.4 * duration / max(cadence, 1e-6))
    seen = (n_in >= full) & (n_out >= np.maximum(LEAST_NIGHT // 2, 0.5 * n_in))
    if not seen.any():
        return None
    # Means as long as a transit, outside: what they scatter beyond their points' noise.
    piece = (
        clean.night * 1000 + np.floor((clean.time - clean.time[0]) / duration).astype(int) % 1000
    )
    _, cell = np.unique(piece[~inside], return_inverse=True)
    many = np.bincount(cell)
    w = np.bincount(cell, clean.weight[~inside])
    rest = clean.mag[~inside] - level[clean.night[~inside]]
    means = np.bincount(cell, clean.weight[~inside] * rest) / w
    usable = many >= full
    red2 = 0.0
    if usable.sum() >= 5:
        scatter = 1.4826 * float(np.median(np.abs(means[usable] - np.median(means[usable]))))
        red2 = max(0.0, scatter**2 - float(np.median(1 / w[usable])))
    variances = 1 / w_in[seen] + 1 / w_out[seen] + red2
    inside_seen = inside & seen[clean.night]
    numbers = np.zeros(clean.nights, dtype=np.intp)
    numbers[clean.night[inside]] = number[inside].astype(np.intp)
    return _Judged(
        epoch=epoch,
        depths=depth[seen],
        variances=variances,
        numbers=numbers[seen],
        points=int(inside_seen.sum()),
        red=math.sqrt(red2),
        white=white,
    )


def _together(
    candidate: Candidate, curves: Sequence[SeasonCurve], cleaned: Sequence[_Cleaned | None]
) -> tuple[str, ...]:
    """Stars close by that dim when the candidate does."""
    found = []
    across = math.cos(math.radians(candidate.dec))
    for curve, clean in zip(curves, cleaned, strict=True):
        east = ((curve.ra - candidate.ra + 180) % 360 - 180) * across
        apart = 60 * math.hypot(east, curve.dec - candidate.dec)
        if clean is None or curve.star_id == candidate.star_id or apart > NEAR_ARCMIN:
            continue
        judged = _judge(clean, candidate.period, candidate.epoch, candidate.duration / 24)
        if judged is not None and judged.snr >= TOGETHER_SNR:
            found.append(curve.star_id)
    return tuple(found)
