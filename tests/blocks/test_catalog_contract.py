"""What every catalog does, SQLite and Firestore alike."""

from __future__ import annotations

import math
import multiprocessing
import pickle
import random
import uuid
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from blocks.catalog import (
    AlreadyExists,
    Catalog,
    Conflict,
    Create,
    Fields,
    Query,
    Stored,
    Update,
    modify,
)
from blocks.firestore import FirestoreCatalog
from blocks.sqlite import SqliteCatalog
from models.documents import GeoPoint
from tests.patience import be_patient

NOON = datetime(2018, 2, 16, 12, tzinfo=UTC)


def make(
    kind: str, request: pytest.FixtureRequest, folder: Path
) -> SqliteCatalog | FirestoreCatalog:
    if kind == "sqlite":
        return SqliteCatalog(folder / "catalog.sqlite")
    host = request.getfixturevalue("firestore_emulator")
    return FirestoreCatalog(f"test-{uuid.uuid4().hex[:20]}", emulator=host)


@pytest.fixture(params=["sqlite", "firestore"])
def catalog(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Catalog]:
    made = make(request.param, request, tmp_path)
    made.check()
    yield made
    made.close()


@pytest.fixture
def images(catalog: Catalog) -> Catalog:
    """Six images of two sequences, the last without an exposure time."""
    for number in range(6):
        fields: Fields = {
            "sequence_id": "first" if number < 4 else "second",
            "time": NOON + timedelta(seconds=number),
            "iso": 100 * number,
            "exptime": 30.5 + number,
            "camera": {"temperature": float(number % 3)},
        }
        if number == 5:
            del fields["exptime"]
        catalog.create("images", f"i{number}", fields)
    return catalog


def keys(catalog: Catalog, query: Query) -> list[str]:
    return [stored.key for stored in catalog.query(query)]


# Documents


class Outcome(StrEnum):
    ARCHIVED = "archived"


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        False,
        0,
        5,
        -(2**63),
        2**63 - 1,
        2**53 + 1,
        3400.0,
        -0.0,
        5e-324,
        0.1,
        1.7976931348623157e308,
        -2.5e-07,
        "",
        "plain",
        "'; DROP TABLE documents; --",
        'a "quoted" \\ path/with\ttabs\nand lines',
        "Ōtepoti 望遠鏡 🔭 \u2028 \x7f \ufeff",
        "\x00in\x01\x02\x00\x01side",
        '{"$time":"2018-02-16T12:00:00.000000Z"}',
        NOON,
        datetime(1858, 11, 17, 0, 0, 0, 1, tzinfo=UTC),
        datetime(1, 1, 1, tzinfo=UTC),
        datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
        GeoPoint(19.54, -155.58),
        GeoPoint(-90.0, 180.0),
        [],
        {},
        [1, 1.0, None, "x", NOON, {"deep": [GeoPoint(1.0, 2.0)]}],
        {"a": {"b": {"c": NOON}}, "d.e": 1},
        {"$time": "2018"},
        {"$point": [1, 2]},
        {"$$time": {"$map": {}}, "\x01\x00": "\x00"},
    ],
    ids=repr,
)
def test_a_value_comes_back_as_it_was_given(catalog: Catalog, value: Any) -> None:
    created = catalog.create("images", "one", {"value": value, "other": 1})
    stored = catalog.get("images", "one")
    assert stored == created
    assert stored is not None
    assert stored.fields["value"] == value
    assert exact(stored.fields["value"]) == exact(value)


def exact(value: Any) -> Any:
    """Tells 5 from 5.0 and True, and 0.0 from -0.0, wherever they are."""
    if isinstance(value, GeoPoint | list):
        return (type(value), [exact(item) for item in value])
    if isinstance(value, dict):
        return {name: exact(item) for name, item in value.items()}
    return (type(value), repr(value))


