"""Trends are taken away; a transit stays in the form that protects it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from panoptes.network.light_curves.detrending import External, detrend

FRAMES, STARS = 90, 160
HOURS = np.arange(FRAMES) * 128 / 3600
DEPTH = 0.010
IN_TRANSIT = np.abs(HOURS - 1.5) < 0.5
Floats = NDArray[np.float64]


def night(*, noise: float = 0.004) -> tuple[Floats, Floats, External, Floats]:
    """Stars that drift over the mask and through the air, every eighth with a transit."""
    rng = np.random.default_rng(7)
    x = rng.uniform(20, 1380, STARS) + 4 * HOURS[:, None] + 0.4 * np.sin(HOURS * 9)[:, None]
    y = rng.uniform(20, 1380, STARS) - 2 * HOURS[:, None]
    airmass = 1.1 + 0.2 * (HOURS / 3) ** 2
    own = rng.normal(0, 1, (3, STARS))
    trends = 0.004 * own[0] * (airmass[:, None] - 1.2) / 0.06
    trends = trends + 0.004 * own[1] * np.sin(np.pi * x) + 0.003 * own[2] * np.cos(np.pi * y)
    mag = 9.0 + trends + rng.normal(0, noise, (FRAMES, STARS))
    mag[:, ::8] += DEPTH * IN_TRANSIT[:, None]
    external = External(HOURS, airmass, x, y, np.full(FRAMES, np.nan))
    return mag[:, :, None], np.full((FRAMES, STARS, 1), noise), external, np.full(STARS, 9.0)


def depths(mag: Floats) -> Floats:
    with_one = mag[:, ::8, 0]
    return np.asarray(with_one[IN_TRANSIT].mean(axis=0) - with_one[~IN_TRANSIT].mean(axis=0))


def test_the_protected_form_keeps_a_transit_and_takes_trends() -> None:
    mag, error, external, g = night()
    found = detrend(mag, error, np.zeros(mag.shape, np.int32), external, g)
    constant = np.arange(STARS) % 8 > 0
    before, epd, protected = (
        np.median(each[:, constant, 0].std(axis=0))
        for each in (mag, found.mag_epd, found.mag_protected)
    )
    assert epd < protected < 0.85 * before
    kept = depths(found.mag_protected).mean() / DEPTH
    assert kept == pytest.approx(1.0, abs=0.08)
    assert depths(found.mag_epd).mean() / DEPTH < kept


def test_what_is_not_known_of_a_frame_or_a_point_changes_no_other() -> None:
    mag, error, external, g = night()
    flag = np.zeros(mag.shape, np.int32)
    mag[3, 5], flag[3, 5] = np.nan, 4
    mag[:, 9] = np.nan
    mag[7, 11], flag[7, 11] = 2.0, 2
    found = detrend(mag, error, flag, external, g)
    for each in (found.mag_epd, found.mag_protected):
        assert np.array_equal(np.isnan(each), np.isnan(mag))
        moved = np.delete(each - mag, 9, axis=1)
        assert np.abs(np.nanmedian(moved, axis=0)).max() < 0.005, "levels stay"
        assert np.abs(np.delete(each[:, 11, 0], 7) - 9.0).max() < 0.05
