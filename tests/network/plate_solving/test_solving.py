"""Frames under the Bayer mask, solved by their stars."""

import math
from datetime import UTC, datetime

import numpy as np
import pytest
from numpy.typing import NDArray

from panoptes.network.plate_solving.detection import Detections, Found, find_stars
from panoptes.network.plate_solving.solving import Unsolved, solve
from panoptes.network.quality import lost_light, measure_quality
from panoptes.network.simulator.headers import Target
from panoptes.network.simulator.observed_sky import ObservedSky, TrueFrame
from panoptes.network.simulator.optics import Optics
from panoptes.network.stars.catalog import stars_in

WHEN = datetime(2026, 1, 15, 6, tzinfo=UTC)
SKY = ObservedSky(
    seed=5, frame_size="crop", frames=2, target=Target("field", 301.6, 44.5), faintest=11.0
)


@pytest.fixture(scope="module")
def frame() -> TrueFrame:
    return SKY.expose(0)


@pytest.fixture(scope="module")
def found(frame: TrueFrame) -> Found:
    return find_stars(frame.pixels)


@pytest.mark.parametrize("hints", [[], [(304.5, 42.5)], [(120.0, -30.0)]])
def test_a_crop_is_solved_blindly_and_by_a_hint_that_is_off(
    frame: TrueFrame, found: Found, hints: list[tuple[float, float]]
) -> None:
    solution = solve(found.stars, found.shape, WHEN, hints=hints)
    stars = solution.stars
    true_x, true_y = frame.optics.to_pixels(stars.ra, stars.dec)
    x, y = solution.wcs.to_pixels(stars.ra, stars.dec)
    assert np.sqrt(np.mean((x - true_x) ** 2 + (y - true_y) ** 2)) * 10.3 < 0.5, "arcseconds"
    assert len(stars) > 150
    assert solution.rms < 1.0


@pytest.mark.parametrize("turns", [0, 1])
@pytest.mark.parametrize("is_mirrored", [False, True])
def test_orientation_and_parity_do_not_matter(
    frame: TrueFrame, turns: int, is_mirrored: bool
) -> None:
    pixels = np.rot90(frame.pixels[:, ::-1] if is_mirrored else frame.pixels, turns)
    found = find_stars(np.ascontiguousarray(pixels))
    solution = solve(found.stars, found.shape, WHEN, hints=[(301.6, 44.5)])
    assert solution.rms < 1.0


@pytest.mark.parametrize(("ra", "dec"), [(0.0, 3.0), (359.99, -3.0), (40.0, 90.0), (200.0, -89.9)])
@pytest.mark.parametrize("is_blind", [False, True])
def test_the_poles_and_the_first_meridian_are_places_as_others_are(
    ra: float, dec: float, is_blind: bool
) -> None:
    optics = Optics(ra=ra, dec=dec, centre=(899.5, 899.5))
    stars = stars_in(ra, dec, 6.0, WHEN)
    x, y = optics.to_pixels(stars.ra, stars.dec)
    inside = (x > 0) & (x < 1800) & (y > 0) & (y < 1800)
    hints = [] if is_blind else [(ra, dec - math.copysign(2, dec))]
    solution = solve(points(x[inside], y[inside]), (1800, 1800), WHEN, hints=hints)
    assert abs(solution.wcs.crval[1] - dec) < 0.01
    away = (solution.wcs.crval[0] - ra + 180) % 360 - 180
    assert abs(away * math.cos(math.radians(dec))) < 0.01


@pytest.mark.parametrize(
    ("pixels", "saturated"),
    [
        (np.zeros((200, 300), np.uint16), 0.0),
        (np.full((200, 301), 16383, np.uint16), 1.0),
        (np.random.default_rng(1).normal(2200, 20, (32, 32)).astype(np.uint16), 0.0),
        (np.random.default_rng(1).integers(0, 65536, (64, 900)).astype(np.uint16), 0.0),
    ],
    ids=["dark", "clipped", "tiny", "noise"],
)
def test_a_frame_without_stars_says_so(pixels: NDArray[np.uint16], saturated: float) -> None:
    found = find_stars(pixels)
    quality = measure_quality(found, None)
    assert (quality.stars, quality.saturated, quality.fwhm) == (0, saturated, None)
    with pytest.raises(Unsolved, match="only 0 stars are seen"):
        solve(found.stars, found.shape, WHEN, hints=[], ask_others=False)


def test_an_image_that_is_none_is_refused() -> None:
    for shape in ((0, 0), (31, 4000), (5000,)):
        with pytest.raises(ValueError, match="no image to find stars in"):
            find_stars(np.zeros(shape, np.uint16))


def test_what_shows_no_sky_is_not_solved() -> None:
    rng = np.random.default_rng(1)
    for many in (50, 800):
        made = points(*rng.uniform(0, 1400, (2, many)))
        with pytest.raises(Unsolved, match="not recognised near where its mount points or any"):
            solve(made, (1400, 1400), WHEN, hints=[(301.6, 44.5)], ask_others=False)
    with pytest.raises(Unsolved, match="only 5 stars are seen, and 12 are needed"):
        solve(points(*rng.uniform(0, 1400, (2, 5))), (1400, 1400), WHEN, hints=[])


def test_a_scale_that_is_no_cameras_is_not_taken() -> None:
    stars = stars_in(301.6, 44.5, 5.0, WHEN)
    x, y = SKY.optics(0).to_pixels(stars.ra, stars.dec)
    inside = (abs(x - 700) < 690) & (abs(y - 700) < 690)
    made = points(x[inside], y[inside])
    assert solve(made, (1400, 1400), WHEN, hints=[(301.6, 44.5)])
    with pytest.raises(Unsolved):
        solve(made, (1400, 1400), WHEN, hints=[(301.6, 44.5)], scale=12.0, ask_others=False)


def points(x: NDArray[np.float64], y: NDArray[np.float64]) -> Detections:
    none = np.zeros(len(x))
    flux = np.linspace(2, 1, len(x))
    return Detections(x, y, flux, none.astype(bool), np.stack([none] * 3, axis=1))


def test_quality_is_of_the_frame_and_not_of_how_bright_its_stars_are(found: Found) -> None:
    solution = solve(found.stars, found.shape, WHEN, hints=[(301.6, 44.5)])
    quality = measure_quality(found, solution, pattern="GBRG", exptime=120.0)
    assert quality.sky["G"] - 2048 == pytest.approx(178, rel=0.15)
    assert quality.sky["R"] < quality.sky["B"] < quality.sky["G"]
    assert quality.zero_point is not None
    assert 15.0 < quality.zero_point < 16.5
    bright, faint = (
        measure_quality(
            Found(found.stars.of(part), found.shape, found.sky, found.noise, 0.0, None), None
        ).fwhm
        for part in (slice(20, 120), slice(120, 320))
    )
    assert bright == pytest.approx(faint, rel=0.1)


def test_clouds_are_what_a_frame_lacks_beside_the_best() -> None:
    assert lost_light([16.0, 15.5, None, 16.0, 16.0]) == [0.0, 0.5, None, 0.0, 0.0]
    assert lost_light([None]) == [None]