def test_times_come_back_in_utc_whatever_zone_they_were_given_in(catalog: Catalog) -> None:
    hawaii = timezone(timedelta(hours=-10))
    catalog.create("images", "one", {"time": NOON.astimezone(hawaii)})
    stored = catalog.get("images", "one")
    assert stored is not None
    assert repr(stored.fields["time"]) == repr(NOON)


def test_members_of_enumerations_are_kept_as_their_values(catalog: Catalog) -> None:
    created = catalog.create("files", "one", {"outcome": Outcome.ARCHIVED})
    assert exact(created.fields) == exact({"outcome": "archived"})
    assert catalog.get("files", "one") == created


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        2**63,
        "\ud800",
        NOON.replace(tzinfo=None),
        NOON.date(),
        (1, 2),
        {1},
        b"bytes",
        [[1]],
        {"": 1},
        {1: 1},
        {"__name__": 1},
        {"a": [math.nan]},
        GeoPoint(91.0, 0.0),
        GeoPoint(0.0, 200.0),
        Path("x"),
        "x" * 1_100_000,
    ],
    ids=lambda value: repr(value)[:30],
)
def test_what_a_catalog_cannot_keep_is_refused(catalog: Catalog, value: Any) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        catalog.create("images", "one", {"value": value})
    assert catalog.get("images", "one") is None


def test_a_document_that_would_grow_too_large_stays_as_it_is(catalog: Catalog) -> None:
    stored = catalog.create("images", "one", {"a": "x" * 600_000})
    with pytest.raises(ValueError, match=r"large|exceeds|size|limit"):
        catalog.update("images", "one", {"b": "x" * 600_000}, version=stored.version)
    assert catalog.get("images", "one") == stored


@pytest.mark.parametrize("key", ["", "a/b", ".", "..", "__x__", "x" * 1501, "\udcff"])
def test_a_key_that_firestore_refuses_is_refused(catalog: Catalog, key: str) -> None:
    with pytest.raises(ValueError, match="key"):
        catalog.get("files", key)
    with pytest.raises(ValueError, match="key"):
        catalog.create("files", key, {})
    with pytest.raises(ValueError, match="key"):
        catalog.update("files", key, {"a": 1}, version="1")
    with pytest.raises(ValueError, match="key"):
        catalog.delete("files", key, version="1")


def test_a_key_may_be_any_percent_encoded_name(catalog: Catalog) -> None:
    names = ["PAN001%2F14d3bd%2Fx.fits", "%2E", "~tilde+plus", "x" * 1400, "dot.dot", "ö 望"]
    for name in names:
        catalog.create("files", name, {"name": name})
    assert sorted(keys(catalog, Query("files"))) == sorted(names)


def test_an_absent_document_is_none(catalog: Catalog) -> None:
    assert catalog.get("images", "nowhere") is None


def test_collections_do_not_share_keys(catalog: Catalog) -> None:
    catalog.create("images", "one", {"a": 1})
    catalog.create("files", "one", {"a": 2})
    assert keys(catalog, Query("images", where=[("a", "==", 2)])) == []


# Compare-and-set


def test_a_document_is_created_once(catalog: Catalog) -> None:
    first = catalog.create("images", "one", {"a": 1})
    with pytest.raises(AlreadyExists):
        catalog.create("images", "one", {"a": 2})
    assert catalog.get("images", "one") == first


def test_one_of_many_creators_wins(catalog: Catalog) -> None:
    def create(number: int) -> bool:
        try:
            catalog.create("leases", "one", {"holder": number})
        except AlreadyExists:
            return False
        return True

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(create, range(16))) == 1


def test_an_update_merges_top_level_fields_and_keeps_the_others(catalog: Catalog) -> None:
    stored = catalog.create("units", "PAN001", {"telemetry": {"a": 1, "b": 2}, "name": "x", "z": 0})
    updated = catalog.update(
        "units", "PAN001", {"telemetry": {"c": 3}, "status": "active"}, version=stored.version
    )
    assert updated.fields == {"telemetry": {"c": 3}, "name": "x", "z": 0, "status": "active"}
    assert updated.version != stored.version
    assert catalog.get("units", "PAN001") == updated


