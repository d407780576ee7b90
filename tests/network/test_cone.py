from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from panoptes.network.documents import healpix_of
from panoptes.network.search import MAX_RANGES, Cone
from panoptes.network.stars.separation import separation

RA = st.floats(0, 360) | st.sampled_from([0.0, 359.999, 180.0])
DEC = st.floats(-90, 90) | st.sampled_from([90.0, -90.0, 89.99, 0.0])
RADIUS = st.floats(0, 5) | st.floats(0, 180)


def offset(cone: Cone, distance: float, angle: float) -> tuple[float, float]:
    """The place at a distance (degrees) and position angle (radians) from a cone's centre."""
    dec, away = math.radians(cone.dec), math.radians(distance)
    sine = math.sin(dec) * math.cos(away) + math.cos(dec) * math.sin(away) * math.cos(angle)
    y = math.sin(angle) * math.sin(away) * math.cos(dec)
    x = math.cos(away) - math.sin(dec) * sine
    north = math.degrees(math.asin(max(-1.0, min(1.0, sine))))
    return (cone.ra + math.degrees(math.atan2(y, x))) % 360, north


@given(RA, DEC, RADIUS, st.floats(0, 1), st.floats(0, 2 * math.pi))
def test_every_place_in_a_cone_is_in_its_cells(
    ra: float, dec: float, radius: float, share: float, angle: float
) -> None:
    cone = Cone(ra, dec, radius)
    place = offset(cone, radius * share, angle)
    cell = healpix_of(*place)
    ranges = cone.cells()
    assert not cone.holds(*place) or any(low <= cell < high for low, high in ranges)
    assert len(ranges) <= MAX_RANGES


@given(RA, DEC, RA, DEC)
def test_distances_are_those_of_the_sphere(a: float, b: float, c: float, d: float) -> None:
    from astropy.coordinates import angular_separation

    wanted = math.degrees(angular_separation(*map(math.radians, (a, b, c, d))))
    assert separation(a, b, c, d) == pytest.approx(wanted, abs=1e-9)
    assert separation(a, b, c, d) == pytest.approx(separation(c, d, a, b), abs=1e-9)


def test_a_small_cone_costs_few_cells() -> None:
    cells = sum(high - low for low, high in Cone(83.8, -5.4, 2).cells())
    assert cells < 60


@pytest.mark.parametrize("radius", [5.0, 89.0, 120.0, 134.0, 150.0, 179.0])
def test_no_place_within_a_circle_lies_outside_its_cells(radius: float) -> None:
    """Also on the far side of the sky, where hpgeom's own cells have a hole."""
    places = np.random.default_rng(7)
    ra = places.uniform(0, 360, 4000)
    dec = np.degrees(np.arcsin(places.uniform(-1, 1, 4000)))
    for centre in ((90.0, 0.0), (0.0, 90.0), (359.9, -41.8)):
        cone = Cone(*centre, radius)
        ranges = cone.cells()
        for east, north in zip(ra, dec, strict=True):
            if cone.holds(float(east), float(north)):
                cell = healpix_of(float(east), float(north))
                assert any(low <= cell < high for low, high in ranges), (centre, east, north)
