"""Light curves of simulated frames, as the network makes them: solved by their own stars."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from panoptes.network.light_curves.detrending import External, detrend
from panoptes.network.light_curves.magnitudes import LightCurves, light_curves
from panoptes.network.photometry.measure import measure
from panoptes.network.photometry.measurements import Frame, Measurements
from panoptes.network.plate_solving.detection import find_stars
from panoptes.network.plate_solving.solving import solve
from panoptes.network.plate_solving.wcs import Wcs
from panoptes.network.simulator.observed_sky import ObservedSky
from panoptes.network.stars.catalog import Stars

Floats = NDArray[np.float64]


@dataclass(eq=False)
class Observed:
    """The stars of an `ObservedSky`, brighter than `faintest`, measured."""

    sky: ObservedSky
    faintest: float = 11.5
    simulating: float = 0.0
    """CPU seconds that simulating the frames took."""
    _wcs: dict[int, Wcs] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.stars: Stars = self.sky.stars.to(self.faintest)
        reads = [lambda i=i: self.read(i) for i in range(self.sky.frames)]
        self.measured: Measurements = measure(reads, self.stars)
        self.curves: LightCurves = light_curves(self.measured)
        self.days = np.array([each.timestamp() for each in self.measured.time]) / 86400

    def read(self, index: int) -> Frame:
        """Exposed again, with its own solution."""
        began = time.process_time()
        frame = self.sky.expose(index)
        self.simulating += time.process_time() - began
        if index not in self._wcs:
            found = find_stars(frame.pixels)
            hints = [each.crval for each in self._wcs.values()][-1:]
            hints.append((self.sky.target.ra, self.sky.target.dec))
            self._wcs[index] = solve(found.stars, found.shape, frame.middle, hints=hints).wcs
        wcs = self._wcs[index]
        return Frame(frame.pixels, wcs, frame.middle, self.sky.exposure, frame.airmass)

    def without_trends(self) -> dict[str, Floats]:
        """Magnitudes (frames, stars) of all colours together, by the column's name."""
        found, curves = self.measured, self.curves
        hours = (self.days - self.days[0]) * 24
        external = External(hours, found.airmass, found.x, found.y, found.sky.mean(axis=1))
        made = detrend(curves.mag, curves.error, curves.flag, external, self.stars.g)
        columns = {
            "mag": curves.mag,
            "mag_protected": made.mag_protected,
            "mag_epd": made.mag_epd,
        }
        return {name: values[:, :, 3] for name, values in columns.items()}
