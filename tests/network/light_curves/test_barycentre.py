"""Barycentric times, against astropy's."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest

from panoptes.network.light_curves.barycentre import Place, bjd_tdb

MAUNA_LOA = Place(19.536, -155.576, 3397.0)
TIMES = [
    datetime(2018, 2, 16, 11, 24, 30, 250_000, UTC) + timedelta(days=97.3 * n) for n in range(20)
]
RA = np.array([10.0, 83.6, 271.1, 300.2, 0.0])
DEC = np.array([-60.0, 22.0, 66.5, -24.0, 90.0])


@pytest.mark.parametrize("place", [MAUNA_LOA, None])
def test_it_is_astropys_time_to_a_few_milliseconds(place: Place | None) -> None:
    from astropy import units as u
    from astropy.coordinates import EarthLocation, SkyCoord
    from astropy.time import Time
    from astropy.utils import iers

    with (
        iers.conf.set_temp("auto_download", False),
        iers.conf.set_temp("iers_degraded_accuracy", "ignore"),
    ):
        where = (
            EarthLocation.from_geocentric(0, 0, 0, unit=u.m)
            if place is None
            else EarthLocation.from_geodetic(place.longitude, place.latitude, place.elevation)
        )
        moments = Time(TIMES, location=where)
        stars = SkyCoord(RA, DEC, unit="deg")
        later = moments[:, None].light_travel_time(stars[None, :], ephemeris="builtin")
        expected = (moments.tdb[:, None] + later).jd
    seconds = (bjd_tdb(TIMES, RA, DEC, place) - expected) * 86400
    assert np.abs(seconds).max() < 0.005


def test_a_time_in_another_zone_is_the_same_moment() -> None:
    from zoneinfo import ZoneInfo

    there = [each.astimezone(ZoneInfo("Pacific/Honolulu")) for each in TIMES]
    assert np.array_equal(bjd_tdb(there, RA, DEC), bjd_tdb(TIMES, RA, DEC))


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="without a zone"):
        bjd_tdb([datetime(2018, 2, 16)], RA, DEC)
