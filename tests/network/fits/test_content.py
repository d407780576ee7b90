"""What is found in FITS files, compressed by whomever, damaged, or lying about themselves."""

from __future__ import annotations

import io
import random
import shutil
import subprocess
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from panoptes.network.errors import BadInput
from panoptes.network.fits.archive import compress_fits, verify_archive
from panoptes.network.fits.cards import format_card
from panoptes.network.fits.content import check_compressed, check_source, decode, same_image
from panoptes.network.fits.structure import walk_hdus
from panoptes.network.fits.tiles import Method
from tests.fits_samples import (
    UNSIGNED,
    Array,
    card,
    changed,
    frame,
    fz_of,
    image,
    mutated,
    noise,
    primary,
    stored_bytes,
)

METHODS: tuple[Method, ...] = ("GZIP_2", "RICE_1")


@pytest.fixture(autouse=True)
def _quiet_readers() -> Iterator[None]:
    """Readers warn about what these files are made to be."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def test_the_content_of_an_archive_is_that_of_its_source() -> None:
    source = image(frame(), [*UNSIGNED, format_card("ISO", 100)])
    for content in (check_source(source), check_compressed(compress_fits(source).data)):
        assert content.header.get("ISO") == 100
        assert content.header.get("BITPIX") == 16
        assert content.shape == (70, 90)
        assert content.physical(content.stored).dtype == np.uint16
        assert np.array_equal(content.physical(content.stored), frame().astype(int) + 32768)


@pytest.mark.parametrize(
    ("array", "cards", "physical"),
    [
        (np.array([[-5, 7]], "i2"), [], np.array([[-5, 7]], "i2")),
        (np.array([[-5, 7]], "i4"), ["BZERO   = 2147483648"], np.array([[2**31 - 5, 2**31 + 7]])),
        (np.array([[0, 255]], "u1"), ["BZERO   = -128"], np.array([[-128.0, 127.0]])),
        (np.array([[1, 2]], "i2"), ["BSCALE  = 0.5", "BZERO   = 3.0"], np.array([[3.5, 4.0]])),
        (np.array([[1.5, 2]], "f4"), [], np.array([[1.5, 2]])),
    ],
)
def test_pixels_are_physical_values(array: Array, cards: list[str], physical: Array) -> None:
    content = check_source(image(array, [card(text) for text in cards]))
    found = content.physical(content.stored)
    assert np.array_equal(found, physical)
    assert found.dtype.isnative


@pytest.mark.parametrize("kind", ["u1", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("coding", ["RICE_1", "GZIP_1", "GZIP_2", "HCOMPRESS_1", "NOCOMPRESS"])
@pytest.mark.parametrize("tile", [(1, 53), (11, 11), (37, 53), (11, 53)])
def test_images_that_astropy_compressed_are_decoded_alike(
    kind: str, coding: str, tile: tuple[int, int]
) -> None:
    if coding == "HCOMPRESS_1" and min(tile) < 4:
        pytest.skip("HCOMPRESS takes no tile of less than four rows")
    pixels = np.random.default_rng(3).normal(100, 20, (37, 53)).astype(kind)
    level = 16.0 if coding in ("RICE_1", "HCOMPRESS_1") else 0.0
    file = fz_of(pixels, compression_type=coding, tile_shape=tile, quantize_level=level)
    with fits.open(io.BytesIO(file), do_not_scale_image_data=True) as theirs:
        expected = theirs[1].data
    content = check_compressed(file)
    assert stored_bytes(content.stored) == stored_bytes(expected)
    assert content.checksums == "hold"
    assert decode(file)[1].lossless is (kind[0] != "f" or level == 0)


@pytest.mark.parametrize(
    "options", [["-r"], ["-g1"], ["-g2"], ["-h"], ["-p"], ["-g2", "-t", "9,7"]]
)
def test_a_file_that_fpack_compressed_holds_the_same_image(
    options: list[str], tmp_path: Path
) -> None:
    program = shutil.which("fpack")
    if program is None:
        pytest.skip("needs fpack on the path")
    source = image(frame(), [*UNSIGNED, format_card("ISO", 100, "sensitivity")])
    (tmp_path / "a.fits").write_bytes(source)
    subprocess.run([program, *options, str(tmp_path / "a.fits")], check=True)
    packed = (tmp_path / "a.fits.fz").read_bytes()
    assert same_image(source, packed)
    assert same_image(packed, compress_fits(source).data)


@pytest.mark.parametrize(
    "other",
    [
        image(frame(seed=2), [*UNSIGNED, format_card("ISO", 100)]),
        image(frame(), [*UNSIGNED, format_card("ISO", 200)]),
        image(frame(), [format_card("ISO", 100)]),
        image(frame().astype("i4"), [*UNSIGNED, format_card("ISO", 100)]),
        image(frame(), [*UNSIGNED, format_card("ISO", 100)]) + image(frame(), extension=True),
    ],
    ids=["pixels", "card", "scaling", "BITPIX", "extension"],
)
def test_images_that_differ_are_not_the_same(other: bytes) -> None:
    source = image(frame(), [*UNSIGNED, format_card("ISO", 100)])
    assert not same_image(source, other)
    assert not same_image(compress_fits(source).data, compress_fits(other).data)


def test_not_a_number_is_the_same_as_itself_and_minus_zero_is_not_zero() -> None:
    assert same_image(image(np.array([np.nan], "f4")), image(np.array([np.nan], "f4")))
    assert not same_image(image(np.array([0.0], "f4")), image(np.array([-0.0], "f4")))


def stale_source() -> bytes:
    made = io.BytesIO()
    fits.PrimaryHDU(frame()).writeto(made, checksum=True)
    return changed(made.getvalue(), 4000)


def test_stale_checksums_of_a_source_are_reported_and_its_archive_is_taken() -> None:
    assert check_source(stale_source()).checksums == "stale"
    archive = compress_fits(stale_source()).data
    verify_archive(stale_source(), archive)
    assert check_compressed(archive).checksums == "stale"


def test_checksums_are_reported_as_absent_where_there_are_none() -> None:
    assert check_source(image(frame())).checksums == "absent"
    assert check_compressed(image(frame())).checksums == "absent"


def test_a_damaged_archive_is_found_by_its_checksums() -> None:
    archive = compress_fits(image(frame(), UNSIGNED), method="RICE_1").data
    place = walk_hdus(archive)[1].data_offset + 3000
    with pytest.raises(BadInput) as refused:
        check_compressed(changed(archive, place))
    assert refused.value.code == "checksum-mismatch"


def test_the_sources_own_sum_finds_damage_where_the_table_has_none() -> None:
    made = io.BytesIO()
    fits.PrimaryHDU(frame()).writeto(made, checksum=True)
    archive = compress_fits(made.getvalue(), method="RICE_1").data
    bare = archive.replace(b"CHECKSUM=", b"CHECKXXX=").replace(b"DATASUM =", b"DATAXXX =")
    assert check_compressed(bare).checksums == "hold"
    table = walk_hdus(bare)[1]
    with pytest.raises(BadInput) as refused:
        check_compressed(changed(bare, table.data_offset + table.data_size - 200))
    assert refused.value.code in ("checksum-mismatch", "corrupt-data")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        (b"ZNAXIS1 =                   90", b"ZNAXIS1 =           1000000000", "too-large"),
        (b"ZNAXIS1 =                   90", b"ZNAXIS1 =                  -90", "bad-header"),
        (b"ZNAXIS1 =                   90", b"ZNAXIS1 =                   91", "corrupt-data"),
        (
            b"ZNAXIS  =                    2",
            b"ZNAXIS  =                   65",
            "unsupported-format",
        ),
        (b"ZNAXIS  =                    2", b"ZNAXIS  =                 1000", "bad-header"),
        (b"ZNAXIS  =                    2", b"ZNAXIS  =                  2.0", "bad-header"),
        (b"ZBITPIX =                   16", b"ZBITPIX =                   17", "bad-header"),
        (b"ZTILE2  =                    1", b"ZTILE2  =                    2", "corrupt-data"),
        (b"ZTILE2  =                    1", b"ZTILE2  =                    0", "bad-header"),
        (
            b"ZVAL1   =                   32",
            b"ZVAL1   =                    0",
            "unsupported-format",
        ),
        (
            b"ZVAL2   =                    2",
            b"ZVAL2   =                    9",
            "unsupported-format",
        ),
        (b"ZCMPTYPE= 'RICE_1  '", b"ZCMPTYPE= 'GZIP_1  '", "corrupt-data"),
        (b"ZCMPTYPE= 'RICE_1  '", b"ZCMPTYPE= 'MAGIC   '", "corrupt-data"),
        (b"ZCMPTYPE= 'RICE_1  '", b"ZCMPTYPE= 'PLIO_1  '", "corrupt-data"),
        (b"TTYPE1  = 'COMPRESSED_DATA'", b"TTYPE1  = 'COMPRESSED_DATE'", "bad-header"),
        (b"TFIELDS =                    1", b"TFIELDS =                    0", "bad-header"),
        (b"TFORM1  = '1PB(", b"TFORM1  = '1QB(", "bad-header"),
        (b"TFORM1  = '1PB(", b"TFORM1  = '?PB(", "bad-header"),
    ],
)
def test_a_header_that_lies_about_its_tiles_is_refused(old: bytes, new: bytes, code: str) -> None:
    archive = compress_fits(image(frame()), method="RICE_1", rows_per_tile=1).data
    assert old in archive
    with pytest.raises(BadInput) as refused:
        decode(archive.replace(old, new))
    assert refused.value.code == code


def test_a_descriptor_out_of_the_heap_is_refused() -> None:
    archive = bytearray(compress_fits(image(frame()), method="RICE_1").data)
    start = walk_hdus(bytes(archive))[1].data_offset
    archive[start + 4 : start + 8] = b"\x7f\xff\xff\xff"
    with pytest.raises(BadInput, match="outside the heap"):
        decode(bytes(archive))


def test_an_image_over_the_limit_is_refused_compressed_or_not() -> None:
    source = image(frame())
    for check, file in ((check_source, source), (check_compressed, compress_fits(source).data)):
        assert check(file, max_pixels=6300).shape == (70, 90)
        with pytest.raises(BadInput) as refused:
            check(file, max_pixels=6299)
        assert refused.value.code == "too-large"


def test_an_image_that_decodes_to_more_than_the_limit_is_refused() -> None:
    archive = compress_fits(image(noise("f8", (70, 90)))).data
    assert check_compressed(archive, max_decoded=8 * 6300).shape == (70, 90)
    with pytest.raises(BadInput) as refused:
        check_compressed(archive, max_decoded=8 * 6300 - 1)
    assert refused.value.code == "too-large"


def test_a_file_without_pixels_is_no_image() -> None:
    for check in (check_source, check_compressed, compress_fits):
        with pytest.raises(BadInput) as refused:
            check(primary())
        assert refused.value.code == "no-image"


def test_any_damage_gives_an_answer_or_bad_input_and_nothing_else() -> None:
    generator = random.Random(11)
    source = image(frame(30, 40), [*UNSIGNED, format_card("ISO", 100)])
    source += image(noise("f4", (5, 6)), extension=True)
    pool = [source, *(compress_fits(source, method=method).data for method in METHODS)]
    pool.append(fz_of(frame(30, 40), compression_type="HCOMPRESS_1", tile_shape=(30, 40)))
    pool.append(fz_of(noise("f4", (20, 20)), quantize_level=4.0))
    answers = set()
    for _ in range(400):
        damaged = mutated(generator.choice(pool), generator)
        for check in (check_source, check_compressed, decode):
            try:
                check(damaged, max_pixels=1_000_000)
                answers.add("good")
            except BadInput as error:
                answers.add(error.code)
        try:
            verify_archive(damaged, compress_fits(damaged).data)
        except BadInput as error:
            answers.add(error.code)
    assert {"good", "bad-header", "truncated-file", "checksum-mismatch"} <= answers
