"""Scatter of light curves over their formal noise, on simulated nights under the Bayer mask.

``python -m benchmarks.science.scatter 1 2 3 4 5`` runs these seeds. Places are the truth with a
smooth error of some hundredths of a pixel a frame, and 0.02 pixels a star.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from panoptes.network.light_curves.magnitudes import light_curves
from panoptes.network.photometry.measure import measure
from panoptes.network.photometry.measurements import Frame
from panoptes.network.simulator.headers import TARGETS
from panoptes.network.simulator.observed_sky import CELL, ObservedSky, TrueFrame
from panoptes.network.simulator.sensor import BIAS, READ_VARIANCE, SATURATION, VARIANCE_PER_ADU
from panoptes.network.simulator.starlight import stamps

Floats = NDArray[np.float64]

_SKY = np.array([89.0, 178.0, 128.0])
_PLACE_ERROR = 0.02


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


@dataclass(eq=False)
class _Places:
    x: Floats
    y: Floats

    def to_pixels(self, ra: Floats, dec: Floats) -> tuple[Floats, Floats]:
        return self.x, self.y


@dataclass(eq=False)
class _Stars:
    star_id: NDArray[np.str_]
    ra: Floats
    dec: Floats
    g: Floats


@dataclass(eq=False)
class _Simulated:
    """Frames read on demand, with the CPU seconds that simulating them took."""

    sky: ObservedSky
    kept: NDArray[np.bool_]
    seconds: float = 0.0
    noise: dict[int, Floats] = field(default_factory=dict)

    def read(self, index: int) -> Frame:
        began = time.process_time()
        frame = self.sky.expose(index)
        self.noise[index] = formal_noise(frame, self.kept)
        x, y = frame.x[self.kept], frame.y[self.kept]
        u, v = x / 700 - 1, y / 700 - 1
        each = np.random.default_rng([self.sky.seed, 99]).normal(0, _PLACE_ERROR, (2, len(x)))
        smooth = np.stack([u * 0 + 1, u, v, u * v, u * u, v * v, u**3])
        size = np.array([0.04, 0.03, 0.03, 0.02, 0.02, 0.02, 0.01])
        bends = np.random.default_rng([self.sky.seed, index, 77]).normal(0, size, (2, 7))
        places = _Places(x + bends[0] @ smooth + each[0], y + bends[1] @ smooth + each[1])
        self.seconds += time.process_time() - began
        return Frame(frame.pixels, places, frame.middle, self.sky.exposure, frame.airmass)


def run(seed: int, frames: int = 60, faintest: float = 11.5) -> dict[str, object]:
    """Figures of one seed: by magnitude the stars, scatter and formal noise in mmag, their
    ratio and the reported error over the scatter; and CPU seconds a frame."""
    sky = ObservedSky(seed=seed, frames=frames, target=TARGETS[seed % len(TARGETS)])
    kept = sky.stars.g < faintest
    listed = sky.stars[kept]
    simulated = _Simulated(sky, kept)
    stars = _Stars(listed.star_id.astype(str), listed.ra, listed.dec, listed.g)
    began = time.process_time()
    found = measure([lambda i=i: simulated.read(i) for i in range(frames)], stars)  # type: ignore[misc]
    photometry = time.process_time() - began - simulated.seconds
    curves = light_curves(found)
    noise = np.median([simulated.noise[i] for i in range(frames)], axis=0)
    mag, scatter = curves.mag[:, :, 3], curves.scatter[:, 3]
    whole = np.isfinite(mag).mean(0) > 0.8
    table = {}
    for g in (8.0, 8.5, 9.0, 9.5, 10.0, 11.0):
        near = whole & (np.abs(listed.g - g) < 0.25)
        error = np.nanmedian(curves.error[:, near, 3], axis=0)
        table[g] = {
            "stars": int(near.sum()),
            "scatter": round(1000 * float(np.median(scatter[near])), 1),
            "formal": round(1000 * float(np.median(noise[near])), 1),
            "ratio": round(float(np.median(scatter[near] / noise[near])), 2),
            "error": round(float(np.median(error / scatter[near])), 2),
        }
    seen = int((found.flag != 1).any(0).sum())
    cpu = round(photometry / frames, 3)
    return {"seed": seed, "stars": seen, "cpu": cpu, "magnitudes": table}


if __name__ == "__main__":
    for argument in sys.argv[1:] or ["1", "2", "3", "4", "5"]:
        sys.stdout.write(json.dumps(run(int(argument))) + "\n")
        sys.stdout.flush()