def test_an_update_drops_the_fields_it_names(catalog: Catalog) -> None:
    stored = catalog.create("units", "PAN001", {"a": 1, "b.c": 2, "b": {"c": 3}})
    updated = catalog.update(
        "units", "PAN001", {}, version=stored.version, remove=["b.c", "a", "never there"]
    )
    assert updated.fields == {"b": {"c": 3}}
    assert catalog.get("units", "PAN001") == updated


@pytest.mark.parametrize(
    "name",
    [
        "RA-MNT",
        "a.b",
        "`",
        "back\\slash",
        "\\`",
        "trailing\\",
        "with space",
        "0",
        "'",
        '"',
        "望",
        "$time",
        "*~/[]",
    ],
)
def test_a_field_may_have_any_name(catalog: Catalog, name: str) -> None:
    stored = catalog.create("images", "one", {name: 1, "other": 1})
    stored = catalog.update("images", "one", {name: 2}, version=stored.version)
    assert catalog.get("images", "one") == stored
    assert stored.fields == {name: 2, "other": 1}
    stored = catalog.update("images", "one", {}, version=stored.version, remove=[name])
    assert stored.fields == {"other": 1}
    assert catalog.get("images", "one") == stored


def test_an_update_of_another_version_changes_nothing(catalog: Catalog) -> None:
    old = catalog.create("images", "one", {"a": 1})
    new = catalog.update("images", "one", {"a": 2}, version=old.version)
    for version in (old.version, "", "no version", "1.000001000"):
        with pytest.raises(Conflict):
            catalog.update("images", "one", {"a": 3}, version=version)
        with pytest.raises(Conflict):
            catalog.delete("images", "one", version=version)
    assert catalog.get("images", "one") == new


def test_an_absent_document_cannot_be_updated_or_deleted(catalog: Catalog) -> None:
    version = catalog.create("images", "other", {}).version
    with pytest.raises(Conflict):
        catalog.update("images", "one", {"a": 1}, version=version)
    with pytest.raises(Conflict):
        catalog.delete("images", "one", version=version)


def test_an_update_that_changes_nothing_keeps_the_version(catalog: Catalog) -> None:
    stored = catalog.create("images", "one", {"a": 1, "b": NOON})
    assert catalog.update("images", "one", {"b": NOON}, version=stored.version) == stored


def test_an_update_of_nothing_is_refused(catalog: Catalog) -> None:
    stored = catalog.create("images", "one", {"a": 1})
    with pytest.raises(ValueError, match="nothing"):
        catalog.update("images", "one", {}, version=stored.version)
    with pytest.raises(ValueError, match="both"):
        catalog.update("images", "one", {"a": 2}, version=stored.version, remove=["a"])


def test_a_deleted_document_made_anew_has_a_new_version(catalog: Catalog) -> None:
    old = catalog.create("leases", "one", {"a": 1})
    catalog.delete("leases", "one", version=old.version)
    assert catalog.get("leases", "one") is None
    new = catalog.create("leases", "one", {"a": 1})
    assert new.version != old.version
    with pytest.raises(Conflict):
        catalog.delete("leases", "one", version=old.version)


# Batches


def test_a_batch_is_written_whole(catalog: Catalog) -> None:
    stored = catalog.create("units", "PAN001", {"a": 1, "b": 2})
    catalog.write_batch(
        [
            Create("images", "one", {"t": NOON}),
            Update("units", "PAN001", {"a": 5}, stored.version, remove=["b"]),
        ]
    )
    image, unit = catalog.get("images", "one"), catalog.get("units", "PAN001")
    assert image is not None
    assert image.fields == {"t": NOON}
    assert unit is not None
    assert unit.fields == {"a": 5}


def test_nothing_of_a_batch_happens_if_one_document_exists(catalog: Catalog) -> None:
    there = catalog.create("images", "there", {})
    with pytest.raises(AlreadyExists):
        catalog.write_batch([Create("images", "new", {}), Create("images", "there", {"a": 1})])
    assert list(catalog.query(Query("images"))) == [there]


