"""Putting, reading, and reading ranges."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from panoptes.network.storage.checksums import crc32c
from panoptes.network.storage.store import NotFound, ObjectStore
from tests.network.storage.contract.kinds import names


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
