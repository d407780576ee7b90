"""Counts and sums."""

from __future__ import annotations

import math
import random

import pytest

from panoptes.network.catalog.catalog import (
    Catalog,
    Condition,
    Query,
    Stored,
)
from tests.network.catalog.contract.documents import (
    NOON,
    fill,
)


def test_sums_pass_over_documents_without_the_field(images: Catalog) -> None:
    query = Query("images", where=[("sequence_id", "==", "second")])
    assert images.aggregate(query, sums=["exptime", "healpix"]) == {
        "count": 2,
        "exptime": 34.5,
        "healpix": 900,
    }


def test_sums_of_nothing_are_zero(catalog: Catalog) -> None:
    assert catalog.aggregate(Query("images"), sums=["exptime"]) == {"count": 0, "exptime": 0}


@pytest.mark.parametrize(
    ("query", "sums"),
    [
        (Query("images", limit=2), []),
        (Query("images", order_by=[("time", "asc")]), []),
        (Query("images", where=[("time", ">", NOON)]), ["exptime"]),
        (Query("images", start_after=Stored("images", "x", {}, "1")), []),
        (Query("images"), ["count"]),
        (Query("images"), ["name"]),
    ],
    ids=str,
)
def test_sums_are_of_numbers_and_of_all_that_have_some_values(
    catalog: Catalog, query: Query, sums: list[str]
) -> None:
    with pytest.raises(ValueError, match=r"sum|asked for"):
        catalog.aggregate(query, sums=sums)


def test_what_lies_in_a_range_is_counted(catalog: Catalog) -> None:
    cells = {"a": 3, "b": 5, "c": 5, "d": 9, "e": "5", "f": None}
    fill(catalog, {key: {"healpix": cell, "image_type": "light"} for key, cell in cells.items()})
    fill(catalog, {"dark": {"healpix": 5, "image_type": "dark"}})
    within: list[Condition] = [("healpix", ">=", 5), ("healpix", "<", 9)]
    assert catalog.aggregate(Query("things", within)) == {"count": 3}
    lights: Condition = ("image_type", "==", "light")
    assert catalog.aggregate(Query("things", [lights, *within])) == {"count": 2}


def test_what_is_no_number_adds_nothing(catalog: Catalog) -> None:
    for number, value in enumerate([1, 2.5, "3", None, True, [4], NOON]):
        catalog.create("things", str(number), {"exptime": value})
    assert catalog.aggregate(Query("things"), sums=["exptime"]) == {"count": 7, "exptime": 3.5}


def test_a_sum_of_exposures_is_right_to_the_millisecond(catalog: Catalog) -> None:
    times = [random.Random(n).uniform(0.001, 300) for n in range(500)]
    fill(catalog, {str(n): {"exptime": t} for n, t in enumerate(times)})
    found = catalog.aggregate(Query("things"), sums=["exptime"])["exptime"]
    assert round(found, 3) == round(math.fsum(times), 3)
