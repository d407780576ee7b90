"""Scatter of light curves over their formal noise, on simulated nights under the Bayer mask.

``python -m benchmarks.science.scatter 1 2 3 4 5`` runs these seeds. Places are those of the
frames' own solutions.
"""

from __future__ import annotations

import json
import sys
import time

import numpy as np
from numpy.typing import NDArray

from benchmarks.science.observed import Observed
from panoptes.network.simulator.headers import TARGETS
from panoptes.network.simulator.observed_sky import CELL, ObservedSky, TrueFrame
from panoptes.network.simulator.sensor import BIAS, READ_VARIANCE, SATURATION, VARIANCE_PER_ADU
from panoptes.network.simulator.starlight import stamps

Floats = NDArray[np.float64]

SEEDS = (1, 2, 3, 4, 5)
MAGNITUDES = (8.0, 8.5, 9.0, 9.5, 10.0, 11.0)
_SKY = np.array([89.0, 178.0, 128.0])
_LOOKED_AT = 8
"""Every so many frames, the formal noise is worked out."""


def formal_noise(frame: TrueFrame, kept: NDArray[np.bool_]) -> Floats:
    """Magnitudes (stars,): the least that photons, sky and reading allow on pixels that are
    not clipped, with shape, places, colours and neighbours known."""
    x, y, flux = frame.x[kept], frame.y[kept], frame.flux[kept]
    axis = np.hypot(x - frame.optics.centre[0], y - frame.optics.centre[1])
    left, low, light = stamps(x, y, frame.shape, half=10, axis_distance=axis)
    side = np.arange(light.shape[1])
    at_x, at_y = left[:, None] + side, low[:, None] + side
    colour = np.array(CELL)[at_y[:, :, None] & 1, at_x[:, None, :] & 1]
    star = light * np.take_along_axis(flux, colour.reshape(len(x), -1), 1).reshape(light.shape)
    level = star + _SKY[colour]
    used = level + BIAS < SATURATION
    told = (used * star**2 / (READ_VARIANCE + VARIANCE_PER_ADU * level)).sum((1, 2))
    return np.asarray(1.0857 / np.sqrt(told))


def run(seed: int, frames: int = 60, faintest: float = 11.5) -> dict[str, object]:
    """Figures of one seed: by magnitude the stars, scatter and formal noise in mmag, their
    ratio and the reported error over the scatter; and CPU seconds a frame, with those that
    simulating it takes taken off."""
    sky = ObservedSky(seed=seed, frames=frames, target=TARGETS[seed % len(TARGETS)])
    kept = sky.stars.g < faintest
    looked_at = [sky.expose(index) for index in range(0, frames, _LOOKED_AT)]
    noise = np.median([formal_noise(frame, kept) for frame in looked_at], axis=0)
    began = time.process_time()
    made = Observed(sky, faintest)
    seconds = time.process_time() - began - made.simulating
    mag, scatter = made.curves.mag[:, :, 3], made.curves.scatter[:, 3]
    whole = np.isfinite(mag).mean(axis=0) > 0.8
    table = {}
    for g in MAGNITUDES:
        near = whole & (np.abs(made.stars.g - g) < 0.25)
        error = np.nanmedian(made.curves.error[:, near, 3], axis=0)
        table[g] = {
            "stars": int(near.sum()),
            "scatter": round(1000 * float(np.median(scatter[near])), 1),
            "formal": round(1000 * float(np.median(noise[near])), 1),
            "ratio": round(float(np.median(scatter[near] / noise[near])), 2),
            "error": round(float(np.median(error / scatter[near])), 2),
        }
    seen = int((made.measured.flag != 1).any(0).sum())
    return {"seed": seed, "stars": seen, "cpu": round(seconds / frames, 3), "magnitudes": table}


if __name__ == "__main__":
    for argument in sys.argv[1:] or map(str, SEEDS):
        sys.stdout.write(json.dumps(run(int(argument))) + "\n")
        sys.stdout.flush()