def test_nothing_of_a_batch_happens_if_one_version_is_old(catalog: Catalog) -> None:
    old = catalog.create("images", "there", {"a": 1})
    new = catalog.update("images", "there", {"a": 2}, version=old.version)
    with pytest.raises(Conflict):
        catalog.write_batch(
            [Create("images", "new", {}), Update("images", "there", {"a": 3}, old.version)]
        )
    assert list(catalog.query(Query("images"))) == [new]


def test_a_batch_holds_500_writes_and_no_more(catalog: Catalog) -> None:
    writes = [Create("images", f"{number:03}", {"n": number}) for number in range(501)]
    with pytest.raises(ValueError, match="500"):
        catalog.write_batch(writes)
    catalog.write_batch(writes[:500])
    assert catalog.aggregate(Query("images"), sums=["n"]) == {"count": 500, "n": 124_750}


def test_a_batch_writes_a_document_once(catalog: Catalog) -> None:
    with pytest.raises(ValueError, match="twice"):
        catalog.write_batch([Create("images", "one", {}), Create("images", "one", {})])
    catalog.write_batch([])
    assert catalog.get("images", "one") is None


# Queries


@pytest.mark.parametrize(
    ("where", "found"),
    [
        ([("sequence_id", "==", "second")], "45"),
        ([("sequence_id", "==", "none")], ""),
        ([("sequence_id", "==", "first"), ("time", ">", NOON + timedelta(seconds=1))], "23"),
        ([("time", ">=", NOON + timedelta(seconds=4))], "45"),
        ([("time", "<", NOON + timedelta(seconds=1))], "0"),
        (
            [
                (
                    "time",
                    "==",
                    (NOON + timedelta(seconds=3)).astimezone(timezone(timedelta(hours=5))),
                )
            ],
            "3",
        ),
        ([("iso", "<=", 100)], "01"),
        ([("iso", "==", 100.0)], "1"),
        ([("exptime", ">", 33)], "34"),
        ([("iso", ">", 99), ("iso", "<", 301)], "123"),
        ([("iso", "in", [0, 300, 7])], "03"),
        ([("iso", "in", [500, "first", True])], "5"),
        ([("iso", "in", [])], ""),
        ([("camera.temperature", "==", 2.0)], "25"),
        ([("camera.humidity", "==", 2.0)], ""),
        ([("sequence_id.deeper", "==", 2.0)], ""),
    ],
)
def test_a_query_finds_what_meets_all_conditions(images: Catalog, where: Any, found: str) -> None:
    query = Query("images", where=where)
    assert keys(images, query) == [f"i{digit}" for digit in found]
    assert images.aggregate(query) == {"count": len(found)}


def test_a_value_matches_only_values_of_its_own_type(catalog: Catalog) -> None:
    values = [
        None,
        False,
        True,
        0,
        1,
        1.5,
        NOON,
        "",
        "1",
        "true",
        GeoPoint(1.0, 1.0),
        [1],
        {"a": 1},
    ]
    for number, value in enumerate(values):
        catalog.create("things", f"{number:02}", {"v": value})
    catalog.create("things", "absent", {"w": 1})

    def found(operator: Any, value: Any) -> list[Any]:
        query = Query("things", where=[("v", operator, value)])
        return [stored.fields["v"] for stored in catalog.query(query)]

    assert found("==", None) == [None]
    assert [exact(v) for v in found("==", 1)] == [exact(1)]
    assert [exact(v) for v in found("==", True)] == [exact(True)]
    assert [exact(v) for v in found(">=", False)] == [exact(False), exact(True)]
    assert [exact(v) for v in found(">", 0)] == [exact(1), exact(1.5)]
    assert [exact(v) for v in found("<", 5)] == [exact(0), exact(1), exact(1.5)]
    assert found(">=", "") == ["", "1", "true"]
    assert found("<=", "zzz") == ["", "1", "true"]
    assert found("<", NOON) == []
    assert found(">=", datetime(1, 1, 1, tzinfo=UTC)) == [NOON]
    assert found("==", GeoPoint(1.0, 1.0)) == [GeoPoint(1.0, 1.0)]
    assert found("in", [GeoPoint(1.0, 1.0), "1", True]) == [True, "1", GeoPoint(1.0, 1.0)]


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
        catalog.create("things", f"{number:02}", {"text": text})
    query = Query("things", order_by=[("text", "asc")])
    assert [stored.fields["text"] for stored in catalog.query(query)] == texts
    for text in texts:
        later = Query("things", where=[("text", ">", text)])
        assert [s.fields["text"] for s in catalog.query(later)] == texts[texts.index(text) + 1 :]
        assert catalog.aggregate(Query("things", where=[("text", "==", text)])) == {"count": 1}


