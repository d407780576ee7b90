"""Simulated frames as photometry takes them, at the true places but for small errors."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from panoptes.network.photometry.measurements import Frame
from panoptes.network.simulator.observed_sky import ObservedSky

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Catalogued:
    star_id: NDArray[np.str_]
    ra: Floats
    dec: Floats
    g: Floats

    @classmethod
    def of(cls, sky: ObservedSky, faintest: float) -> Catalogued:
        stars = sky.stars[sky.stars.g < faintest]
        return cls(stars.star_id.astype(str), stars.ra, stars.dec, stars.g)


@dataclass(frozen=True)
class AlmostTrue:
    """A smooth error of some hundredths of a pixel over the frame."""

    sky: ObservedSky
    index: int

    def to_pixels(self, ra: Floats, dec: Floats) -> tuple[Floats, Floats]:
        x, y = self.sky.optics(self.index).to_pixels(ra, dec)
        rng = np.random.default_rng([self.sky.seed, self.index])
        a, b = rng.normal(0, 0.03, (2, 4))
        u, v = x / 1000 - 0.5, y / 1000 - 0.5
        return x + a @ [u * 0 + 1, u, v, u * u], y + b @ [u * 0 + 1, u, v, v * v]


def readers(sky: ObservedSky) -> list[Callable[[], Frame]]:
    def reader(index: int) -> Callable[[], Frame]:
        def read() -> Frame:
            frame = sky.expose(index)
            wcs = AlmostTrue(sky, index)
            return Frame(frame.pixels, wcs, frame.middle, sky.exposure, frame.airmass)

        return read

    return [reader(index) for index in range(sky.frames)]
