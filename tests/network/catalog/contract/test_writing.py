"""Creating, updating and deleting, under compare-and-set."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from panoptes.network.catalog.catalog import (
    AlreadyExists,
    Catalog,
    Conflict,
    Query,
)
from tests.network.catalog.contract.documents import (
    NOON,
    create,
    update,
)


def test_a_document_is_created_once(catalog: Catalog) -> None:
    first = create(catalog, "images", "one", {"a": 1})
    with pytest.raises(AlreadyExists):
        catalog.create("images", "one", {"a": 2})
    assert catalog.get("images", "one") == first


def test_of_many_documents_those_that_are_missing_are_created(catalog: Catalog) -> None:
    there = create(catalog, "stars", "b", {"g": 1.0})
    catalog.create_missing("stars", {key: {"g": 9.5} for key in "abc"})
    assert catalog.get("stars", "b") == there
    assert {s.key: s.fields for s in catalog.query(Query("stars"))} == {
        "a": {"g": 9.5},
        "b": {"g": 1.0},
        "c": {"g": 9.5},
    }
    with pytest.raises(ValueError, match=r"__id__"):
        catalog.create_missing("stars", {"d": {}, "__id__": {}})
    assert catalog.get("stars", "d") is None


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
