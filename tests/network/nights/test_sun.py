"""Twilight, against astropy, from the tropics to the far north."""

from __future__ import annotations

from datetime import date, timedelta

import numpy as np
import pytest

from panoptes.network.documents import GeoPoint
from panoptes.network.nights.sun import ASTRONOMICAL, HORIZON, below, sun_altitude
from panoptes.network.nighttime import night_bounds

MAUNA_LOA = GeoPoint(19.54, -155.58)
HEIDELBERG = GeoPoint(49.4, 8.72)
SVALBARD = GeoPoint(78.2, 15.6)


@pytest.mark.parametrize("place", [MAUNA_LOA, HEIDELBERG, SVALBARD], ids=str)
def test_the_sun_stands_where_astropy_has_it(place: GeoPoint) -> None:
    from astropy import units as u
    from astropy.coordinates import AltAz, EarthLocation, get_sun
    from astropy.time import Time
    from astropy.utils import iers

    start, _ = night_bounds(date(2018, 1, 14), place.longitude)
    moments = [start + timedelta(hours=5.3 * i) for i in range(0, 1600, 37)]
    with iers.conf.set_temp("auto_download", False):
        times = Time(moments)
        where = EarthLocation(lat=place.latitude * u.deg, lon=place.longitude * u.deg)
        theirs = get_sun(times).transform_to(AltAz(obstime=times, location=where)).alt.deg
    ours = [sun_altitude(moment, place) for moment in moments]
    assert np.abs(np.array(ours) - theirs).max() < 0.015


@pytest.mark.parametrize("place", [MAUNA_LOA, HEIDELBERG], ids=str)
def test_a_night_is_dark_between_the_moments_at_which_the_sun_passes(place: GeoPoint) -> None:
    start, end = night_bounds(date(2026, 3, 20), place.longitude)
    dark = below(ASTRONOMICAL, place, start, end)
    assert dark is not None
    assert start < dark.start < dark.end < end
    for moment in (dark.start, dark.end):
        assert sun_altitude(moment, place) == pytest.approx(ASTRONOMICAL, abs=0.01)
    assert sun_altitude(dark.start + timedelta(hours=1), place) < ASTRONOMICAL


def test_far_north_the_sun_may_stay_up_or_down() -> None:
    summer = night_bounds(date(2026, 6, 21), SVALBARD.longitude)
    winter = night_bounds(date(2026, 12, 21), SVALBARD.longitude)
    assert below(HORIZON, SVALBARD, *summer) is None
    whole = below(HORIZON, SVALBARD, *winter)
    assert whole is not None
    assert (whole.start, whole.end) == winter
    assert below(ASTRONOMICAL, HEIDELBERG, *night_bounds(date(2026, 6, 21), 8.72)) is None
