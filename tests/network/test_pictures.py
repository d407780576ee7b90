"""Previews: any image becomes a picture that shows something."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from PIL import Image

from panoptes.network.pictures import THUMBNAIL_SIDE, picture, preview, thumbnail
from panoptes.network.simulator.observed_sky import ObservedSky
from panoptes.network.simulator.sensor import SATURATION
from panoptes.network.stretching import Stretch


def shown(jpeg: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(jpeg), formats=["JPEG"]) as picture:
        picture.load()
        return np.asarray(picture).astype(int)


def sky(rows: int, columns: int) -> np.ndarray:
    return np.random.default_rng(1).normal(2200, 15, (rows, columns)).astype(np.uint16)


def test_a_mosaic_becomes_a_colour_picture_of_at_most_the_asked_size() -> None:
    picture = shown(preview(sky(600, 900), pattern="RGGB", long_side=200))
    assert picture.shape[2] == 3
    assert max(picture.shape[:2]) <= 200
    assert picture.shape[1] / picture.shape[0] == pytest.approx(1.5, abs=0.02)


@pytest.mark.parametrize("pattern", [None, "GBRG"])
def test_a_large_image_is_scaled_part_by_part_and_looks_the_same(pattern: str | None) -> None:
    stored, parts = sky(1400, 1800), []

    def physical(part: np.ndarray) -> np.ndarray:
        parts.append(part.size)
        return part * 2.0 + 1

    picture = preview(stored, pattern=pattern, long_side=100, physical=physical)
    assert picture == preview(stored * 2.0 + 1, pattern=pattern, long_side=100)
    assert max(parts) <= stored.size / 9


def test_an_image_without_a_pattern_is_grey() -> None:
    assert shown(preview(sky(60, 90))).shape == (60, 90)


@pytest.mark.parametrize("pattern", ["RGGB", "GBRG", "GRBG", "BGGR"])
def test_a_red_star_is_red_whatever_the_pattern(pattern: str) -> None:
    mosaic = sky(200, 200)
    row, column = divmod(pattern.index("R"), 2)
    mosaic[80:100, 80:100][row::2, column::2] += 9000
    red, green, blue = shown(preview(mosaic, pattern=pattern))[42:48, 42:48].mean(axis=(0, 1))
    assert red > 200
    assert max(green, blue) < 120


def test_the_sky_is_dark_and_neutral_and_a_faint_star_stands_out() -> None:
    mosaic = sky(400, 400)
    mosaic[1::2, 1::2] += 200
    mosaic[200:206, 200:206] += 400
    picture = shown(preview(mosaic, pattern="RGGB"))
    background = np.median(picture, axis=(0, 1))
    assert background.max() < 110
    assert np.ptp(background) < 12
    assert picture[101, 101].mean() > background.mean() + 80


def test_fits_images_are_shown_with_their_first_row_below() -> None:
    image = sky(100, 100)
    image[:50] += 500
    picture = shown(preview(image, bottom_up=True))
    assert picture[80:].mean() > picture[:20].mean() + 15


@pytest.mark.parametrize("dtype", ["u1", "i2", ">i2", "u2", ">u4", "i8", "f4", ">f8", "?"])
def test_every_number_type_has_a_picture(dtype: str) -> None:
    image = (np.indices((40, 50)).sum(axis=0) % 90).astype(dtype)
    assert shown(preview(image, pattern="RGGB")).shape == (20, 25, 3)


@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (7, 1), (3, 3), (2, 2), (5,), (1, 3000)])
def test_tiny_and_narrow_images_have_a_picture(shape: tuple[int, ...]) -> None:
    assert shown(preview(np.ones(shape, np.uint16), pattern="RGGB")).size
    assert shown(preview(np.ones(shape, np.uint16))).size


def test_of_a_cube_the_first_plane_is_shown() -> None:
    cube = np.stack([sky(30, 40), np.zeros((30, 40), np.uint16)])
    assert preview(cube) == preview(cube[0])


@pytest.mark.parametrize("value", [0.0, 7.0, np.nan, np.inf, 1e300])
def test_constant_images_have_a_picture(value: float) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert shown(preview(np.full((20, 20), value))).shape == (20, 20)


def test_values_that_are_not_finite_are_black_and_spoil_nothing() -> None:
    image = sky(100, 100).astype(np.float32)
    image[10:20, 10:20] = np.nan
    image[30:40, 30:40] = -np.inf
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        picture = shown(preview(image))
    assert picture[12:18, 12:18].max() < 20
    assert picture[32:38, 32:38].max() < 20
    assert picture[60:, 60:].mean() > 25


def test_an_image_without_pixels_is_refused() -> None:
    with pytest.raises(ValueError, match="without pixels"):
        preview(np.zeros((0, 10)))


@pytest.fixture(scope="module")
def frame() -> np.ndarray:
    """Stars, hot pixels and noise on a dark sky, RGGB."""
    rng = np.random.default_rng(7)
    pixels = ObservedSky(frame_size="small", frames=1).expose(0).pixels[::-1].copy()
    pixels[rng.random(pixels.shape) < 2e-4] += 600
    return pixels


def test_noise_on_a_dark_sky_is_grey_and_stars_are_there(frame: np.ndarray) -> None:
    seen = shown(preview(frame, pattern="RGGB"))
    assert np.median(seen) < 70
    # What differs in a pixel is its colour; hot pixels would be the most of it.
    colour = np.ptp(seen, axis=2)
    assert np.percentile(colour, 95) < 12
    assert (seen.max(axis=2) > 200).sum() > 40


def test_a_hot_pixel_is_no_star() -> None:
    mosaic = sky(200, 200)
    mosaic[100, 100] += 3000
    mosaic[40:44, 40:44] += 3000
    seen = shown(preview(mosaic, pattern="RGGB"))
    assert seen[20:22, 20:22].min() > 150
    assert seen[48:53, 48:53].max() < seen.mean() + 40


def test_what_is_saturated_is_white_and_nothing_else_is(frame: np.ndarray) -> None:
    frame = frame.copy()
    frame[100:106, 200:206] = SATURATION
    frame[200:206, 300:306] = SATURATION - 1500 + np.arange(36).reshape(6, 6) * 20
    for known in (None, SATURATION):
        seen = np.asarray(picture(frame, pattern="RGGB", saturation=known).convert("RGB"))
        white = (seen == 255).all(axis=2)
        assert white[50:53, 100:103].all()
        clipped = (frame >= SATURATION).reshape(170, 2, 253, 2).any(axis=(1, 3))
        assert np.array_equal(white, clipped)


def test_a_flat_field_is_not_taken_for_saturated() -> None:
    flat = np.random.default_rng(3).normal(9000, 60, (300, 400)).astype(np.uint16)
    assert shown(preview(flat)).max() < 250


@pytest.mark.parametrize("curve", ["asinh", "linear", "sqrt", "log"])
def test_levels_that_are_given_are_shown_black_and_bright(curve: str) -> None:
    ramp = np.tile(np.arange(1000, 3000, dtype=np.uint16), (40, 1))
    stretch = Stretch(curve, 1500, 2500)  # type: ignore[arg-type]
    seen = np.asarray(picture(ramp, long_side=2000, stretch=stretch)).astype(int)
    assert seen[:, :500].max() == 0
    assert np.ptp(seen[:, 1500:]) <= 1
    assert (np.diff(seen[0]) >= 0).all()
    assert seen[0, 1000] > 50


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_thumbnail_is_small_and_looks_the_same(frame: np.ndarray, kind: str) -> None:
    whole = picture(np.tile(frame, (4, 4)), pattern="RGGB").convert("RGB")
    stored = io.BytesIO()
    whole.save(stored, kind)
    small = shown(thumbnail(stored.getvalue()))
    assert max(small.shape) == THUMBNAIL_SIDE
    assert small.mean() == pytest.approx(np.asarray(whole).mean(), abs=3)


def test_what_is_no_picture_has_no_thumbnail() -> None:
    with pytest.raises(ValueError, match="no picture"):
        thumbnail(b"SIMPLE  =")


def test_a_real_frame_shows_stars_on_a_dark_sky(shared_data: Path) -> None:
    pixels = fits.getdata(shared_data / "panoptes/unsolved.fits")
    picture = shown(preview(pixels, pattern="GBRG", bottom_up=True))
    assert picture.shape == (350, 350, 3)
    assert np.median(picture) < 90
    assert (picture.max(axis=2) > 220).sum() > 50
    assert np.percentile(np.ptp(picture, axis=2), 50) < 8
