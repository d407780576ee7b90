"""What a query finds, in which order, and which queries are refused."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from panoptes.network.catalog.catalog import (
    Catalog,
    Query,
    Stored,
)
from panoptes.network.documents import GeoPoint
from tests.network.catalog.contract.documents import (
    NOON,
    at,
    exact,
    fill,
    keys,
    update,
)


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ([("sequence_id", "==", "second")], "45"),
        ([("sequence_id", "==", "none")], ""),
        ([("status", "in", ["received", "uploaded"])], "0235"),
        ([("status", "in", ["none"])], ""),
        ([("sequence_id", "==", "first"), ("status", "in", ["received", "uploaded"])], "023"),
        ([("returns", "==", 0)], "03"),
        ([("announced", "==", False)], "1345"),
        ([("sequence_id", "==", "first"), ("announced", "==", True)], "02"),
        ([("time", "==", at(3).astimezone(timezone(timedelta(hours=5))))], "3"),
        ([("code", "==", "x")], ""),
    ],
)
def test_a_query_finds_what_meets_all_conditions(images: Catalog, where: Any, found: str) -> None:
    query = Query("images", where=where)
    assert keys(images, query) == [f"i{digit}" for digit in found]
    assert images.aggregate(query) == {"count": len(found)}


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ([("sequence_id", "==", "first"), ("time", ">", at(1))], "23"),
        ([("time", ">=", at(4))], "45"),
        ([("time", "<", at(1))], "0"),
        ([("healpix", "<=", 100)], "01"),
        ([("healpix", ">", 99), ("healpix", "<", 301)], "123"),
        ([("sequence_id", ">=", "s"), ("sequence_id", "<", "t")], "45"),
        ([("returns", ">=", 1)], "1425"),
        ([("code", ">", "")], ""),
    ],
)
def test_a_range_finds_what_lies_in_it_in_its_order(
    images: Catalog, where: Any, found: str
) -> None:
    assert keys(images, Query("images", where=where)) == [f"i{digit}" for digit in found]


FOREIGN: list[Any] = [
    *(None, False, True, 0, 1, 1.5, NOON, "", "1", "true"),
    *(GeoPoint(1.0, 1.0), [1], {"a": 1}, {"$time": "2018"}),
]
"""What other software may have written into a field."""


@pytest.mark.parametrize(
    ("field", "least", "same"),
    [
        ("code", "", ["", "1", "true"]),
        ("time", datetime(1, 1, 1, tzinfo=UTC), [NOON]),
        ("healpix", -(2**63), [0, 1, 1.5]),
        ("announced", False, [False, True]),
    ],
)
def test_a_field_is_found_by_values_of_its_own_type(
    catalog: Catalog, field: str, least: Any, same: list[Any]
) -> None:
    for number, value in enumerate(FOREIGN):
        catalog.create("things", f"{number:02}", {field: value})
    catalog.create("things", "absent", {"w": 1})

    def found(query: Query) -> list[Any]:
        return [exact(stored.fields[field]) for stored in catalog.query(query)]

    assert found(Query("things", where=[(field, ">=", least)])) == [exact(v) for v in same]
    assert found(Query("things", order_by=[(field, "asc")])) == [exact(v) for v in same]
    assert found(Query("things", order_by=[(field, "desc")])) == [exact(v) for v in same[::-1]]
    assert found(Query("things", where=[(field, "==", same[-1] if field != "healpix" else 1)]))
    assert len(keys(catalog, Query("things"))) == len(FOREIGN) + 1


def test_strings_are_ordered_by_their_utf8_bytes(catalog: Catalog) -> None:
    texts = [
        "",
        "\x00",
        "\x00\x00",
        "\x00a",
        "\x01",
        "\x01\x01",
        "\x02",
        " ",
        "A",
        "Z",
        "a",
        "a\x00",
        "a\x01",
        "a ",
        "aa",
        "é",
        "\ufffd",
        "🔭",
    ]
    shuffled = random.Random(0).sample(texts, len(texts))
    for number, text in enumerate(shuffled):
        catalog.create("things", f"{number:02}", {"name": text})
    query = Query("things", order_by=[("name", "asc")])
    assert [stored.fields["name"] for stored in catalog.query(query)] == texts
    for text in texts:
        later = Query("things", where=[("name", ">", text)])
        assert [s.fields["name"] for s in catalog.query(later)] == texts[texts.index(text) + 1 :]
        assert catalog.aggregate(Query("things", where=[("name", "==", text)])) == {"count": 1}


def test_results_come_in_order_and_ties_by_key_in_its_direction(images: Catalog) -> None:
    def ordered(*order_by: Any) -> str:
        return "".join(key[1] for key in keys(images, Query("images", order_by=order_by)))

    assert ordered() == "012345"
    assert ordered(("time", "desc")) == "543210"
    assert ordered(("sequence_id", "desc")) == "543210"
    assert ordered(("sequence_id", "asc")) == "012345"
    assert ordered(("returns", "asc")) == "031425"
    assert ordered(("returns", "desc")) == "524130"


def test_a_document_without_the_ordered_field_is_left_out(catalog: Catalog) -> None:
    for key, fields in (("a", {"time": NOON}), ("b", {}), ("c", {"time": None})):
        catalog.create("images", key, fields)
    assert keys(catalog, Query("images", order_by=[("time", "desc")])) == ["a"]


@pytest.mark.parametrize(
    "query",
    [
        Query("a/b"),
        Query("images", limit=0),
        Query("images", where=[("time", "!=", NOON)]),  # type: ignore[list-item]
        Query("images", where=[("time", "<", None)]),
        Query("images", where=[("time", "==", "yesterday")]),
        Query("images", where=[("time", "==", NOON.replace(tzinfo=None))]),
        Query("images", where=[("name", "==", ["x"])]),
        Query("images", where=[("healpix", "==", True)]),
        Query("images", where=[("status", "in", [None])]),
        Query("images", where=[("status", "in", [])]),
        Query("images", where=[("status", "in", ["x"] * 31)]),
        Query("images", where=[("undeclared", "==", 1)]),
        Query("images", where=[("time) OR (1", "==", 1)]),
        Query("images", where=[("time", ">", NOON), ("healpix", "<", 5)]),
        Query("images", where=[("time", ">", NOON)], order_by=[("healpix", "asc")]),
        Query("images", order_by=[("time", "asc"), ("healpix", "asc")]),
        Query("images", order_by=[("undeclared", "asc")]),
        Query("images", order_by=[("time", "up")]),  # type: ignore[list-item]
        Query(
            "images", order_by=[("time", "asc")], start_after=Stored("images", "x", {"b": 1}, "1")
        ),
    ],
    ids=str,
)
def test_a_query_that_makes_no_sense_is_refused_at_once(catalog: Catalog, query: Query) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        catalog.query(query)
    with pytest.raises(ValueError, match=r"\w"):
        catalog.aggregate(query)


def test_documents_may_be_written_while_a_query_is_read(catalog: Catalog) -> None:
    fill(catalog, {f"{n:03}": {"returns": n} for n in range(400)})
    for stored in catalog.query(Query("things", order_by=[("returns", "asc")])):
        if stored.fields["returns"] % 50 == 0:
            update(catalog, stored, {"returns": stored.fields["returns"] + 1000})
    assert len(keys(catalog, Query("things", where=[("returns", ">=", 1000)]))) == 8


def test_a_query_sees_one_moment(catalog: Catalog) -> None:
    fill(catalog, {f"{n:03}": {} for n in range(400)})
    results = catalog.query(Query("things"))
    assert next(results).key == "000"
    catalog.create("things", "399a", {})
    assert sum(1 for _ in results) == 399


def test_a_query_may_read_some_fields_only(catalog: Catalog) -> None:
    place = GeoPoint(19.5, -155.6)
    whole = {"status": "new", "a place": place, "$odd": {"at": NOON}, "time": NOON, "size": 5}
    fill(catalog, {"one": whole, "two": {"time": at(1)}})
    query = Query("things", order_by=[("time", "asc")], only=["a place", "$odd", "none"])
    found = list(catalog.query(query))
    assert [each.fields for each in found] == [
        {"a place": place, "$odd": {"at": NOON}, "time": NOON},
        {"time": at(1)},
    ]
    following = replace(query, limit=1, start_after=found[0])
    assert keys(catalog, following) == ["two"]
