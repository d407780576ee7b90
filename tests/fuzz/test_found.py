"""What damaged files once brought to light, each as the smallest file that shows it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from models.errors import BadInput
from tasks.fits.archive import check_compressed, check_source, compress_fits, verify_archive
from tests.conftest import REPOSITORY
from tests.fits_samples import UNSIGNED, card, frame, image, noise, primary
from tests.fuzz.mutations import Mutant
from tests.fuzz.seeds import own_seeds
from tests.fuzz.trial import bench


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

    monkeypatch.setattr("tasks.fits.other_codings.convention_cards", broken)
    for name in ("RICE_1", "HCOMPRESS_1"):
        with pytest.raises(TypeError, match="ours"):
            check_compressed(seed(name))
    with bench() as here:
        judged = here.judge(Mutant(1, "fits.fz", seed("HCOMPRESS_1"), ""))
    assert "TypeError: ours" in judged.finding
