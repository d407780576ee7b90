from __future__ import annotations

from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from panoptes.network.lookup.resolved import NoSuchName, tidy
from panoptes.network.lookup.written_coordinates import read_coordinates, read_designation

M42 = (83.822083, -5.391111)


@pytest.mark.parametrize(
    "text",
    [
        "05h35m17.3s -05d23m28s",
        "05h35m17.3s, -05d23m28s",
        "5h 35m 17.3s  -5d 23m 28s",
        "5h35m17.3s −05°23′28″",
        "05:35:17.3 -05:23:28",
        "05:35:17.3-05:23:28",
        "05 35 17.3 -05 23 28",
        "05 35 17.3, -05 23 28",
        "83.822083 -5.391111",
        "83.822083, -5.391111",
        "83.822083-5.391111",
        "83.822083d -5.391111d",
        "83.822083deg -5.391111deg",
        "83.822083 deg, -5.391111 deg",
        "83.822083° -5.391111°",
        "1.462971rad -0.094093rad",
        "J05351730-0523280",
        "J053517.30-052328.0",
        "j053517.3-052328",
    ],
)
def test_every_notation_of_one_place_reads_as_that_place(text: str) -> None:
    found = read_coordinates(tidy(text))
    assert found == pytest.approx(M42, abs=5e-5)


def test_two_plain_numbers_are_degrees_and_three_each_are_hours_and_degrees() -> None:
    assert read_coordinates("5.5 10.25") == (5.5, 10.25)
    assert read_coordinates("5 30 0 10 15 0") == pytest.approx((82.5, 10.25))


def test_a_right_ascension_is_given_from_0_to_360() -> None:
    assert read_coordinates("-10 5") == (350.0, 5.0)
    assert read_coordinates("360 5") == (0.0, 5.0)


@pytest.mark.parametrize("text", ["83 95", "400 5", "25:00:00 +10:00:00", "1h 99d", "1 2 3 4 5"])
def test_what_is_meant_as_coordinates_but_is_none_is_refused(text: str) -> None:
    with pytest.raises(NoSuchName, match=text[:2]):
        read_coordinates(text)


@pytest.mark.parametrize(
    "text",
    [
        "M42",
        "HD 189733",
        "3C 273",
        "4C 10",
        "30 Dor",
        "47 Tuc",
        "61 Cyg",
        "HR 8799",
        "83.8",
        "R Cas",
    ],
)
def test_names_with_numbers_and_letters_of_units_are_no_coordinates(text: str) -> None:
    assert read_coordinates(text) is None


def test_a_designation_tells_its_position() -> None:
    assert read_designation("2MASS J05351730-0523280") == pytest.approx(M42, abs=5e-5)
    assert read_designation("2MASS J05351730-0523280 b") is None


def read_or_refuse(text: str) -> None:
    """Coordinates in their range, none, or a refusal: anything else is a defect."""
    with suppress(NoSuchName):
        found = read_coordinates(tidy(text))
        assert found is None or (0 <= found[0] <= 360 and -90 <= found[1] <= 90)


@given(st.text(max_size=60))
def test_any_text_is_coordinates_or_not_or_refused(text: str) -> None:
    read_or_refuse(text)


PARTS = [*"hmsd:,+-J°'", '"', "deg", "1", "05", "-23", "+41", "17.3", ".5", "99", "1e5"]


@given(st.lists(st.sampled_from([*PARTS, " ", " "]), max_size=14))
def test_anything_made_of_numbers_and_units_is_answered(parts: list[str]) -> None:
    read_or_refuse("".join(parts))
