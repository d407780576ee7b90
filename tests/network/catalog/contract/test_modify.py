"""`modify`: read, change and write, however many do."""

from __future__ import annotations

import os
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from itertools import count

from panoptes.network.catalog.catalog import (
    Catalog,
    Fields,
    modify,
)
from tests.faults.children import CONTEXT
from tests.network.catalog.contract.documents import (
    NOON,
    exact,
)
from tests.patience import be_patient

EMULATOR = "FIRESTORE_EMULATOR_HOST"


def begin(emulator: str | None) -> None:
    """In a process that has another environment than the test."""
    if emulator:
        os.environ[EMULATOR] = emulator
    be_patient()


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
    host = os.environ.get(EMULATOR)
    with ProcessPoolExecutor(2, CONTEXT, initializer=begin, initargs=(host,)) as pool:
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
