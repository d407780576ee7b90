"""Values and keys: what comes back as it was given, and what is refused."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from pathlib import Path
from typing import Any

import pytest

from panoptes.network.catalog.catalog import (
    Catalog,
    Fields,
    Query,
)
from panoptes.network.documents import GeoPoint
from tests.network.catalog.contract.documents import (
    NOON,
    create,
    exact,
    keys,
    read,
    update,
)


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
