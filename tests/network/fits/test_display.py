"""Images are shown as they are on the sky, where their headers know it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from panoptes.network.fits.cards import Header
from panoptes.network.fits.display import display_of
from panoptes.network.pictures import picture


def cards(**values: object) -> Header:
    header = fits.Header()
    for keyword, value in values.items():
        header[keyword.replace("__", "-")] = value
    return Header(header.tostring(endcard=False, padding=False).encode(), 0, 2880)


SKY = {"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRPIX1": 50.5, "CRPIX2": 40.5}
SKY |= {"CRVAL1": 120.0, "CRVAL2": 30.0}


def spot_seen(header: Header, x: float, y: float) -> tuple[float, float]:
    """Where a star at a pixel of a frame of 100 x 80 is shown, right and up of the middle."""
    frame = np.full((80, 100), 1000, np.uint16) + np.arange(8000).reshape(80, 100) % 7
    row, column = round(y), round(x)
    frame[row - 2 : row + 3, column - 2 : column + 3] = 9000
    shown = display_of(header)
    seen = picture(frame, bottom_up=True, mirrored=shown.mirrored, turns=shown.turns)
    values = np.asarray(seen)
    down, across = np.unravel_index(int(values.argmax()), values.shape)
    return across - seen.width / 2, seen.height / 2 - down


@pytest.mark.parametrize("angle", range(0, 360, 30))
@pytest.mark.parametrize("parity", [-1, 1])
def test_north_is_nearest_to_up_and_east_to_the_left(angle: int, parity: int) -> None:
    sine, cosine = (f(math.radians(angle + 1)) * 1e-3 for f in (math.sin, math.cos))
    matrix = {"CD1_1": parity * cosine, "CD1_2": -parity * sine, "CD2_1": sine, "CD2_2": cosine}
    header = cards(**SKY, **matrix)
    sky = WCS(SKY | matrix)
    for ra, dec, where in ((120.0, 30.025, (0, 1)), (120.03, 30.0, (-1, 0))):
        x, y = sky.all_world2pix([[ra, dec]], 0)[0]
        right, up = spot_seen(header, x, y)
        # No further than 45 degrees from where it belongs.
        assert right * where[0] + up * where[1] > 0.65 * math.hypot(right, up)


def test_older_words_for_the_same_solution_are_understood() -> None:
    by_matrix = display_of(cards(**SKY, CD1_1=0.0, CD1_2=-1e-3, CD2_1=-1e-3, CD2_2=0.0))
    assert by_matrix.turns or by_matrix.mirrored
    by_angle = display_of(cards(**SKY, CDELT1=-1e-3, CDELT2=1e-3, CROTA2=90.0))
    assert by_angle == display_of(cards(**SKY, CD1_1=0, CD1_2=-1e-3, CD2_1=-1e-3, CD2_2=0))
    by_pc = cards(**SKY, CDELT1=1e-3, CDELT2=1e-3, PC1_1=0, PC1_2=-1, PC2_1=-1, PC2_2=0)
    assert display_of(by_pc) == by_matrix


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"CD1_1": 1e-3, "CD2_2": 1e-3},
        {**SKY},
        {**SKY, "CD1_1": 0.0, "CD2_2": 0.0},
        {**SKY, "CDELT1": 0.0, "CDELT2": 0.0},
        {**SKY, "CD1_1": "north", "CD2_2": True},
    ],
)
def test_without_a_solution_an_image_stays_as_the_camera_saw_it(values: dict[str, object]) -> None:
    display = display_of(cards(**values))
    assert not display.mirrored
    assert not display.turns
