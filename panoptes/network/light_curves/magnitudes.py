"""Light curves out of measurements: what frames have in common is fitted and taken away.

A frame changes all stars: by its zero point and clouds (a plane and a square over the frame),
by the air's extinction that depends on a star's colour, by brightness. A place inside the pixel
changes them in all frames alike. Each star's own curve is what is left, about its mean.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from panoptes.network.linear_algebra import in_one_thread
from panoptes.network.photometry.measurements import CHANNELS, UNMEASURED

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from panoptes.network.photometry.measurements import Measurements

    Floats = NDArray[np.float64]

BAD_FIT = 8
"""Flag: too few stars in the frame to compare with."""
_ROUNDS = 4
_WAVES = ((1, 0), (0, 1), (1, 1), (1, -1), (2, 0), (0, 2))
"""Of a star's place in x and y within the cell of the mask: half turns a pixel."""
_AT_ONCE = 256
"""Stars."""
_FAINT = 11.5
"""Stars that frames are compared by are brighter than this G, where there are enough."""
_CLIPPED = 9.0
"""Stars brighter than this G have clipped pixels."""
_MOST_OF_ITSELF = 0.9
"""Of what is fitted at a star's place: beyond it there is nothing left to compare it with."""
_LEAST_CLIPPED = 80
"""Of them, for terms of their own: with fewer, one star's transit would be taken for a cloud."""


@dataclass(frozen=True, eq=False)
class LightCurves:
    """Arrays (frames, stars, channels); NaN where there is none."""

    channels: tuple[str, ...]
    mag: Floats
    error: Floats
    flag: NDArray[np.int32]
    """0 is good; else flags of `panoptes.network.photometry.measurements` and `BAD_FIT`."""
    scatter: Floats
    """(stars, channels): 1.4826 times the median absolute deviation, magnitudes."""


@in_one_thread
def light_curves(measurements: Measurements) -> LightCurves:
    """Magnitudes of all stars in the channels measured, on the scale of the catalogue's G."""
    import numpy as np

    flux, noise = measurements.flux, measurements.flux_error
    with np.errstate(invalid="ignore", divide="ignore"):
        raw = -2.5 * np.log10(flux)
        raw_error = 2.5 / math.log(10) * noise / flux
    good = (measurements.flag == 0)[:, :, None] & np.isfinite(raw) & np.isfinite(raw_error)
    good &= raw_error < 1
    raw = np.where(good, raw, np.nan)
    colour = _colour(raw) if measurements.channels == CHANNELS else np.zeros(raw.shape[1])
    mags, errors, flags, scatters = [], [], [], []
    for channel in range(len(measurements.channels)):
        mag, bad = _ensemble(measurements, raw[:, :, channel], raw_error[:, :, channel], colour)
        error = _true_errors(mag, raw_error[:, :, channel])
        usable = np.isfinite(mag)
        why = np.where(measurements.flag == 0, UNMEASURED, measurements.flag)
        flag = np.where(usable, 0, why)
        flag = flag | np.where(bad, BAD_FIT, 0)[:, None]
        mags.append(mag)
        errors.append(np.where(usable, error, np.nan))
        flags.append(flag.astype(np.int32))
        scatters.append(_scatter(mag))
    return LightCurves(
        channels=measurements.channels,
        mag=np.stack(mags, axis=2),
        error=np.stack(errors, axis=2),
        flag=np.stack(flags, axis=2),
        scatter=np.stack(scatters, axis=1),
    )


def median_over_frames(values: Floats) -> Floats:
    """Over frames, NaN where a star has none."""
    import warnings

    import numpy as np

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmedian(values, axis=0))


def _scatter(mag: Floats) -> Floats:
    import numpy as np

    return 1.4826 * median_over_frames(np.abs(mag - median_over_frames(mag)))


def _colour(raw: Floats) -> Floats:
    """(stars,): R minus B in units of the usual spread, 0 where unknown."""
    import numpy as np

    difference = median_over_frames(raw[:, :, 0] - raw[:, :, 2])
    if not np.isfinite(difference).any():
        return np.zeros(len(difference))
    middle = np.nanmedian(difference)
    return np.clip(np.nan_to_num((difference - middle) / 0.4), -2.5, 2.5)