def test_types_are_ordered_as_in_firestore(catalog: Catalog) -> None:
    values = [
        None,
        False,
        True,
        -1,
        0.5,
        1,
        NOON,
        NOON + timedelta(microseconds=1),
        "",
        "x",
        GeoPoint(0.0, 0.0),
    ]
    for number, value in enumerate(reversed(values)):
        catalog.create("things", f"{number:02}", {"v": value})
    query = Query("things", order_by=[("v", "asc")])
    assert [stored.fields["v"] for stored in catalog.query(query)] == values
    query = Query("things", order_by=[("v", "desc")])
    assert [stored.fields["v"] for stored in catalog.query(query)] == values[::-1]


def test_results_come_in_order_and_ties_by_key_in_the_last_direction(images: Catalog) -> None:
    def ordered(*order_by: Any) -> str:
        return "".join(key[1] for key in keys(images, Query("images", order_by=order_by)))

    assert ordered() == "012345"
    assert ordered(("time", "desc")) == "543210"
    assert ordered(("sequence_id", "desc")) == "543210"
    assert ordered(("sequence_id", "asc")) == "012345"
    assert ordered(("camera.temperature", "asc"), ("iso", "desc")) == "304152"
    assert ordered(("camera.temperature", "desc"), ("sequence_id", "asc")) == "251403"


def test_a_document_without_an_ordered_field_is_left_out(images: Catalog) -> None:
    assert keys(images, Query("images", order_by=[("exptime", "desc")])) == [
        "i4",
        "i3",
        "i2",
        "i1",
        "i0",
    ]
    query = Query("images", order_by=[("exptime", "asc")])
    assert images.aggregate(query) == {"count": 5}


def test_an_inequality_orders_by_its_field(images: Catalog) -> None:
    query = Query("images", where=[("camera.temperature", ">=", 1.0)])
    assert keys(images, query) == ["i1", "i4", "i2", "i5"]


def test_a_limit_takes_the_first(images: Catalog) -> None:
    query = Query("images", order_by=[("time", "desc")], limit=2)
    assert keys(images, query) == ["i5", "i4"]
    assert images.aggregate(query) == {"count": 2}


@pytest.mark.parametrize(
    "order_by",
    [
        [],
        [("tie", "asc")],
        [("tie", "desc")],
        [("tie", "desc"), ("mixed", "asc")],
        [("mixed", "asc")],
        [("mixed", "desc"), ("deep.number", "desc")],
        [("deep.number", "asc")],
    ],
    ids=repr,
)
def test_pages_join_to_the_whole(catalog: Catalog, order_by: Any) -> None:
    mixed = [None, True, 7, 7.25, "text", NOON, 0.1 + 0.2]
    catalog.write_batch(
        Create(
            "things",
            f"k{number * 7 % 23:02}",
            {"tie": number % 2, "mixed": mixed[number % 7], "deep": {"number": number / 3}},
        )
        for number in range(23)
    )
    whole = list(catalog.query(Query("things", order_by=order_by)))
    assert len(whole) == 23
    paged: list[Stored] = []
    for page_size in (1, 4, 10):
        last: Stored | None = None
        paged = []
        while page := list(
            catalog.query(Query("things", order_by=order_by, limit=page_size, start_after=last))
        ):
            paged += page
            last = page[-1]
        assert paged == whole
    middle = Query("things", order_by=order_by, start_after=whole[9])
    assert catalog.aggregate(middle) == {"count": 13}


