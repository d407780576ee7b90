"""What damaged files once brought to light, each as the smallest file that shows it."""

from __future__ import annotations

import gzip
import io
import struct
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from panoptes.network.cr2.frame import read_raw
from panoptes.network.errors import BadInput
from panoptes.network.fits.archive import compress_fits, verify_archive
from panoptes.network.fits.cards import Value, format_card, header_bytes
from panoptes.network.fits.content import check_compressed, check_source
from panoptes.network.media import check_jpeg
from tests.conftest import REPOSITORY
from tests.fits_samples import UNSIGNED, card, frame, image, noise, primary
from tests.fuzz.mutations.checksums import sealed_again
from tests.fuzz.mutations.mutant import Mutant
from tests.fuzz.seeds import own_seeds
from tests.fuzz.trial import bench
from tests.memory import peak_of


def seed(name: str) -> bytes:
    return next(each.data for each in own_seeds() if each.name == name)


def with_card(file: bytes, keyword: str, value: str) -> bytes:
    """The file with one card's value field replaced, wherever that card first is."""
    place = file.index(f"{keyword:8}=".encode())
    new = f"{keyword:8}= {value:>20}".encode().ljust(80)
    return file[:place] + new + file[place + 80 :]


def refused(check: Callable[[bytes], object], file: bytes) -> str:
    with pytest.raises(BadInput) as refusal:
        check(file)
    return refusal.value.code


@pytest.mark.parametrize("path", sorted((REPOSITORY.parent / "shared" / "fuzz").glob("*.fz")))
def test_reported_samples_end_with_a_reason(path: Path) -> None:
    with bench() as here:
        judged = here.judge(Mutant(1, "fits.fz", path.read_bytes(), path.name))
    assert not judged.finding


def test_reported_samples_are_there() -> None:
    if not (REPOSITORY.parent / "shared" / "fuzz").is_dir():
        pytest.skip("needs the reported samples in ../shared/fuzz, beside this repository")


@pytest.mark.parametrize("bits", [0x00, 0xFF])
def test_a_rice_tile_that_is_not_used_up_is_corrupt_data(bits: int) -> None:
    file = bytearray(seed("RICE_1"))
    table = next(i for i in range(2880, len(file), 2880) if not file[i : i + 8].isalnum())
    size, offset = (int.from_bytes(file[i : i + 4], "big") for i in (table, table + 4))
    tile = table + 8 * 24 + offset
    file[tile + 4 : tile + size - 1] = bytes([bits]) * (size - 5)
    assert refused(check_compressed, bytes(file)) == "corrupt-data"


@pytest.mark.parametrize(
    ("keyword", "value"),
    [
        ("ZNAME1", "1"),
        ("ZVAL1", "'x'"),
        ("ZTILE1", "2147483648"),
        ("ZTILE1", "9223372036854775808"),
        ("ZCMPTYPE", "5"),
        ("TTYPE1", "T"),
        ("TFORM1", "7"),
    ],
)
@pytest.mark.parametrize("name", ["RICE_1", "RICE_1, summed"])
def test_a_table_whose_own_cards_make_no_sense_is_a_bad_header(
    name: str, keyword: str, value: str
) -> None:
    file = with_card(seed(name), keyword, value)
    assert refused(check_compressed, file) in ("bad-header", "checksum-mismatch")


@pytest.mark.parametrize(("keyword", "value"), [("PCOUNT", "64"), ("GCOUNT", "2")])
def test_an_image_extension_with_parameters_or_groups_is_a_bad_header(
    keyword: str, value: str
) -> None:
    """FITS Standard 4.0, section 7.1.1."""
    whole = primary() + image(noise("i2", (20, 30)), extension=True)
    file = with_card(whole, keyword, value) + bytes(28800)
    assert refused(check_source, file) == "bad-header"


@pytest.mark.parametrize("soil", ["\t", "\n", "\r", "\x1c", "\x85", "\xa0"])
def test_a_keyword_that_ends_in_white_space_other_than_blanks_is_kept_to_the_byte(
    soil: str,
) -> None:
    odd = (f"KEY{5 * soil}= 1").encode("latin-1")
    file = image(frame(12, 16), (*UNSIGNED, card(odd), card(f"END{soil}".encode("latin-1"))))
    verify_archive(file, compress_fits(file).data)


