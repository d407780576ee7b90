"""Copies into this and any other store."""

from __future__ import annotations

import pytest

from panoptes.network.storage.store import NotFound, ObjectStore, PreconditionFailed
from tests.network.storage.contract.kinds import names


def test_a_copy_is_the_same_bytes_in_any_store(
    store: ObjectStore, other_store: ObjectStore
) -> None:
    data = bytes(range(256)) * 20000
    info = store.put("from/here", data)
    copied = store.copy_to(
        "from/here", other_store, "to/there", generation=info.generation, if_generation=0
    )

    assert other_store.read("to/there") == (data, copied)
    assert (copied.name, copied.size, copied.crc32c) == ("to/there", info.size, info.crc32c)
    assert store.read("from/here") == (data, info)


def test_copying_to_where_the_same_bytes_are_is_success(
    store: ObjectStore, other_store: ObjectStore
) -> None:
    store.put("a", b"bytes")
    first = store.copy_to("a", other_store, "b", if_generation=0)

    assert store.copy_to("a", other_store, "b", if_generation=0) == first


def test_a_copy_names_both_generations(store: ObjectStore, other_store: ObjectStore) -> None:
    old = store.put("a", b"old")
    new = store.put("a", b"new")
    there = other_store.put("b", b"there")

    with pytest.raises(NotFound):
        store.copy_to("a", other_store, "c", generation=old.generation)
    with pytest.raises(PreconditionFailed):
        store.copy_to("a", other_store, "b", if_generation=0)
    with pytest.raises(PreconditionFailed):
        store.copy_to("a", other_store, "c", if_generation=there.generation)
    assert names(other_store) == ["b"]
    assert other_store.read("b") == (b"there", there)

    store.copy_to("a", other_store, "b", generation=new.generation, if_generation=there.generation)
    assert other_store.read("b")[0] == b"new"


def test_an_empty_object_is_copied(store: ObjectStore, other_store: ObjectStore) -> None:
    store.put("a", b"")

    assert store.copy_to("a", other_store, "b").size == 0
    assert other_store.read("b")[0] == b""
