"""All stars of an observation measured in all of its frames.

Frames are read one at a time: three to see which pixel has which colour, some to learn each star's
mean light by colour and where it stands beside its place in the catalogue, then all of them.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from panoptes.network.linear_algebra import in_one_thread
from panoptes.network.photometry.apertures import aperture_sums
from panoptes.network.photometry.bayer import bayer_pattern
from panoptes.network.photometry.forced import COLOURS, Fitted, FrameFit, Known
from panoptes.network.photometry.measurements import CHANNELS, UNMASKED, Frame, Measurements

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from panoptes.network.stars.catalog import Stars

    Floats = NDArray[np.float64]

_LEARNING_FRAMES = 14
_USUAL_LIGHT = (0.54, 1.0, 0.73)
"""R, G and B of a usual star."""
_USUAL_STEP = 0.03
"""Pixels that a star stands beside its catalogue's place on a frame."""


@in_one_thread
def measure(frames: Sequence[Callable[[], Frame]], stars: Stars) -> Measurements:
    """Measure `stars` in frames, each of which is read by a call, up to three times.

    Raises `ValueError` where there is no frame or no star.
    """
    import numpy as np

    if not frames or not len(stars):
        raise ValueError("There is nothing to measure: no solved frame or no star.")
    pattern = _pattern(frames)
    known = _learn(frames, stars, pattern)
    fits: list[Fitted] = []
    sums = []
    times, airmass = [], []
    for read in frames:
        frame = read()
        x, y = frame.wcs.to_pixels(stars.ra, stars.dec)
        fit = FrameFit(frame.pixels, pattern, x, y, known)
        fits.append(fit.run())
        sums.append(aperture_sums(fit))
        times.append(frame.time)
        airmass.append(frame.airmass)
    light = np.stack([fit.light for fit in fits])
    # The light of all colours is told as the mean of their pixels.
    shares = np.array([pattern.count(colour) / 4 for colour in COLOURS])
    light = np.concatenate([light, (light @ shares)[:, :, None]], axis=2)
    colours, channels = list(range(3)), list(range(4))
    if pattern == UNMASKED:
        colours, channels = [COLOURS.index("G")], [3]
    aperture, aperture_error = (np.stack(each)[:, :, colours] for each in zip(*sums, strict=True))
    return Measurements(
        star_id=stars.star_id,
        g=stars.g,
        time=times,
        airmass=np.array(airmass),
        x=np.stack([fit.x for fit in fits]),
        y=np.stack([fit.y for fit in fits]),
        flux=(np.stack([fit.factor for fit in fits]) * light)[:, :, channels],
        flux_error=(np.stack([fit.error for fit in fits]) * light)[:, :, channels],
        flag=np.stack([fit.flag for fit in fits]),
        aperture_flux=aperture,
        aperture_error=aperture_error,
        sky=np.stack([fit.sky for fit in fits])[:, colours],
        pattern=pattern,
        channels=tuple(CHANNELS[each] for each in channels),
    )


def _pattern(frames: Sequence[Callable[[], Frame]]) -> str:
    """What most of up to three frames say."""
    some = [frames[i]() for i in sorted({0, len(frames) // 2, len(frames) - 1})]
    found = (bayer_pattern(each.pixels) if each.has_mask else UNMASKED for each in some)
    return Counter(found).most_common(1)[0][0]


def _learn(frames: Sequence[Callable[[], Frame]], stars: Stars, pattern: str) -> Known:
    """Mean light by colour and standing offsets, from some frames spread over the night."""
    import numpy as np

    g = stars.g
    count = len(g)
    usual = 10 ** (-0.4 * (g - 10))[:, None] * np.array(_USUAL_LIGHT)
    known = Known(usual, np.zeros((count, 2)), np.zeros(count), slack=0.15)
    sums, weights = np.zeros((count, 3)), np.zeros((count, 3))
    steps, step_weights = np.zeros((count, 2)), np.zeros((count, 2))
    picked = np.unique(np.linspace(0, len(frames) - 1, _LEARNING_FRAMES).round().astype(int))
    # Neighbours in time see a star at like places of a pixel: those far apart come first.
    order = np.random.default_rng(0).permutation(picked)
    for done, index in enumerate(order):
        frame = frames[index]()
        x, y = frame.wcs.to_pixels(stars.ra, stars.dec)
        fit = FrameFit(frame.pixels, pattern, x, y, known)
        fitted = fit.run()
        good = (fitted.flag == 0)[:, None] & np.isfinite(fitted.factor[:, :3])
        if done == 2:
            # The first were fitted with the light of usual stars.
            sums /= 8
            weights /= 8
        relative = known.light * fitted.factor[:, :3]
        error = known.light * np.hypot(fitted.error[:, :3], 0.02 + known.slack / 2)
        weight = np.where(good, 1 / error**2, 0)
        sums += np.where(good, relative * weight, 0)
        weights += weight
        aside, aside_error = fitted.aside[:, :2], fitted.aside[:, 2:]
        moved = known.moved + np.clip(aside, -0.3, 0.3)
        weight = np.where(good[:, :1] & np.isfinite(aside), 1 / (aside_error**2 + 0.02**2), 0)
        steps += np.where(weight > 0, moved * weight, 0)
        step_weights += weight
        if done == 0:
            # One frame alone tells light and steps only roughly; two are waited for.
            continue
        prior = 1 / (0.3 * usual) ** 2
        light = (sums + usual * prior) / (weights + prior)
        light = np.clip(light, 0.1 * usual, 10 * usual)
        blue = np.log(light[:, 2] / light[:, 0])
        bright = np.argsort(g)[:500]
        middle = np.median(blue[bright])
        colour = np.clip((blue - middle) / 0.4, -3, 3)
        known = Known(
            light=light,
            moved=steps / (step_weights + 1 / _USUAL_STEP**2),
            colour=colour,
            slack=0.05 if done < 4 else 0.0,
        )
    return known
