"""Nights as the search looks at them."""

from __future__ import annotations

import numpy as np

from panoptes.network.transits.series import BIN_DAYS, nights_of


def test_a_last_bin_of_outliers_alone_is_left_out() -> None:
    bins = (np.arange(20)[:, None] + [0.2, 0.6]).reshape(-1)
    bins[0] = 0
    time = 2461000.0 + bins * BIN_DAYS
    mag = np.full(40, 9.0)
    mag[-1] = 9.5  # of two points in the last bin: neither says what the star is like
    (night,) = nights_of(time, mag, np.full(40, 0.005))
    assert len(night.time) == 19
    assert np.abs(night.mag).max() < 0.01
