"""What every catalog does, SQLite and Firestore alike."""

from __future__ import annotations

import math
import multiprocessing
import pickle
import random
import uuid
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from panoptes.network.catalog.catalog import (
    AlreadyExists,
    Catalog,
    Conflict,
    Fields,
    Query,
    Stored,
    modify,
)
from panoptes.network.catalog.firestore import FirestoreCatalog
from panoptes.network.catalog.sqlite import SqliteCatalog
from panoptes.network.documents import GeoPoint
from tests.patience import be_patient

NOON = datetime(2018, 2, 16, 12, tzinfo=UTC)


def make(
    request: pytest.FixtureRequest, folder: Path, environment: pytest.MonkeyPatch
) -> SqliteCatalog | FirestoreCatalog:
    if request.param == "sqlite":
        return SqliteCatalog(folder / "catalog.sqlite")
    host = request.getfixturevalue("firestore_emulator")
    environment.setenv("FIRESTORE_EMULATOR_HOST", host)
    return FirestoreCatalog(f"test-{uuid.uuid4().hex[:20]}")


@pytest.fixture(params=["sqlite", "firestore"])
def catalog(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Catalog]:
    made = make(request, tmp_path, monkeypatch)
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
            "healpix": 100 * number,
            "exptime": 30.5 + number,
            "returns": number % 3,
            "announced": number % 2 == 0 and number < 4,
            "status": ["received", "metadata_received", "uploaded"][number % 3],
        }
        if number == 5:
            del fields["exptime"]
        catalog.create("images", f"i{number}", fields)
    return catalog


def create(catalog: Catalog, collection: str, key: str, fields: Fields) -> Stored:
    """The document that was made."""
    catalog.create(collection, key, fields)
    return read(catalog, collection, key)


def update(
    catalog: Catalog, stored: Stored, fields: Fields, *, remove: Sequence[str] = ()
) -> Stored:
    """The document as it is afterwards."""
    collection, key = stored.collection, stored.key
    catalog.update(collection, key, fields, version=stored.version, remove=remove)
    return read(catalog, collection, key)


def read(catalog: Catalog, collection: str, key: str) -> Stored:
    stored = catalog.get(collection, key)
    assert stored is not None
    return stored


def fill(catalog: Catalog, things: Mapping[str, Fields]) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: catalog.create("things", key, things[key]), things))


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
    created = create(catalog, "images", "one", {"value": value, "other": 1})
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
    created = create(catalog, "files", "one", {"outcome": Outcome.ARCHIVED})
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
    stored = create(catalog, "images", "one", {"a": "x" * 600_000})
    with pytest.raises(ValueError, match=r"large|exceeds|size|limit"):
        update(catalog, stored, {"b": "x" * 600_000})
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
    assert keys(catalog, Query("files")) == ["one"]
    assert read(catalog, "images", "one").fields == {"a": 1}


# Compare-and-set


def test_a_document_is_created_once(catalog: Catalog) -> None:
    first = create(catalog, "images", "one", {"a": 1})
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
    stored = create(
        catalog, "units", "PAN001", {"telemetry": {"a": 1, "b": 2}, "name": "x", "z": 0}
    )
    updated = update(catalog, stored, {"telemetry": {"c": 3}, "status": "active"})
    assert updated.fields == {"telemetry": {"c": 3}, "name": "x", "z": 0, "status": "active"}
    assert updated.version != stored.version
    assert catalog.get("units", "PAN001") == updated


def test_an_update_drops_the_fields_it_names(catalog: Catalog) -> None:
    stored = create(catalog, "units", "PAN001", {"a": 1, "b.c": 2, "b": {"c": 3}})
    updated = update(catalog, stored, {}, remove=["b.c", "a", "never there", "a"])
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
    stored = create(catalog, "images", "one", {name: 1, "other": 1})
    stored = update(catalog, stored, {name: 2})
    assert stored.fields == {name: 2, "other": 1}
    stored = update(catalog, stored, {}, remove=[name])
    assert stored.fields == {"other": 1}


def test_an_update_of_another_version_changes_nothing(catalog: Catalog) -> None:
    old = create(catalog, "images", "one", {"a": 1})
    new = update(catalog, old, {"a": 2})
    for version in (old.version, "", "no version", "1.000001000"):
        with pytest.raises(Conflict):
            catalog.update("images", "one", {"a": 3}, version=version)
        with pytest.raises(Conflict):
            catalog.delete("images", "one", version=version)
    assert catalog.get("images", "one") == new


