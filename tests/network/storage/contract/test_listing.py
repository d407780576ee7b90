"""Objects by prefix, and the folders that they lie in."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from panoptes.network.storage.store import ObjectStore
from tests.network.storage.contract.kinds import names


def test_listing_is_in_the_order_of_the_names_bytes(store: ObjectStore) -> None:
    wanted = ["a-b", "a.b", "a/b", "a/b.c", "a/b0/c", "a0", "Z", "é", "z", "~"]
    for name in wanted:
        store.put(name, b"x")

    assert names(store) == sorted(wanted, key=str.encode)


def test_a_listing_says_what_stat_says(store: ObjectStore) -> None:
    info = store.put("PAN001/a", b"abc")
    [listed] = store.list("PAN001/")

    assert (listed.name, listed.size) == (info.name, info.size)
    assert (listed.generation, listed.updated) == (info.generation, info.updated)
    assert listed.crc32c in (None, info.crc32c)


def test_a_prefix_may_end_anywhere_in_a_name(store: ObjectStore) -> None:
    for name in ("PAN001/c/s1/a", "PAN001/c/s1_b", "PAN001/c/s2/a", "PAN0012/c", "PAN002/c"):
        store.put(name, b"x")

    assert names(store, "PAN001/c/s1") == ["PAN001/c/s1/a", "PAN001/c/s1_b"]
    assert names(store, "PAN001/c/s1/") == ["PAN001/c/s1/a"]
    assert len(names(store, "PAN001")) == 4
    assert len(names(store, "P")) == 5
    assert names(store, "PAN001/c/s2/a") == ["PAN001/c/s2/a"]
    for nothing in ("PAN003", "PAN001/c/s1/a/", "/", "../", "PAN001//", "PAN001/../"):
        assert names(store, nothing) == []


def test_a_listing_of_many_is_complete_and_ordered(store: ObjectStore) -> None:
    wanted = [f"{i % 7}/{i:05d}" for i in range(150)]
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda name: store.put(name, b""), wanted))

    assert names(store) == sorted(wanted)


def test_folders_are_the_prefixes_directly_below(store: ObjectStore) -> None:
    for name in ("PAN001/c/s/a", "PAN001/d", "PAN002/c/a", "PAN010/x", "loose"):
        store.put(name, b"x")

    assert list(store.folders("")) == ["PAN001/", "PAN002/", "PAN010/"]
    assert list(store.folders("PAN001/")) == ["PAN001/c/"]
    assert list(store.folders("PAN001/c/")) == ["PAN001/c/s/"]
    assert list(store.folders("PAN003/")) == []


def test_a_folder_whose_objects_are_gone_is_gone(store: ObjectStore) -> None:
    store.put("PAN001/c/s/a", b"x")
    store.delete("PAN001/c/s/a")

    assert list(store.folders("")) == []


def test_folders_are_asked_for_by_whole_names(store: ObjectStore) -> None:
    with pytest.raises(ValueError, match="PAN"):
        list(store.folders("PAN"))
