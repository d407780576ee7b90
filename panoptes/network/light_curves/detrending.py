"""Light curves without what follows from outside the star, in two forms.

`mag_epd` takes away all that external parameters explain (EPD; Bakos et al. 2010, ApJ 710, 1724):
airmass, sky, the star's width, its place on the frame and within the cell of the Bayer mask. It
is the smoothest curve, and takes part of a transit with it.

`mag_protected` fits the same trends together with anything of the form of a transit: the leading
shapes of all boxes that fit into the night. Only the trends are taken away, so that what a box
could explain as well stays.

How large a star's trends may be is learnt from the stars of like brightness, so that a faint
star's noise is not taken for a trend (a ridge whose strengths are the population's variances).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from panoptes.network.linear_algebra import in_one_thread

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

BOX_SHARES = (0.15, 0.22, 0.32, 0.45, 0.6)
"""Lengths of the boxes that are protected, as shares of the night, up to `LONGEST_HOURS`."""
LONGEST_HOURS = 5.0
BOX_STEPS = 8
"""Places of a box within its own length."""
BOX_SHAPES = 14
"""Leading shapes of all boxes; the rest of them is sharper than any trend."""
BOX_DEPTH = 0.1
"""Prior of a transit's depth in magnitudes: larger than any trend's."""
FIRST_TREND = 0.0015
"""Magnitudes that each trend is taken to have at first. It is learnt from above only slowly: noise
would be taken for trends, and what is noise in them added to the curves."""
LIKE_STARS = 150
"""Stars from which the size of trends is learnt."""
ROUNDS = 4
OUTLIER = 5.0
"""Standard deviations beyond which a point counts less."""
LEAST_POINTS = 12
"""Good points below which a curve is left as it is."""


@dataclass(frozen=True, eq=False)
class External:
    """What is known of each exposure besides the stars' light."""

    hours: Floats
    """(frames,) of the middles, from any origin."""
    airmass: Floats
    """(frames,), as `sky`; NaN where it is not known."""
    x: Floats
    """(frames, stars) pixels in array order, as `y`."""
    y: Floats
    sky: Floats


@dataclass(frozen=True, eq=False)
class Detrended:
    """Magnitudes of the same shape as those given; NaN where there were none."""

    mag_epd: Floats
    mag_protected: Floats


@in_one_thread
def detrend(
    mag: Floats, error: Floats, flag: NDArray[np.integer], external: External, g: Floats
) -> Detrended:
    """Both forms of the light curves of one night.

    `mag`, `error` (magnitudes) and `flag` (0 = good) are (frames, stars, channels), `g` the
    stars' catalogue magnitudes. A curve's level is kept. Flagged points do not count, but what
    is taken from their neighbours is taken from them, too.
    """
    import numpy as np

    epd, protected = mag.astype(np.float64), mag.astype(np.float64)
    boxes = box_shapes(external.hours)
    order = np.argsort(g, kind="stable")
    for stars in np.array_split(order, max(1, round(len(order) / LIKE_STARS))):
        design = _trends(external, stars)
        for channel in range(mag.shape[2]):
            values, errors = mag[:, stars, channel], error[:, stars, channel]
            good = (flag[:, stars, channel] == 0) & np.isfinite(values) & (errors > 0)
            for result, shapes in ((epd, boxes[:, :0]), (protected, boxes)):
                result[:, stars, channel] -= _trend(values, errors, good, design, shapes)
    return Detrended(epd, protected)