def test_paging_goes_on_behind_a_document_that_is_gone(images: Catalog) -> None:
    query = Query("images", order_by=[("time", "asc")], limit=2)
    last = list(images.query(query))[-1]
    images.delete("images", last.key, version=last.version)
    query = Query("images", order_by=[("time", "asc")], limit=2, start_after=last)
    assert keys(images, query) == ["i2", "i3"]


@pytest.mark.parametrize(
    "query",
    [
        Query("a/b"),
        Query("images", limit=0),
        Query("images", where=[("time", "!=", 1)]),  # type: ignore[list-item]
        Query("images", where=[("a", "<", None)]),
        Query("images", where=[("a", "<", GeoPoint(1.0, 1.0))]),
        Query("images", where=[("a", "==", [1])]),
        Query("images", where=[("a", "==", math.nan)]),
        Query("images", where=[("a", "==", NOON.replace(tzinfo=None))]),
        Query("images", where=[("a", "in", [None])]),
        Query("images", where=[("a", "in", list(range(31)))]),
        Query("images", where=[("a..b", "==", 1)]),
        Query("images", where=[('a"b', "==", 1)]),
        Query("images", order_by=[("a", "up")]),  # type: ignore[list-item]
        Query("images", order_by=[("a", "asc")], start_after=Stored("images", "x", {"b": 1}, "1")),
    ],
    ids=str,
)
def test_a_query_that_makes_no_sense_is_refused_at_once(catalog: Catalog, query: Query) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        catalog.query(query)
    with pytest.raises(ValueError, match=r"\w"):
        catalog.aggregate(query)


def test_documents_may_be_written_while_a_query_is_read(catalog: Catalog) -> None:
    catalog.write_batch(Create("images", f"{n:03}", {"n": n}) for n in range(400))
    for stored in catalog.query(Query("images", order_by=[("n", "asc")])):
        if stored.fields["n"] % 50 == 0:
            catalog.update(
                "images", stored.key, {"n": stored.fields["n"] + 1000}, version=stored.version
            )
    assert catalog.aggregate(Query("images", where=[("n", ">=", 1000)])) == {"count": 8}


def test_a_query_sees_one_moment(catalog: Catalog) -> None:
    catalog.write_batch(Create("images", f"{n:03}", {"n": n}) for n in range(400))
    results = catalog.query(Query("images"))
    assert next(results).key == "000"
    catalog.create("images", "399a", {"n": 1})
    assert sum(1 for _ in results) == 399


# Sums


def test_sums_pass_over_documents_without_the_field(images: Catalog) -> None:
    query = Query("images", where=[("sequence_id", "==", "second")])
    assert images.aggregate(query, sums=["exptime", "iso"]) == {
        "count": 2,
        "exptime": 34.5,
        "iso": 900,
    }


def test_sums_of_nothing_are_zero(catalog: Catalog) -> None:
    assert catalog.aggregate(Query("images"), sums=["exptime"]) == {"count": 0, "exptime": 0}
    nothing = Query("images", where=[("a", "in", [])])
    assert catalog.aggregate(nothing, sums=["exptime"]) == {"count": 0, "exptime": 0}


def test_sums_are_of_all_that_a_query_finds(images: Catalog) -> None:
    last = next(images.query(Query("images")))
    for query in (Query("images", limit=2), Query("images", start_after=last)):
        with pytest.raises(ValueError, match="limit"):
            images.aggregate(query, sums=["iso"])
    with pytest.raises(ValueError, match="count"):
        images.aggregate(Query("images"), sums=["count"])


