"""Threads and processes over one object."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor

import pytest

from panoptes.network.errors import TransientError
from panoptes.network.storage.store import ObjectStore
from tests.faults.children import CONTEXT
from tests.network import stores
from tests.network.storage.contract.kinds import names
from tests.patience import PATIENT_SECONDS


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    """Eight processes that share nothing with this one."""
    with ProcessPoolExecutor(
        8, mp_context=CONTEXT, initializer=stores.meet_at, initargs=(CONTEXT.Barrier(8),)
    ) as pool:
        yield pool


def test_one_of_many_processes_that_create_an_object_wins(
    store: ObjectStore, processes: ProcessPoolExecutor
) -> None:
    bodies = [f"process {i}".encode() for i in range(8)]
    won = list(processes.map(stores.create, [store] * 8, ["raced"] * 8, bodies))

    assert won.count(True) == 1
    assert store.read("raced")[0] == bodies[won.index(True)]


def test_processes_that_count_in_one_object_lose_no_count(
    store: ObjectStore, processes: ProcessPoolExecutor
) -> None:
    store.put("count", b"0")
    list(processes.map(stores.count_up, [store] * 4, ["count"] * 4, [25] * 4))

    assert store.read("count")[0] == b"100"


def test_a_removal_never_takes_what_was_written_meanwhile(
    store: ObjectStore, processes: ProcessPoolExecutor
) -> None:
    store.put("a", b"begin")
    removals = [processes.submit(stores.delete_old, store, "a") for _ in range(2)]
    try:
        for i in range(20):
            store.put("a", b"old %d" % i)
            store.put("a", b"new %d" % i)
            assert store.read("a")[0] == b"new %d" % i
        store.put("a", b"old")
        deadline = time.monotonic() + PATIENT_SECONDS
        while names(store) and time.monotonic() < deadline:
            pass
    finally:
        store.put("a", b"stop")

    assert sum(each.result() for each in removals) > 0
    assert store.read("a")[0] == b"stop"


def test_a_reader_never_sees_half_of_a_write(store: ObjectStore) -> None:
    size = 1 << 20
    store.put("a", bytes(size))
    stop = threading.Event()

    def write() -> None:
        value = 0
        while not stop.is_set():
            value = (value + 1) % 256
            store.put("a", bytes([value]) * (size + value))

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(write)
        seen = set()
        try:
            for _ in range(1000):
                try:
                    data, info = store.read("a")
                except TransientError:
                    continue
                assert data == data[:1] * len(data)
                assert len(data) == info.size == size + data[0]
                seen.add(data[0])
                if len(seen) >= 8:
                    break
        finally:
            stop.set()
        writer.result()
    assert len(seen) >= 8
