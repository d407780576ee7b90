"""Generations, and writes and removals that name the one they expect."""

from __future__ import annotations

import pytest

from panoptes.network.storage.store import NotFound, ObjectStore, PreconditionFailed
from tests.network.storage.contract.kinds import names


def test_every_write_makes_another_generation_even_of_the_same_bytes(store: ObjectStore) -> None:
    generations = [store.put("same", b"x").generation for _ in range(30)]

    assert len(set(generations)) == 30


def test_a_generation_never_comes_back_after_removal(store: ObjectStore) -> None:
    generations = set()
    for _ in range(20):
        generations.add(store.put("again", b"x", if_generation=0).generation)
        store.delete("again")

    assert len(generations) == 20


def test_creating_leaves_an_object_with_other_bytes_alone(store: ObjectStore) -> None:
    first = store.put("a", b"first", if_generation=0)

    with pytest.raises(PreconditionFailed):
        store.put("a", b"other", if_generation=0)

    assert store.read("a") == (b"first", first)


def test_creating_what_is_there_with_the_same_bytes_is_success(store: ObjectStore) -> None:
    first = store.put("a", b"bytes", if_generation=0)

    assert store.put("a", b"bytes", if_generation=0) == first


def test_a_write_replaces_only_the_generation_that_it_expects(store: ObjectStore) -> None:
    first = store.put("a", b"first")
    second = store.put("a", b"second", if_generation=first.generation)

    with pytest.raises(PreconditionFailed):
        store.put("a", b"third", if_generation=first.generation)
    with pytest.raises(PreconditionFailed):
        store.put("absent", b"third", if_generation=first.generation)

    assert store.read("a") == (b"second", second)
    assert names(store) == ["a"]


def test_only_the_generation_that_was_asked_for_is_read(store: ObjectStore) -> None:
    first = store.put("a", b"first")
    assert store.read("a", generation=first.generation)[0] == b"first"
    second = store.put("a", b"second")

    with pytest.raises(NotFound):
        store.read("a", generation=first.generation)
    assert store.read("a", generation=second.generation)[0] == b"second"


def test_only_the_generation_that_was_expected_is_removed(store: ObjectStore) -> None:
    first = store.put("a", b"first")
    second = store.put("a", b"second")

    with pytest.raises(PreconditionFailed):
        store.delete("a", if_generation=first.generation)
    assert names(store) == ["a"]
    store.delete("a", if_generation=second.generation)
    assert names(store) == []
