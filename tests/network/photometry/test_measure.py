"""Stars measured in frames whose truth is known."""

from __future__ import annotations

from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from panoptes.network.light_curves.magnitudes import LightCurves, light_curves
from panoptes.network.photometry.bayer import bayer_pattern
from panoptes.network.photometry.measure import measure
from panoptes.network.photometry.measurements import EDGE, Frame, Measurements
from panoptes.network.simulator.observed_sky import ObservedSky, Transit
from tests.network.photometry.observed import readers

pytestmark = pytest.mark.xdist_group("photometry")
"""What `_measured` makes is made in one worker."""


@cache
def _measured() -> tuple[ObservedSky, int, Measurements, LightCurves]:
    quiet = ObservedSky(seed=3, frame_size="small", frames=16, faintest=12.5)
    stars = quiet.stars.to(12.3)
    x, y = quiet.optics(8).to_pixels(stars.ra, stars.dec)
    inside = (x > 30) & (x < 470) & (y > 30) & (y < 310) & (stars.g > 9)
    # Not the brightest: so small a field would follow it.
    chosen = int(np.argsort(np.where(inside, stars.g, 99))[6])
    dip = Transit(quiet.middle(8), hours=0.2, depth=0.1)
    sky = ObservedSky(
        seed=3,
        frame_size="small",
        frames=16,
        faintest=12.5,
        transits={str(stars.star_id[chosen]): dip},
    )
    found = measure(readers(sky), stars)
    return sky, chosen, found, light_curves(found)


def test_light_is_that_of_the_truth_in_all_colours() -> None:
    sky, _, found, _ = _measured()
    kept = sky.stars.g < 12.3
    good = (found.flag[5] == 0) & (found.g > 9) & (found.g < 10.5)
    ratio = found.flux[5][good, :3] / sky.expose(5).flux[kept][good]
    # A blend may change one star: most are as the truth.
    assert good.sum() >= 8
    np.testing.assert_allclose(np.median(ratio, axis=0) / np.median(ratio), 1, atol=0.05)
    assert np.median(np.abs(ratio / np.median(ratio, axis=0) - 1)) < 0.04


def test_a_curve_keeps_a_transit_and_is_quiet_elsewhere() -> None:
    _, chosen, _, curves = _measured()
    curve = curves.mag[:, chosen, 3]
    inside = slice(7, 10)
    outside = np.r_[0:5, 12:16]
    depth = np.median(curve[inside]) - np.median(curve[outside])
    assert depth == pytest.approx(2.5 * np.log10(1 / 0.9), abs=0.025)
    assert np.std(curve[outside]) < 0.03


def test_errors_are_those_of_the_scatter() -> None:
    _, chosen, found, curves = _measured()
    whole = np.isfinite(curves.mag[:, :, 3]).all(axis=0) & (found.g < 12)
    whole[chosen] = False
    ratio = np.median(curves.error[:, whole, 3], axis=0) / curves.scatter[whole, 3]
    assert 0.7 < np.median(ratio) < 1.4


def test_a_star_at_the_edge_is_flagged_and_has_no_magnitude() -> None:
    _, _, found, curves = _measured()
    edge = (found.flag & EDGE) != 0
    assert edge.any()
    assert np.isnan(curves.mag[edge]).all()
    assert (curves.flag[edge] != 0).all()


def test_nothing_to_measure_is_said() -> None:
    stars = ObservedSky(frame_size="small", frames=1).stars.to(10)
    with pytest.raises(ValueError, match="nothing to measure"):
        measure([], stars)


@pytest.mark.parametrize("turn", ["GBRG", "BGGR", "RGGB", "GRBG"])
def test_the_mask_is_found_wherever_a_crop_begins(turn: str) -> None:
    pixels = ObservedSky(seed=2, frame_size="small", frames=1, faintest=12).expose(0).pixels
    row, column = {"GBRG": (0, 0), "BGGR": (0, 1), "RGGB": (1, 0), "GRBG": (1, 1)}[turn]
    assert bayer_pattern(pixels[row:, column:]) == turn


@pytest.mark.parametrize("name", ["unsolved.fits", "solved.fits.fz"])
def test_the_mask_of_the_real_crops(shared_data: Path, name: str) -> None:
    with fits.open(shared_data / "panoptes" / name) as hdus:
        assert bayer_pattern(np.asarray(hdus[-1].data)) == "GBRG"


def test_a_frame_with_an_odd_number_of_rows_is_measured_like_others() -> None:
    sky, *_ = _measured()
    whole = [read() for read in readers(sky)[:2]]
    odd = [replace(each, pixels=each.pixels[:-1, :-1]) for each in whole]
    stars = sky.stars.to(10.5)
    some, all_of_it = (measure([partial(same, each) for each in of], stars) for of in (odd, whole))
    good = ((some.flag == 0) & (all_of_it.flag == 0)).all(axis=0)
    assert good.sum() >= 8
    ratio = (some.flux / all_of_it.flux)[:, good, 3]
    assert np.median(np.abs(ratio - 1)) < 0.01


def same(frame: Frame) -> Frame:
    return frame
