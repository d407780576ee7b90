"""FITS cards to document fields, of both keyword generations."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from panoptes.network.catalog.values import clean_fields
from panoptes.network.documents import Camera, Document, Image, Observation
from panoptes.network.keywords import KEYWORDS, describe, read_float, read_int, table

MODELS: dict[type[Document], str] = {
    Camera: "camera",
    Observation: "observation",
    Image: "image",
}


def test_the_older_and_the_newer_keywords_fill_the_same_fields() -> None:
    older = describe({"RA-MNT": 12.5, "DEC-MNT": -3.0, "MOONFRAC": 0.25, "MOONSEP": 80.0})
    newer = describe(
        {"RA_MNT": 12.5, "DEC_MNT": -3.0, "MOON_FRACTION": 0.25, "MOON_SEPARATION": 80}
    )
    assert older.image == newer.image
    assert older.image["moonfrac"] == 0.25


def test_the_first_card_of_a_row_that_holds_a_value_wins() -> None:
    assert describe({"MOONFRAC": 0.1, "MOON_FRACTION": 0.9}).image["moonfrac"] == 0.1
    assert describe({"MOONFRAC": "", "MOON_FRACTION": 0.9}).image["moonfrac"] == 0.9
    assert describe({"MOONFRAC": "much", "MOON_FRACTION": 0.9}).image["moonfrac"] == 0.9


@pytest.mark.parametrize("empty", [None, "", "   ", "nan", "NaN", "None", "N/A", math.nan])
def test_an_empty_card_is_an_absent_field_and_no_note(empty: object) -> None:
    said = describe(dict.fromkeys((card for k in KEYWORDS for card in k.cards), empty))
    assert (said.unit, said.camera, said.observation, said.image) == ({}, {}, {}, {})
    assert said.notes == ()


def test_no_cards_are_no_fields() -> None:
    assert describe({}).image == {}


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("11 C", 11.0),
        ("0.019 mm", 0.019),
        ("1/200", 0.005),
        ("  -3.5e2 ", -350.0),
        ("1.5D2", 150.0),
        (".5", 0.5),
        ("50%", 50.0),
        (120, 120.0),
        (math.inf, None),
        ("1e999", None),
    ],
)
def test_a_number_is_read_with_its_unit(text: str | float, number: float | None) -> None:
    assert read_float(text) == number


@pytest.mark.parametrize(
    ("value", "number"), [("100", 100), (100.0, 100), ("100.0", 100), (2**62, 2**62)]
)
def test_a_whole_number_stays_whole(value: str | float, number: int) -> None:
    assert read_int(value) == number
    assert isinstance(read_int(value), int)


@pytest.mark.parametrize(
    ("card", "value"),
    [
        ("EXPTIME", "long"),
        ("EXPTIME", -1.0),
        ("EXPTIME", "1/0"),
        ("EXPTIME", True),
        ("EXPTIME", 1 + 2j),
        ("EXPTIME", "9" * 400 + "/1"),
        ("EXPTIME", "9" * 5000 + "/1"),
        ("ISO", 100.5),
        ("ISO", "auto"),
        ("RA-MNT", 361.0),
        ("DEC-MNT", -999),
        ("MEASRGGB", "471 1024 1024"),
        ("MEASRGGB", "a b c d"),
        ("WHTLVLN", 2.5),
        ("FIELD", "x" * 100_000),
    ],
)
def test_a_card_that_is_not_understood_is_left_out_and_noted(card: str, value: object) -> None:
    said = describe({card: value, "AIRMASS": 1.2})
    assert said.image == {"airmass": 1.2}
    assert said.observation == {}
    assert any(note.startswith(f"{card} = ") for note in said.notes)
    assert all(len(note) < 300 for note in said.notes)


def test_the_four_measured_values_are_red_two_greens_and_blue() -> None:
    image = describe({"MEASRGGB": "471 1024 1025 733"}).image
    assert [image[k] for k in ("measr", "measg", "measg2", "measb")] == [471, 1024, 1025, 733]


@pytest.mark.parametrize(
    ("ctype", "is_solved"),
    [("RA---TAN", True), ("RA---TAN-SIP", True), (None, True), ("", True), ("GLON-CAR", False),
     ("LINEAR", False)],
)  # fmt: skip
def test_a_reference_value_counts_only_as_right_ascension(
    ctype: str | None, is_solved: bool
) -> None:
    header = {"CTYPE1": ctype, "CRVAL1": 10.0, "CRVAL2": 20.0, "RA-MNT": 11.0, "DEC-MNT": 21.0}
    said = describe(header)
    assert ("ra_image" in said.image) is is_solved
    assert said.observation["ra"] == (10.0 if is_solved else 11.0)


def test_the_centre_of_an_observation_is_solved_else_the_fields_else_the_mounts() -> None:
    mount = {"RA-MNT": 2.0, "DEC-MNT": 20.0}
    field = {"FIELD_RA": 1.0, "FIELD_DEC": 10.0}
    solved = {"CRVAL1": 3.0, "CRVAL2": 30.0}

    def centre(cards: Mapping[str, object]) -> tuple[object, object]:
        said = describe(cards).observation
        return said.get("ra"), said.get("dec")

    assert centre(mount) == (2.0, 20.0)
    assert centre(mount | field) == (1.0, 10.0)
    assert centre(mount | field | solved) == (3.0, 30.0)


def test_a_position_is_one_pair_of_cards_and_never_half_of_each_of_two() -> None:
    mount = {"RA-MNT": 2.0, "DEC-MNT": 20.0}
    for half in (
        {"CRVAL1": 3.0},
        {"CRVAL2": 30.0},
        {"CRVAL1": 3.0, "CRVAL2": 99.0},
        {"FIELD_RA": -999, "FIELD_DEC": 10.0},
    ):
        said = describe(mount | half)
        assert (said.observation["ra"], said.observation["dec"]) == (2.0, 20.0), half
        assert "ra_image" not in said.image
        assert "dec_image" not in said.image


def test_axes_that_are_no_sky_or_the_standards_default_are_no_solution() -> None:
    for cards in (
        {"CRVAL1": 0.0, "CRVAL2": 0.0},
        {"CRVAL1": 3.0, "CRVAL2": 30.0, "CTYPE1": "GLON-TAN", "CTYPE2": "GLAT-TAN"},
        {"CRVAL1": 3.0, "CRVAL2": 30.0, "CTYPE1": "RA---TAN", "CTYPE2": "LINEAR"},
    ):
        assert describe(cards).image == {}, cards
    solved = {"CRVAL1": 0.0, "CRVAL2": 0.0, "CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN"}
    assert describe(solved).image == {"ra_image": 0.0, "dec_image": 0.0}


def test_a_right_ascension_below_zero_is_the_same_place_above_it() -> None:
    assert describe({"CRVAL1": -10.0, "CRVAL2": 20.0}).image["ra_image"] == 350.0


def test_commentary_and_other_objects_in_a_header_do_no_harm() -> None:
    assert describe({"COMMENT": ["a", "b"], "EXPTIME": object(), "": None}).image == {}


values = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**69), 10**69),
    st.floats(),
    st.complex_numbers(),
    st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=70),
    st.from_regex(r"[0-9]{1,3}[/.eD ][0-9]{0,3} ?[a-z]{0,3}", fullmatch=True),
)


@settings(max_examples=50)
@given(st.dictionaries(st.sampled_from([c for k in KEYWORDS for c in k.cards]), values))
@example({"WHTLVLN": 10**60})
@example({"EXPTIME": "1/0"})
def test_whatever_the_cards_hold_the_documents_can_be_stored(header: dict[str, object]) -> None:
    said = describe(header)
    for filled in (said.unit, said.camera, said.observation, said.image):
        clean_fields(filled)
    for model, document in MODELS.items():
        for name, value in getattr(said, document).items():
            shell = model.model_construct()
            model.__pydantic_validator__.validate_assignment(shell, name, value)


def test_every_field_of_the_table_is_a_field_of_its_document() -> None:
    models = {filled: model for model, filled in MODELS.items()}
    for keyword in KEYWORDS:
        if keyword.document != "unit":
            assert keyword.name in models[keyword.document].model_fields


def test_the_page_names_every_card() -> None:
    page = table()
    assert all(f"`{card}`" in page for k in KEYWORDS for card in k.cards)


def test_the_page_is_current(repository: Path) -> None:
    assert (repository / "docs" / "keywords.md").read_text(encoding="utf-8") == table()
