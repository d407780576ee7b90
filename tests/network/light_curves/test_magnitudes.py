"""A star's magnitudes are by comparison with the others, not with itself."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from numpy.typing import NDArray

from panoptes.network.light_curves.magnitudes import light_curves
from panoptes.network.photometry.measurements import CHANNELS, Measurements

FRAMES, STARS, DEPTH = 40, 60, 0.01
DIMS = slice(14, 28)


def observation(dimming: int | None) -> Measurements:
    """Few stars, the bright ones much better measured, under air that changes; one may dim."""
    rng = np.random.default_rng(11)
    g = np.sort(rng.uniform(7, 11, STARS))
    x, y = rng.uniform(20, 1380, (2, STARS))
    hours = np.arange(FRAMES) / 30
    clouds = 0.05 * rng.normal(size=(FRAMES, 1)) + 0.02 * rng.normal(size=(FRAMES, 1)) * x / 1400
    relative = 10 ** (0.4 * (g - 9)) * 0.003
    noise = rng.normal(0, 1, (FRAMES, STARS)) * relative
    light = 10 ** (-0.4 * (g - 25 + clouds)) * (1 + noise)
    if dimming is not None:
        light[DIMS, dimming] *= 1 - DEPTH
    flux = np.repeat(light[:, :, None], len(CHANNELS), axis=2)
    began = datetime(2018, 2, 16, 8, tzinfo=UTC)
    nothing = np.zeros((FRAMES, 3))
    return Measurements(
        star_id=np.arange(STARS).astype(str),
        g=g,
        time=[began + timedelta(hours=float(each)) for each in hours],
        airmass=np.full(FRAMES, 1.2),
        x=x + 0.3 * np.sin(5 * hours)[:, None],
        y=y + 2 * hours[:, None],
        flux=flux,
        flux_error=flux * relative[:, None],
        flag=np.zeros((FRAMES, STARS), np.int32),
        aperture_flux=flux[:, :, :3],
        aperture_error=flux[:, :, :3],
        sky=nothing,
        pattern="RGGB",
    )


def depth(mag: NDArray[np.float64]) -> float:
    outside = np.delete(mag, DIMS)
    return float((mag[DIMS].mean() - outside.mean()) / (-2.5 * np.log10(1 - DEPTH)))


@pytest.mark.parametrize("star", [0, 1, 2, 20])
def test_a_bright_star_among_few_keeps_its_transit(star: int) -> None:
    plain, dimmed = (light_curves(observation(which)).mag[:, :, 3] for which in (None, star))
    kept = dimmed - plain
    assert depth(kept[:, star]) == pytest.approx(1.0, abs=0.06)
    others = [depth(kept[:, other]) for other in range(STARS) if other != star]
    assert np.abs(others).max() < 0.15