def _ensemble(
    measurements: Measurements, raw: Floats, error: Floats, colour: Floats
) -> tuple[Floats, NDArray[np.bool_]]:
    """Magnitudes of one channel, and which frames could not be compared."""
    import numpy as np

    frames, stars = raw.shape
    g = measurements.g
    x, y = measurements.x, measurements.y
    span = max(float(np.nanmax(x)), float(np.nanmax(y)), 1.0)
    at_x, at_y = 2 * x / span - 1, 2 * y / span - 1
    bright = np.clip((g - 10) / 2, -2, 2)
    ones = np.ones_like(raw)
    # The largest array by far: in single precision.
    phase = np.empty((frames, stars, 4 * len(_WAVES)), np.float32)
    for number, (i, j) in enumerate(_WAVES):
        angle = np.pi * (i * x + j * y)
        for place, wave in enumerate((np.sin(angle), np.cos(angle))):
            phase[:, :, 2 * number + place] = wave
            phase[:, :, 2 * (len(_WAVES) + number) + place] = wave * colour

    have = np.isfinite(raw)
    often = have.sum(0) >= 0.5 * frames
    chosen = often & (g < _FAINT)
    if chosen.sum() < 30:
        chosen = often
    # A cloud changes which pixels of a bright star are clipped, and so by how much it dims.
    clipped = np.clip((_CLIPPED - g) / 2, 0, 1.5)
    if (chosen & (clipped > 0)).sum() < _LEAST_CLIPPED:
        clipped = np.zeros(stars)
    own = np.stack(
        [
            ones,
            at_x,
            at_y,
            at_x * at_y,
            at_x**2,
            at_y**2,
            colour * ones,
            bright * ones,
            clipped * ones,
            clipped * at_x,
            clipped * at_y,
        ],
        axis=2,
    )
    noise = np.where(have, np.hypot(np.nan_to_num(error, nan=1.0), 0.004), 1.0)
    weight = np.where(have & chosen, 1 / noise**2, 0.0)
    filled = np.where(have, raw, 0.0)
    zero = (
        np.median(np.where(chosen, median_over_frames(raw) - g, np.nan)[chosen])
        if chosen.any()
        else 0.0
    )
    mean = median_over_frames(raw)
    of_frame = np.zeros_like(raw)
    of_phase = np.zeros_like(raw)
    spread = np.full(stars, 0.01)
    size = np.full(own.shape[2], 1.0)
    bad = (weight > 0).sum(1) < 12
    for turn in range(_ROUNDS):
        target = np.where(have, filled - np.nan_to_num(mean) - of_phase, 0.0)
        away = np.abs(target - of_frame)
        steady = 1 / (1 + (away / (3 * np.hypot(noise, spread))) ** 2) if turn else 1.0
        used = weight * steady
        normal = np.einsum("fsi,fs,fsj->fij", own, used, own, optimize=True)
        right = np.einsum("fsi,fs->fi", own, used * target, optimize=True)
        normal = normal + np.diag(1 / size + 1e-9)
        inverse = np.linalg.inv(normal)
        found = np.einsum("fij,fj->fi", inverse, right)
        # How much frames differ in a term is learnt from all, so that noise is not taken for it.
        size[1:] = np.maximum((found**2 + np.einsum("fii->fi", inverse)).mean(0)[1:], 1e-12)
        of_frame = np.einsum("fsi,fi->fs", own, found)
        # Each star is compared with the others: what it says of its frame itself is taken out,
        # exactly as if the frame had been fitted without it, or a part of its transit would go.
        share = used * np.einsum("fsi,fij,fsj->fs", own, inverse, own, optimize=True)
        share = np.clip(share, 0, _MOST_OF_ITSELF)
        of_frame = (of_frame - share * target) / (1 - share)
        mean = median_over_frames(np.where(have, filled - of_frame - of_phase, np.nan))
        left = np.where(have, filled - of_frame - np.nan_to_num(mean), 0.0)
        # A phase's mean over a star's own curve is in its mean already.
        total = np.maximum(weight.sum(0), 1e-12)
        centre = np.einsum("fs,fsi->si", weight, phase) / total[:, None]
        used = weight / (1 + (np.abs(left - of_phase) / (3 * np.hypot(noise, spread))) ** 2)
        normal = np.zeros((phase.shape[2], phase.shape[2]))
        right = np.zeros(phase.shape[2])
        for first in range(0, stars, _AT_ONCE):
            some = slice(first, first + _AT_ONCE)
            flat = (phase[:, some] - centre[some]).reshape(-1, phase.shape[2])
            normal += flat.T @ (flat * used[:, some].reshape(-1, 1))
            right += flat.T @ (left * used)[:, some].ravel()
        normal += np.eye(len(normal)) * (1e-6 * np.trace(normal) + 1e-9)
        waves = np.linalg.solve(normal, right)
        of_phase = phase @ waves.astype(np.float32) - centre @ waves
        mean = median_over_frames(np.where(have, filled - of_frame - of_phase, np.nan))
        curve = np.where(have, filled - of_frame - of_phase - mean, np.nan)
        spread = np.nan_to_num(_scatter(curve), nan=0.05)
        excess = np.maximum(spread**2 - median_over_frames(np.where(have, error, np.nan)) ** 2, 0)
        weight = np.where(have & chosen, 1 / (noise**2 + np.nan_to_num(excess)), 0.0)
    mag = np.where(have & ~bad[:, None], filled - of_frame - of_phase - zero, np.nan)
    return mag, bad


def _true_errors(mag: Floats, error: Floats) -> Floats:
    """Errors scaled to the scatter that stars of like brightness show, and with a floor."""
    import numpy as np

    have = np.isfinite(mag)
    formal = median_over_frames(np.where(have, error, np.nan))
    seen = _scatter(mag)
    enough = (have.sum(0) >= max(5, 0.5 * len(mag))) & (formal < 0.2)
    if enough.sum() < 20:
        return np.hypot(error, 0.003)
    order = np.argsort(formal[enough])
    formal, seen = formal[enough][order], seen[enough][order]
    edges = np.linspace(0, len(order), min(16, len(order) // 10) + 1).astype(int)
    x = np.array([np.median(formal[a:b]) for a, b in pairwise(edges)])
    ratio = np.array([np.median(seen[a:b] / formal[a:b]) for a, b in pairwise(edges)])
    return np.asarray(error * np.interp(error, x, ratio))
