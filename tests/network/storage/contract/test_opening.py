"""A store as a thing: pickled, compared, checked."""

from __future__ import annotations

import pickle

from panoptes.network.storage.store import ObjectStore
from tests.network.storage.contract.kinds import MakeStore, names


def test_a_store_is_sent_to_other_processes_by_its_arguments(store: ObjectStore) -> None:
    store.put("a", b"x")
    received = pickle.loads(pickle.dumps(store))

    assert received == store
    assert received.read("a")[0] == b"x"


def test_stores_of_different_places_differ(make_store: MakeStore) -> None:
    assert make_store() != make_store()


def test_a_usable_store_passes_its_check(store: ObjectStore) -> None:
    store.check()
    store.check()

    assert names(store) == []
