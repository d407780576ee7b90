"""Names that an object may have, and those that it may not."""

from __future__ import annotations

import pytest

from panoptes.network.storage.store import ObjectStore
from tests.network.storage.contract.kinds import names


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
