"""Read-only and durable stores, and what a check says."""

from __future__ import annotations

from pathlib import Path

import pytest

from panoptes.network.errors import ConfigurationError
from panoptes.network.storage.folder import FolderStore
from panoptes.network.storage.store import NotFound
from tests.network.storage.folder.looking import names


def test_a_read_only_store_writes_nothing_at_all(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"x")
    store = FolderStore(tmp_path, read_only=True)
    store.check()
    info = store.stat("a")

    assert store.read("a", generation=info.generation)[0] == b"x"
    for write in (
        lambda: store.put("b", b"x"),
        lambda: store.delete("a"),
        lambda: store.copy_to("a", store, "b"),
    ):
        with pytest.raises(ConfigurationError, match="read-only"):
            write()
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_making_a_store_touches_nothing(tmp_path: Path) -> None:
    store = FolderStore(tmp_path / "absent")

    assert names(store) == list(store.folders("")) == []
    with pytest.raises(NotFound):
        store.read("a")
    assert list(tmp_path.iterdir()) == []


def test_a_store_that_cannot_be_used_says_why(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")

    with pytest.raises(ConfigurationError, match="file is a file where a folder is needed"):
        FolderStore(tmp_path / "file").check()
    with pytest.raises(ConfigurationError, match="cannot be written to: Not a directory"):
        FolderStore(tmp_path / "file" / "below").check()
    with pytest.raises(ConfigurationError, match="does not exist"):
        FolderStore(tmp_path / "absent", read_only=True).check()
    with pytest.raises(ConfigurationError, match="does not exist"):
        FolderStore(tmp_path / "file", read_only=True).check()
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_a_durable_store_is_a_store(root: Path) -> None:
    store = FolderStore(root)

    info = store.put("deep/a", b"x", if_generation=0)
    assert store.put("deep/a", b"y", if_generation=info.generation).size == 1
    assert store.copy_to("deep/a", store, "b").size == 1
