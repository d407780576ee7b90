"""The simulated night that photometry is measured with."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from io import BytesIO

import numpy as np
from astropy.io import fits

from panoptes.network.simulator.observed_sky import ObservedSky, Transit
from panoptes.network.simulator.sensor import BIAS, SATURATION
from panoptes.network.simulator.starlight import Shape, stamps

SKY = ObservedSky(seed=5, frame_size="small", frames=4, faintest=12.0)


def test_frames_are_alike_whenever_they_are_asked_for() -> None:
    again = ObservedSky(seed=5, frame_size="small", frames=4, faintest=12.0)
    np.testing.assert_array_equal(SKY.expose(2).pixels, again.expose(2).pixels)


def test_a_star_stands_where_the_truth_says_under_the_mask() -> None:
    frame = SKY.expose(0)
    inside = (frame.x > 9) & (frame.x < 496) & (frame.y > 9) & (frame.y < 330)
    brightest = int(np.argmin(np.where(inside, SKY.stars.g, 99)))
    x, y = round(frame.x[brightest]), round(frame.y[brightest])
    around = frame.pixels[y - 5 : y + 6, x - 5 : x + 6]
    assert around.max() > BIAS + 1500
    row, column = np.unravel_index(np.argmax(around), around.shape)
    assert abs(int(row) - 5) <= 2
    assert abs(int(column) - 5) <= 1
    # Green at (0, 0) and (1, 1), B at (0, 1) and R at (1, 0).
    sky = [np.median(frame.pixels[r::2, c::2]) - BIAS for r in (0, 1) for c in (0, 1)]
    np.testing.assert_allclose(sky, [178, 128, 89, 178], atol=15)
    assert frame.pixels.max() <= SATURATION


def test_a_transit_takes_its_depth_of_the_light() -> None:
    star = str(SKY.stars.star_id[0])
    dip = Transit(SKY.middle(1), hours=0.01, depth=0.5)
    with_dip = ObservedSky(
        seed=5, frame_size="small", frames=4, faintest=12.0, transits={star: dip}
    )
    assert with_dip.expose(1).flux[0, 1] == 0.5 * SKY.expose(1).flux[0, 1]
    assert with_dip.expose(2).flux[0, 1] == SKY.expose(2).flux[0, 1]


def test_a_moffat_star_has_its_light_where_the_function_has_it() -> None:
    shape = Shape(core=0.9, trail=0, softness=0, beta=3.5)
    _, _, light = stamps(np.zeros(1), np.zeros(1), shape, half=5)
    width = 0.9 * np.sqrt(2 * np.log(2) / (2 ** (1 / 3.5) - 1))
    along = (np.arange(1100) + 0.5) / 100 - 5.5
    true = 2.5 / np.pi / width**2 * (1 + (along**2 + along[:, None] ** 2) / width**2) ** -3.5
    pixels = true.reshape(11, 100, 11, 100).mean((1, 3))
    np.testing.assert_allclose(light[0], pixels, rtol=0.005, atol=2e-4)
    drawn = replace(SKY, moffat=3.5).expose(0).pixels
    assert not np.array_equal(drawn, SKY.expose(0).pixels)


def test_files_are_those_of_a_unit_without_a_wcs() -> None:
    frame = SKY.expose(0)
    name, data = SKY.fits(frame)
    with fits.open(BytesIO(data)) as hdus:
        assert "CRVAL1" not in hdus[0].header
        assert hdus[0].header["SEQID"] == SKY.sequence_id
        assert hdus[0].header["DATE-OBS"] == f"{frame.began:%Y-%m-%dT%H:%M:%S}"
        np.testing.assert_array_equal(hdus[0].data, frame.pixels)
    assert name.startswith("PAN001/ee04d1/")
    assert frame.middle - frame.began == timedelta(seconds=60)
    extra = SKY.stars.extra_csv().splitlines()
    assert len(extra) == 1 + (~SKY.stars.from_gaia).sum()