def test_an_absent_document_cannot_be_updated_or_deleted(catalog: Catalog) -> None:
    version = create(catalog, "images", "other", {}).version
    with pytest.raises(Conflict):
        catalog.update("images", "one", {"a": 1}, version=version)
    with pytest.raises(Conflict):
        catalog.delete("images", "one", version=version)


def test_an_update_that_changes_nothing_keeps_the_version(catalog: Catalog) -> None:
    stored = create(catalog, "images", "one", {"a": 1, "b": NOON})
    assert update(catalog, stored, {"b": NOON}) == stored


def test_an_update_of_nothing_is_refused(catalog: Catalog) -> None:
    stored = create(catalog, "images", "one", {"a": 1})
    with pytest.raises(ValueError, match="nothing"):
        update(catalog, stored, {})
    with pytest.raises(ValueError, match="both"):
        update(catalog, stored, {"a": 2}, remove=["a"])


def test_a_deleted_document_made_anew_has_a_new_version(catalog: Catalog) -> None:
    old = create(catalog, "leases", "one", {"a": 1})
    catalog.delete("leases", "one", version=old.version)
    assert catalog.get("leases", "one") is None
    new = create(catalog, "leases", "one", {"a": 1})
    assert new.version != old.version
    with pytest.raises(Conflict):
        catalog.delete("leases", "one", version=old.version)


# Queries


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


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


def test_a_limit_takes_the_first(images: Catalog) -> None:
    query = Query("images", order_by=[("time", "desc")], limit=2)
    assert keys(images, query) == ["i5", "i4"]


@pytest.mark.parametrize(
    ("where", "order_by"),
    [
        ([], []),
        ([], [("status", "asc")]),
        ([], [("status", "desc")]),
        ([("status", "==", "even")], []),
        ([("status", "==", "even")], [("time", "desc")]),
        ([("healpix", ">=", 0)], []),
        ([("time", ">", NOON)], [("time", "desc")]),
    ],
    ids=repr,
)
def test_pages_join_to_the_whole(catalog: Catalog, where: Any, order_by: Any) -> None:
    fill(
        catalog,
        {
            f"k{number * 7 % 23:02}": {
                "status": ["even", "odd"][number % 2],
                "time": NOON + timedelta(microseconds=number),
                "healpix": number // 3,
            }
            for number in range(23)
        },
    )
    whole = list(catalog.query(Query("things", where, order_by)))
    assert len(whole) > 11
    for page_size in (1, 4, 10):
        last: Stored | None = None
        paged: list[Stored] = []
        while page := list(
            catalog.query(Query("things", where, order_by, limit=page_size, start_after=last))
        ):
            paged += page
            last = page[-1]
        assert paged == whole


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


# Sums


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
        (Query("images", where=[("time", ">", NOON)]), []),
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


def test_what_is_no_number_adds_nothing(catalog: Catalog) -> None:
    for number, value in enumerate([1, 2.5, "3", None, True, [4], NOON]):
        catalog.create("things", str(number), {"exptime": value})
    assert catalog.aggregate(Query("things"), sums=["exptime"]) == {"count": 7, "exptime": 3.5}


def test_a_sum_of_exposures_is_right_to_the_millisecond(catalog: Catalog) -> None:
    times = [random.Random(n).uniform(0.001, 300) for n in range(500)]
    fill(catalog, {str(n): {"exptime": t} for n, t in enumerate(times)})
    found = catalog.aggregate(Query("things"), sums=["exptime"])["exptime"]
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
    created = create(catalog, "images", "one", {"a": 1})
    copy = pickle.loads(pickle.dumps(catalog))
    assert copy.get("images", "one") == created
    copy.close()


def test_a_closed_catalog_opens_again(catalog: Catalog) -> None:
    created = create(catalog, "images", "one", {"a": 1})
    catalog.close()
    assert catalog.get("images", "one") == created


def test_what_a_caller_changes_in_a_result_is_not_stored(catalog: Catalog) -> None:
    given: Fields = {"list": [1]}
    created = create(catalog, "images", "one", given)
    given["list"].append(2)
    created.fields["list"].append(3)
    stored = catalog.get("images", "one")
    assert stored is not None
    assert stored.fields == {"list": [1]}
    stored.fields["list"].append(4)
    assert update(catalog, stored, {"a": 1}).fields == {"list": [1], "a": 1}
