"""Transits that return, among nights of which each has a level and noise of its own."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from panoptes.network.transits.candidate import Candidate
from panoptes.network.transits.season import search_season
from panoptes.network.transits.series import nights_of

Floats = NDArray[np.float64]
PERIOD = 3.31


def searched(dimming: Floats, *, seed: int = 1, times: Floats | None = None) -> Candidate | None:
    """Of a star with these magnitudes more, at the times of `_times` or others."""
    rng = np.random.default_rng(seed)
    times = _times() if times is None else times
    nights = int(times[-1]) + 1
    night = np.floor(times).astype(int)
    mag = dimming + 0.006 * rng.standard_normal(len(times)) + rng.normal(0, 0.01, nights)[night]
    # Red noise: 1.5 mmag, over an hour or two.
    mag += 0.002 * np.sin(2 * np.pi * (times * 24 / 2.7 + rng.uniform(0, 1, nights)[night]))
    return search_season(nights_of(times, mag, np.full(len(times), 0.006)))


def _times(nights: int = 24) -> Floats:
    return np.concatenate([n + np.arange(120) * 0.0025 for n in range(nights)])


def box(times: Floats, period: float, depth: float, epoch: float = 0.14) -> Floats:
    away = np.abs((times - epoch + period / 2) % period - period / 2) * 24
    return np.asarray(depth * np.clip((1.4 - away) / 0.3, 0, 1))


def test_a_planet_is_found_with_its_depth_and_no_sign_of_a_pair_of_stars() -> None:
    found = searched(box(_times(), PERIOD, 0.012))
    assert found is not None
    assert found.period is not None
    fitting = (found.period, *found.alternatives)
    assert any(each == pytest.approx(PERIOD, rel=0.005) for each in fitting)
    assert found.depth == pytest.approx(0.012, abs=0.002)
    assert found.depth_error < 0.002
    assert found.snr > 8
    assert found.shape is not None
    assert found.shape.ingress_share < 0.4


def test_every_other_eclipse_that_is_deeper_is_told() -> None:
    times = _times()
    pair = 6.62
    found = searched(box(times, pair, 0.03) + box(times, pair, 0.012, epoch=0.14 + pair / 2))
    assert found is not None
    told = max(abs(found.odd_even_sigma), found.secondary.depth / found.secondary.error)
    assert told > 4


def test_one_transit_alone_and_noise_are_no_candidate() -> None:
    times = _times()
    assert searched(np.where(np.abs(times - 7.15) < 0.06, 0.03, 0.0)) is None
    assert [searched(np.zeros(len(times)), seed=seed) for seed in range(5)] == [None] * 5


def test_dips_of_which_some_fall_on_a_period_are_no_candidate() -> None:
    times = np.concatenate([n + np.linspace(0, 0.4, 120) for n in range(30)])
    night, hour = np.floor(times).astype(int), (times % 1) * 24
    # In every other night the star fades for a while, whenever it likes.
    begun = np.where(np.arange(30) % 2, 99.0, np.random.default_rng(1).uniform(0, 8.9, 30))
    fading = (hour > begun[night]) & (hour < begun[night] + 0.7)
    assert searched(np.where(fading, 0.03, 0.0), times=times) is None
