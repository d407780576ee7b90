"""One contract for every store: each test runs on a folder and on a bucket."""

from __future__ import annotations

import multiprocessing
import pickle
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from panoptes.network.errors import TransientError
from panoptes.network.storage.checksums import crc32c
from panoptes.network.storage.folder import FolderStore
from panoptes.network.storage.store import NotFound, ObjectStore, PreconditionFailed
from tests.network import stores
from tests.patience import PATIENT_SECONDS

MakeStore = Callable[[], ObjectStore]
BUCKET = pytest.param("bucket", marks=pytest.mark.xdist_group("emulators"))
KINDS = ["folder", BUCKET]


def _maker(kind: str, request: pytest.FixtureRequest) -> MakeStore:
    if kind == "folder":
        root: Path = request.getfixturevalue("tmp_path")
        return lambda: FolderStore(root / uuid.uuid4().hex, durable=False)
    make_bucket: Callable[[], str] = request.getfixturevalue("make_bucket")
    endpoint: str = request.getfixturevalue("gcs_emulator")
    from panoptes.network.storage.gcs import GcsStore

    return lambda: GcsStore(make_bucket(), "network/incoming", endpoint=endpoint)


@pytest.fixture(params=KINDS)
def make_store(request: pytest.FixtureRequest) -> MakeStore:
    """Makes new, empty stores of one kind."""
    return _maker(request.param, request)


@pytest.fixture
def store(make_store: MakeStore) -> ObjectStore:
    return make_store()


@pytest.fixture(params=KINDS)
def other_store(request: pytest.FixtureRequest) -> ObjectStore:
    """A second store, of every kind in turn."""
    return _maker(request.param, request)()


@pytest.fixture(scope="module")
def processes() -> Iterator[ProcessPoolExecutor]:
    """Eight processes that share nothing with this one."""
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(
        8, mp_context=spawn, initializer=stores.meet_at, initargs=(spawn.Barrier(8),)
    ) as pool:
        yield pool


def names(store: ObjectStore, prefix: str = "") -> list[str]:
    return [info.name for info in store.list(prefix)]


# Reading and writing


def test_what_was_put_is_read_back_and_described(store: ObjectStore) -> None:
    before = datetime.now(UTC) - timedelta(seconds=2)
    info = store.put("PAN001/a.fits", b"pixels")

    assert store.read("PAN001/a.fits") == (b"pixels", info)
    assert store.stat("PAN001/a.fits") == info
    assert (info.name, info.size, info.crc32c) == ("PAN001/a.fits", 6, crc32c(b"pixels"))
    assert 0 < info.generation < 2**63
    assert before < info.updated < datetime.now(UTC) + timedelta(seconds=2)


def test_an_empty_object_is_an_object(store: ObjectStore) -> None:
    info = store.put("empty", b"", if_generation=0)

    assert (info.size, info.crc32c) == (0, "AAAAAA==")
    assert store.read("empty") == (b"", info)
    assert store.read_range("empty", 0, 10) == b""
    assert names(store) == ["empty"]


def test_an_object_of_many_megabytes_comes_back_whole(store: ObjectStore) -> None:
    data = bytes(range(256)) * (9 << 12)
    info = store.put("large", data, if_generation=0)

    assert info.size == len(data) == 9 << 20
    assert store.read("large") == (data, info)


def test_what_is_absent_is_not_found(store: ObjectStore) -> None:
    for ask in (
        lambda: store.stat("nothing"),
        lambda: store.read("nothing"),
        lambda: store.read("no/such/folder"),
        lambda: store.read_range("nothing", 0, 1),
        lambda: store.delete("nothing"),
        lambda: store.delete("nothing", if_generation=7),
        lambda: store.copy_to("nothing", store, "copy"),
    ):
        with pytest.raises(NotFound):
            ask()
    assert names(store) == []


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [
        (0, 4, b"0123"),
        (3, 6, b"345"),
        (8, 100, b"89"),
        (0, 100, b"0123456789"),
        (10, 20, b""),
        (1000, 2000, b""),
        (4, 4, b""),
        (6, 4, b""),
    ],
)
def test_a_range_gives_what_there_is_of_it(
    store: ObjectStore, start: int, end: int, expected: bytes
) -> None:
    store.put("digits", b"0123456789")

    assert store.read_range("digits", start, end) == expected


def test_a_range_does_not_begin_before_the_object(store: ObjectStore) -> None:
    store.put("digits", b"0123456789")

    with pytest.raises(ValueError, match="-1"):
        store.read_range("digits", -1, 4)


# Generations


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


# Copies


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


# Names


@pytest.mark.parametrize(
    "name",
    [
        "/".join(["x" * 255] * 3 + ["é" * 116]),
        "PAN001/14d3bd/with space.fits",
        " leading and trailing ",
        "a#b?c=d&e",
        "a+b%2e%2e%2Fc",
        "100%",
        "Nebel/Ω ✨ 猎户座.fits",
        "e\u0301 is not \u00e9",
        "quote\"s and 'these' \\ too",
        ".hidden",
        "..dots",
        "~",
        "a:b*c|d<e>",
        "tab\tin it",
        "[0-9]{x}",
    ],
)
def test_any_legal_name_names_one_object(store: ObjectStore, name: str) -> None:
    info = store.put(name, b"x", if_generation=0)

    assert info.name == name
    assert store.stat(name) == info
    assert store.read(name)[0] == b"x"
    assert store.read_range(name, 0, 1) == b"x"
    assert names(store) == names(store, name) == [name]
    assert store.copy_to(name, store, "copy").crc32c == info.crc32c
    store.delete(name, if_generation=info.generation)
    assert names(store) == ["copy"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/a",
        "a/",
        "a//b",
        ".",
        "..",
        "a/../b",
        "../a",
        "./a",
        "a\0b",
        "x" * 256,
        "x/" * 512 + "x",
    ],
)
def test_nothing_is_written_under_an_illegal_name(store: ObjectStore, name: str) -> None:
    store.put("a", b"a")

    with pytest.raises(ValueError, match=r"\w+ \w+"):
        store.put(name, b"x")
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        store.copy_to("a", store, name)
    assert names(store) == ["a"]


# Listing


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


# Many at once


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


# The store as a thing


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