def test_an_error_of_ours_is_not_taken_for_the_files(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise TypeError("ours")

    monkeypatch.setattr("panoptes.network.fits.other_codings.convention_cards", broken)
    for name in ("RICE_1", "HCOMPRESS_1"):
        with pytest.raises(TypeError, match="ours"):
            check_compressed(seed(name))
    with bench() as here:
        judged = here.judge(Mutant(1, "fits.fz", seed("HCOMPRESS_1"), ""))
    assert "TypeError: ours" in judged.finding


@pytest.mark.parametrize("members", [1, 8])
@pytest.mark.parametrize("spare", [False, True])
def test_a_tile_that_inflates_to_more_than_its_pixels_is_not_inflated(
    spare: bool, members: int
) -> None:
    bomb = gzip.compress(bytes((64 << 20) // members), 1) * members
    heap = bomb + bytes(-len(bomb) % 2880)
    names = ["COMPRESSED_DATA", *["GZIP_COMPRESSED_DATA"] * spare, "ZSCALE", "ZZERO"]
    forms = ["1PB(9)", *["1PB(9)"] * spare, "1D", "1D"]
    cells = [0, 0] * spare + [len(bomb), 0]
    row = np.array(cells, ">i4").tobytes() + np.array([1.0, 0.0], ">f8").tobytes()
    cards: list[tuple[str, Value]] = [
        *(("XTENSION", "BINTABLE"), ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", len(row))),
        *(("NAXIS2", 1), ("PCOUNT", len(heap)), ("GCOUNT", 1), ("TFIELDS", len(names))),
        *((f"TTYPE{n}", name) for n, name in enumerate(names, 1)),
        *((f"TFORM{n}", form) for n, form in enumerate(forms, 1)),
        *(("ZIMAGE", True), ("ZBITPIX", -32), ("ZNAXIS", 2), ("ZNAXIS1", 20), ("ZNAXIS2", 20)),
        *(("ZTILE1", 20), ("ZTILE2", 20), ("ZCMPTYPE", "RICE_1" if spare else "GZIP_1")),
        ("ZQUANTIZ", "NO_DITHER"),
    ]
    table = header_bytes([format_card(keyword, value) for keyword, value in cards])
    file = primary() + table + row + heap
    file += bytes(-len(file) % 2880)
    assert refused(check_compressed, file) == "corrupt-data"
    assert peak_of(lambda: refused(check_compressed, file)) < 8 << 20


def test_an_image_of_a_rare_coding_that_would_take_gigabytes_is_too_large() -> None:
    """Its decoder takes eight bytes a pixel and more, whatever BITPIX is."""
    file = with_card(seed("HCOMPRESS_1"), "ZNAXIS1", "10000")
    file = with_card(with_card(file, "ZNAXIS2", "10000"), "ZTILE1", "10000")
    file = with_card(with_card(file, "ZTILE2", "10000"), "NAXIS2", "1")
    tile = file.index(b"\xdd\x99")
    file = file[: tile + 2] + struct.pack(">ii", 10000, 10000) + file[tile + 10 :]
    assert refused(check_compressed, file) == "too-large"


def test_a_million_tiles_of_a_pixel_are_too_large() -> None:
    size = 1 << 20
    cards: list[tuple[str, Value]] = [
        *(("XTENSION", "BINTABLE"), ("BITPIX", 8), ("NAXIS", 2), ("NAXIS1", 8)),
        *(("NAXIS2", size), ("PCOUNT", 0), ("GCOUNT", 1), ("TFIELDS", 1)),
        *(("TTYPE1", "COMPRESSED_DATA"), ("TFORM1", "1PB(9)")),
        *(("ZIMAGE", True), ("ZBITPIX", 16), ("ZNAXIS", 1), ("ZNAXIS1", size)),
        *(("ZTILE1", 1), ("ZCMPTYPE", "GZIP_1")),
    ]
    table = header_bytes([format_card(keyword, value) for keyword, value in cards])
    file = primary() + table + bytes(8 * size)
    assert refused(check_compressed, file + bytes(-len(file) % 2880)) == "too-large"


def test_tiles_that_all_lie_in_the_same_bytes_are_corrupt_data() -> None:
    file = bytearray(seed("GZIP_1"))
    table = next(i for i in range(2880, len(file), 2880) if not file[i : i + 8].isalnum())
    whole = len(file) - table - 8 * 24 - 2880
    for tile in range(24):
        file[table + 8 * tile : table + 8 * tile + 8] = struct.pack(">ii", max(whole, 700), 0)
    assert refused(check_compressed, bytes(file)) == "corrupt-data"


# Camera raws.


def test_a_raw_that_claims_more_samples_than_its_bytes_can_hold_is_not_decoded() -> None:
    side = 13_000
    file = bytearray(seed("two components"))
    sizes = file.index(struct.pack("<HH", 96, 64))
    file[sizes : sizes + 4] = struct.pack("<HH", side, side)
    slices = file.index(struct.pack("<HHH", 1, 48, 48))
    file[slices : slices + 6] = struct.pack("<HHH", 1, side // 2, side // 2)
    frame_header = file.index(b"\xff\xc3")
    file[frame_header + 5 : frame_header + 9] = struct.pack(">HH", side, side // 2)
    begun = time.process_time()
    assert refused(read_raw, bytes(file)) == "truncated-file"
    assert time.process_time() - begun < 3


# Pictures.


def picture(size: tuple[int, int] = (64, 64), **options: object) -> bytes:
    made = io.BytesIO()
    Image.new("RGB", size, (9, 80, 200)).save(made, "JPEG", **options)
    return made.getvalue()


def check_picture(data: bytes) -> None:
    check_jpeg(data, max_pixels=200_000_000)


def test_a_picture_of_thousands_of_scans_is_refused_before_it_is_decoded() -> None:
    file = picture((4000, 4000), progressive=True)
    scan = file[file.rindex(b"\xff\xda") : -2]
    begun = time.process_time()
    assert refused(check_picture, file[:-2] + 500 * scan + b"\xff\xd9") == "corrupt-data"
    assert time.process_time() - begun < 3


def test_a_picture_of_a_million_segments_is_refused_before_it_is_read() -> None:
    file = picture()
    exif = b"\xff\xe1\0\x0eExif\0\0extend"
    begun = time.process_time()
    assert refused(check_picture, file[:2] + 100_000 * exif + file[2:]) == "corrupt-data"
    assert time.process_time() - begun < 3


@pytest.mark.parametrize("progressive", [False, True])
def test_a_picture_that_claims_more_pixels_than_its_bytes_can_hold_is_truncated(
    progressive: bool,
) -> None:
    file = picture(progressive=progressive)
    frame_header = file.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    large = struct.pack(">HH", 9000, 9000)
    file = file[: frame_header + 5] + large + file[frame_header + 9 :]
    assert refused(check_picture, file) == "truncated-file"


def test_a_progressive_picture_that_would_take_more_than_a_gigabyte_is_too_large() -> None:
    file = picture(progressive=True)
    frame_header = file.index(b"\xff\xc2")
    large = struct.pack(">HH", 12900, 12900)
    file = file[: frame_header + 5] + large + file[frame_header + 9 :]
    assert refused(check_picture, file + bytes(1 << 19)) == "too-large"


# Keywords that are another's but for their case, or behind HIERARCH.


@pytest.mark.parametrize("form", ["{:8}=", "HIERARCH {} ="])
@pytest.mark.parametrize("keyword", ["datasum", "checksum", "zimage", "pcount", "zdatasum"])
def test_a_keyword_that_only_looks_like_one_of_the_structure_is_a_card_like_any_other(
    keyword: str, form: str
) -> None:
    odd = card(form.format(keyword) + " '12345'")
    for file in (
        image(frame(12, 16), (*UNSIGNED, odd)),
        primary() + image(frame(12, 16), (*UNSIGNED, odd), extension=True),
    ):
        made = compress_fits(file).data
        verify_archive(file, made)
        assert check_source(file).checksums == "absent"
        check_compressed(made)


def test_a_table_with_a_card_that_only_looks_like_its_checksum_is_taken() -> None:
    file = seed("RICE_1, summed")
    header = file.rindex(b"END".ljust(80), 0, file.rindex(b"DATASUM") + 2880)
    odd = card("HIERARCH DATASUM = '12345'")
    assert file[header + 80 : header + 160].isspace()
    more = file[:header] + odd + b"END".ljust(80) + file[header + 160 :]
    place = more.index(b"TTYPE1")
    swapped = more[:place] + odd + more[place:header] + b"END".ljust(80) + more[header + 160 :]
    check_compressed(sealed_again(swapped))


@pytest.mark.parametrize("count", [12_000, 13_200, 20_000, 25_500, 26_000])
def test_the_header_of_whatever_is_archived_can_be_read(count: int) -> None:
    file = image(frame(12, 16), [card(f"K{n:07}= {n}") for n in range(count)])
    for suffix in ("fits", "fits.fz"):
        with bench() as here:
            judged = here.judge(Mutant(0, suffix, file, ""))
        assert (judged.verdict, judged.finding) == ("taken", "")
