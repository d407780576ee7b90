"""Parts of images: the frame's own pixels, of few bytes of its file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from panoptes.network.errors import BadInput, TransientError
from panoptes.network.fits.archive import compress_fits
from panoptes.network.fits.content import check_source
from panoptes.network.fits.plain import FitsImage, fits_bytes
from panoptes.network.fits.section import Region, StoredImage
from panoptes.network.fits.tiles import Method

ROWS, COLUMNS = 1500, 2000


class Counted:
    """A file in memory that counts what is read of it."""

    def __init__(self, data: bytes) -> None:
        self.data, self.read_bytes, self.requests = data, 0, 0

    def read(self, start: int, end: int) -> bytes:
        part = self.data[start:end]
        self.read_bytes += len(part)
        self.requests += 1
        return part

    def opened(self) -> StoredImage:
        return StoredImage(self.read, len(self.data))


@pytest.fixture(scope="module")
def frame() -> bytes:
    pixels = np.random.default_rng(5).normal(2200, 15, (ROWS, COLUMNS)).astype(np.uint16)
    cards = tuple((f"CARD{n}", n, "") for n in range(900))
    return fits_bytes([FitsImage(cards, pixels)])


@pytest.mark.parametrize("method", ["GZIP_2", "RICE_1"])
def test_a_section_is_the_frames_own_pixels_and_little_of_the_file(
    frame: bytes, method: Method
) -> None:
    whole = check_source(frame)
    for region in (Region(700, 610, 128, 96), Region(0, 0, 1, 1), Region(1990, 1490, 10, 10)):
        file = Counted(compress_fits(frame, method=method).data)
        image = file.opened()
        assert image.shape == (ROWS, COLUMNS)
        assert image.header.get("CARD899") == 899
        part = image.section(region)
        x, y, width, height = region
        assert np.array_equal(part.stored, whole.stored[y : y + height, x : x + width])
        assert np.array_equal(part.physical(part.stored), whole.physical(part.stored))
        assert file.read_bytes < len(file.data) * 0.25
        assert file.requests <= 4


def test_sections_one_after_the_other_read_nothing_twice(frame: bytes) -> None:
    file = Counted(compress_fits(frame).data)
    image = file.opened()
    image.section(Region(0, 0, 50, 50))
    before = file.read_bytes
    image.section(Region(900, 20, 50, 40))
    assert file.read_bytes == before


def test_of_an_image_that_is_not_compressed_rows_are_read(frame: bytes) -> None:
    file = Counted(frame)
    part = file.opened().section(Region(100, 200, 30, 20)).stored
    assert np.array_equal(part, check_source(frame).stored[200:220, 100:130])
    assert file.read_bytes < len(frame) * 0.2


def test_every_kind_of_file_gives_the_pixels_that_it_holds_as_a_whole(shared_data: Path) -> None:
    names = [*sorted((shared_data / "edge_cases").glob("*")), *(shared_data / "fits").glob("*")]
    same = 0
    for path in [*names, shared_data / "panoptes/solved.fits.fz"]:
        data = path.read_bytes()
        try:
            whole = check_source(data).stored
        except BadInput:
            continue
        image = Counted(data).opened()
        plane = np.atleast_2d(whole)
        while plane.ndim > 2:
            plane = plane[0]
        rows, columns = plane.shape
        assert image.shape == plane.shape, path
        x, y = columns // 3, rows // 3
        part = image.section(Region(x, y, columns - x, max(1, rows // 2))).stored
        expected = plane[y : y + max(1, rows // 2), x:]
        assert part.tobytes() == expected.tobytes(), path
        same += 1
    assert same > 25


def test_tiles_of_any_shape_are_put_together(tmp_path: Path) -> None:
    pixels = np.arange(70 * 90, dtype=np.int16).reshape(70, 90)
    tiled = fits.CompImageHDU(pixels, compression_type="GZIP_1", tile_shape=(13, 17))
    tiled.writeto(tmp_path / "tiled.fits")
    image = Counted((tmp_path / "tiled.fits").read_bytes()).opened()
    assert np.array_equal(image.section(Region(10, 5, 60, 50)).stored, pixels[5:55, 10:70])


def test_what_cannot_be_read_says_so(frame: bytes) -> None:
    packed = compress_fits(frame).data
    with pytest.raises(BadInput, match="not a FITS"):
        Counted(b"\xff\xd8\xff" + bytes(9000)).opened()
    with pytest.raises(BadInput):
        Counted(packed[: len(packed) // 2]).opened()
    file = Counted(packed)
    image = file.opened()
    file.data = packed[: len(packed) // 2]
    with pytest.raises(TransientError, match="shorter"):
        image.section(Region(0, 1400, 10, 10))
    with pytest.raises(ValueError, match="within"):
        image.section(Region(1990, 0, 11, 1))
