"""Regions of the sky and outlines of images, against a fine grid of places."""

from __future__ import annotations

import random

import numpy as np
import pytest

from panoptes.network.image_access.regions import (
    BadRegion,
    Circle,
    Outline,
    Polygon,
    Range,
    Region,
    around,
    to_place,
    to_vector,
)
from panoptes.network.stars.separation import separation


def inside_of(outline: Outline) -> list[tuple[float, float]]:
    """Places all over an outline of four corners, its sides included."""
    a, b, c, d = (np.array(each) for each in outline.vectors)
    places = []
    for s in np.linspace(0, 1, 30):
        for t in np.linspace(0, 1, 30):
            x, y, z = (1 - t) * ((1 - s) * a + s * b) + t * ((1 - s) * d + s * c)
            places.append(to_place((float(x), float(y), float(z))))
    return places


def frame(ra: float, dec: float) -> Outline:
    return Outline(around(ra, dec, 8.0).corners[::2])


def holds(region: Region, ra: float, dec: float) -> bool:
    match region:
        case Circle():
            return separation(region.ra, region.dec, ra, dec) <= region.radius
        case Range():
            return region.west <= ra <= region.east and region.south <= dec <= region.north
    assert isinstance(region, Polygon)
    return region._holds(to_vector(ra, dec))


CENTRES = [(83.8, -5.4), (0.5, 40.0), (120.0, 88.0), (300.0, -89.9), (359.0, 0.0)]


@pytest.mark.parametrize(("ra", "dec"), CENTRES)
def test_what_meets_an_image_is_what_shares_a_place_with_it(ra: float, dec: float) -> None:
    chance = random.Random(17)
    image = frame(ra, dec)
    places = inside_of(image)
    met = 0
    for _ in range(150):
        east, north = (ra + chance.uniform(-25, 25)) % 360, dec + chance.uniform(-20, 20)
        north = max(-89.0, min(89.0, north))
        size = chance.uniform(0.3, 12)
        west, south = max(0.0, east - size), max(-90.0, north - size)
        regions: list[Region] = [
            Circle(east, north, size),
            Range(west, min(360.0, east + size), south, min(90.0, north + size)),
            Polygon(tuple(around(east, north, size).corners[n] for n in (0, 3, 6))),
        ]
        for region in regions:
            shared = any(holds(region, *each) for each in places)
            if isinstance(region, Range):  # narrow near a pole
                shared = shared or image.holds(to_vector(region.west, region.south))
            # A grid of places overlooks a corner that just touches.
            assert region.meets(image) or not shared, region
            if region.meets(image) and not shared:
                assert not region.meets(shrunk(image)), region
            met += shared
            near = separation(region.cone.ra, region.cone.dec, *to_place(image.middle))
            assert not shared or near <= region.cone.radius + image.radius
    assert met > 50


def shrunk(image: Outline) -> Outline:
    """The same, by as much as the grid of places may overlook."""
    middle = np.array(image.middle)
    corners = [0.9 * np.array(each) + 0.1 * middle for each in image.vectors]
    return Outline(tuple(to_place((float(x), float(y), float(z))) for x, y, z in corners))


def test_a_thin_band_around_the_sky_and_one_around_a_pole_are_met() -> None:
    assert Range(0, 360, 0.0, 0.001).meets(frame(200.0, 1.0))
    assert not Range(0, 360, 20.0, 20.001).meets(frame(200.0, 1.0))
    assert Range(0, 360, 89.99, 90).meets(frame(10.0, 88.0))
    assert Range(0, 360, -90, 90).meets(frame(10.0, 88.0))


def test_a_polygon_may_be_bent_inwards() -> None:
    hook = Polygon(((10, 0), (30, 0), (30, 20), (28, 20), (28, 2), (10, 2)))
    small = Outline(around(19.0, 10.0, 2.0).corners)
    assert not hook.meets(small)
    assert hook.meets(Outline(around(29.0, 10.0, 0.5).corners))


@pytest.mark.parametrize(
    "make",
    [
        lambda: Circle(361, 0, 1),
        lambda: Circle(0, 91, 1),
        lambda: Circle(0, 0, -1),
        lambda: Range(20, 10, 0, 1),
        lambda: Polygon(((0, 0), (1, 1))),
        lambda: Polygon(((0, 0), (120, 0), (240, 0))),
        lambda: Polygon(((0, 0), (0, 80), (180, 5))),
    ],
)
def test_what_is_no_region_is_refused(make: object) -> None:
    with pytest.raises(BadRegion):
        make()  # type: ignore[operator]