def test_sums_go_with_an_inequality_and_an_order(images: Catalog) -> None:
    query = Query("images", where=[("time", ">", NOON)], order_by=[("time", "desc")])
    assert images.aggregate(query, sums=["iso"]) == {"count": 5, "iso": 1500}


def test_what_is_no_number_adds_nothing(catalog: Catalog) -> None:
    for number, value in enumerate([1, 2.5, "3", None, True, [4], NOON]):
        catalog.create("things", str(number), {"v": {"deep": value}})
    assert catalog.aggregate(Query("things"), sums=["v.deep"]) == {"count": 7, "v.deep": 3.5}


def test_a_sum_of_exposures_is_right_to_the_millisecond(catalog: Catalog) -> None:
    times = [random.Random(n).uniform(0.001, 300) for n in range(500)]
    catalog.write_batch(Create("images", str(n), {"exptime": t}) for n, t in enumerate(times))
    found = catalog.aggregate(Query("images"), sums=["exptime"])["exptime"]
    assert round(found, 3) == round(math.fsum(times), 3)


# Many at once


def increment(catalog: Catalog, times: int) -> None:
    for _ in range(times):
        modify(
            catalog, "counters", "one", lambda old: {"n": (old or {"n": 0})["n"] + 1}, attempts=200
        )


def test_modify_loses_nothing_among_threads(catalog: Catalog) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: increment(catalog, 5), range(8)))
    stored = catalog.get("counters", "one")
    assert stored is not None
    assert stored.fields == {"n": 40}


def test_modify_loses_nothing_among_processes(catalog: Catalog) -> None:
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, spawn, initializer=be_patient) as pool:
        list(pool.map(increment, [catalog] * 2, [20] * 2))
    stored = catalog.get("counters", "one")
    assert stored is not None
    assert stored.fields == {"n": 40}


def test_modify_writes_only_what_differs(catalog: Catalog) -> None:
    assert modify(catalog, "units", "one", lambda _: {"a": 5, "b": NOON}) == {"a": 5, "b": NOON}
    before = catalog.get("units", "one")
    assert modify(catalog, "units", "one", lambda _: None) == {"a": 5, "b": NOON}
    modify(catalog, "units", "one", lambda _: {"a": 5, "b": NOON})
    assert catalog.get("units", "one") == before
    assert exact(modify(catalog, "units", "one", lambda _: {"a": 5.0})["a"]) == exact(5.0)
    assert modify(catalog, "units", "absent", lambda _: None) == {}
    assert catalog.get("units", "absent") is None


def test_modify_asks_again_when_somebody_wrote_in_between(catalog: Catalog) -> None:
    calls = count()

    def change(old: Fields | None) -> Fields:
        if next(calls) == 0:
            catalog.create("units", "one", {"theirs": 1})
        return {"mine": 2, "seen": sorted(old or {})}

    assert modify(catalog, "units", "one", change) == {"theirs": 1, "mine": 2, "seen": ["theirs"]}


def test_a_pickled_catalog_is_the_same_catalog(catalog: Catalog) -> None:
    created = catalog.create("images", "one", {"a": 1})
    copy = pickle.loads(pickle.dumps(catalog))
    assert copy.get("images", "one") == created
    copy.close()


def test_a_closed_catalog_opens_again(catalog: Catalog) -> None:
    created = catalog.create("images", "one", {"a": 1})
    catalog.close()
    assert catalog.get("images", "one") == created


def test_what_a_caller_changes_in_a_result_is_not_stored(catalog: Catalog) -> None:
    given: Fields = {"list": [1]}
    created = catalog.create("images", "one", given)
    given["list"].append(2)
    created.fields["list"].append(3)
    stored = catalog.get("images", "one")
    assert stored is not None
    assert stored.fields == {"list": [1]}
    stored.fields["list"].append(4)
    updated = catalog.update("images", "one", {"a": 1}, version=stored.version)
    assert updated.fields == {"list": [1], "a": 1}