def box_shapes(hours: Floats) -> Floats:
    """The leading shapes of all boxes of a night, each with its standard deviation: (frames, n).

    Principal components of boxes of `BOX_SHARES` at every place, in units of a box's depth.
    """
    import numpy as np

    boxes = []
    begin, end = float(hours.min()), float(hours.max())
    for share in BOX_SHARES:
        length = min(share * (end - begin), LONGEST_HOURS)
        for start in np.arange(begin - length / 2, end - length / 2, max(length, 1e-6) / BOX_STEPS):
            boxes.append((hours >= start) & (hours < start + length))
    if not boxes:
        return np.zeros((len(hours), 0))
    every = np.array(boxes, dtype=np.float64)
    every -= every.mean(axis=1, keepdims=True)
    _, sizes, shapes = np.linalg.svd(every, full_matrices=False)
    kept = min(BOX_SHAPES, len(hours) // 3)
    return np.asarray((shapes[:kept] * sizes[:kept, None] / np.sqrt(len(every))).T)


def _trends(external: External, stars: NDArray[np.intp]) -> Floats:
    """What trends are sums of, each with mean 0 and a spread of 1: (frames, stars, terms)."""
    import numpy as np

    x, y = external.x[:, stars], external.y[:, stars]
    of_frames = (external.airmass, external.sky)
    terms = [x, y, *(np.repeat(each[:, None], len(stars), axis=1) for each in of_frames)]
    # The mask repeats itself after two pixels.
    for place in (x, y):
        for waves in (np.pi, 2 * np.pi):
            terms += [np.sin(waves * place), np.cos(waves * place)]
    for one in (np.sin, np.cos):
        for other in (np.sin, np.cos):
            terms.append(one(np.pi * x) * other(np.pi * y))
    design = np.stack(terms, axis=-1)
    known = np.isfinite(design)
    count = np.maximum(known.sum(axis=0), 1)
    design = np.where(known, design, 0.0)
    design = np.where(known, design - design.sum(axis=0) / count, 0.0)
    spread = np.sqrt((design**2).sum(axis=0) / count)
    return np.asarray(design / np.where(spread > 1e-6, spread, np.inf))


def _trend(
    values: Floats, errors: Floats, good: NDArray[np.bool_], design: Floats, shapes: Floats
) -> Floats:
    """The trends of stars of like brightness, without their mean: (frames, stars)."""
    import numpy as np

    frames, stars, terms = design.shape
    columns = np.concatenate(
        [
            np.ones((frames, stars, 1)),
            design,
            np.repeat(shapes[:, None, :], stars, axis=1),
        ],
        axis=2,
    ).transpose(1, 0, 2)
    prior = np.full(columns.shape[2], np.inf)
    prior[1 : 1 + terms] = FIRST_TREND**2
    prior[1 + terms :] = BOX_DEPTH**2
    enough = good.sum(axis=0) >= LEAST_POINTS
    level = np.nanmedian(np.where(good, values, np.nan)[:, enough], axis=0) if enough.any() else 0.0
    y = np.zeros((stars, frames))
    y[enough] = np.where(good[:, enough], values[:, enough] - level, 0.0).T
    base = np.where(good, 1.0 / np.where(good, errors, 1.0) ** 2, 0.0).T
    scale, weight = np.ones(stars), base
    coefficients = np.zeros((stars, len(prior)))
    for _ in range(ROUNDS):
        weighted = columns * weight[:, :, None]
        normal = weighted.transpose(0, 2, 1) @ columns
        normal[:, np.arange(len(prior)), np.arange(len(prior))] += 1.0 / prior + 1e-9
        spread = np.linalg.inv(normal)
        coefficients = (spread @ (weighted.transpose(0, 2, 1) @ y[:, :, None]))[:, :, 0]
        rest = y - (columns @ coefficients[:, :, None])[:, :, 0]
        # True scatter over the formal one, so that noise is not fitted as trends.
        counted = np.where(base > 0, np.abs(rest) * np.sqrt(base), np.nan)
        scale[enough] = np.maximum(1.0, 1.4826 * np.nanmedian(counted[enough], axis=1))
        sigma = counted / scale[:, None]
        robust = np.minimum(1.0, OUTLIER / np.maximum(np.nan_to_num(sigma), 1e-9))
        weight = base / scale[:, None] ** 2 * robust
        if enough.any():
            trend = slice(1, 1 + terms)
            own = coefficients[enough, trend] ** 2
            own += np.diagonal(spread, axis1=1, axis2=2)[enough, trend]
            most = 9.0 * np.median(own, axis=0)
            prior[trend] = np.maximum(np.minimum(own, most).mean(axis=0), 1e-10)
    coefficients[~enough] = 0.0
    found = np.einsum("sfk,sk->fs", columns[:, :, 1 : 1 + terms], coefficients[:, 1 : 1 + terms])
    middle = np.where(good, found, 0.0).sum(axis=0) / np.maximum(good.sum(axis=0), 1)
    return np.asarray(found - middle)
