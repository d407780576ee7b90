"""What may not be read or written, and what runs out."""

from __future__ import annotations

import os
import resource
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from panoptes.network.errors import ConfigurationError, TransientError
from panoptes.network.storage.folder import FolderStore
from panoptes.network.storage.store import Unreadable
from tests import hindrances
from tests.network.storage.folder.looking import names


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """The root of a store of this process, which for the test has no special rights."""
    with hindrances.unprivileged() as folder:
        yield folder / "store"


def test_what_may_not_be_read_is_listed_and_unreadable(unprivileged: Path) -> None:
    store = FolderStore(unprivileged)
    store.put("file", b"x")
    store.put("folder/inside", b"x")
    (unprivileged / "file").chmod(0)
    (unprivileged / "folder").chmod(0)

    assert names(store) == ["file", "folder"]
    for name in ("file", "folder", "folder/inside"):
        with pytest.raises(Unreadable):
            store.read(name)
    assert store.stat("file").size == 1
    assert list(store.folders("")) == []


def test_a_folder_that_may_not_be_written_is_a_matter_of_configuration(unprivileged: Path) -> None:
    store = FolderStore(unprivileged)
    store.put("a", b"x")
    store.root.chmod(0o500)
    (unprivileged.parent / ".panoptes" / "store" / "tmp").chmod(0o500)

    with pytest.raises(ConfigurationError, match="'b' cannot be written: Permission denied"):
        store.put("b", b"x")
    with pytest.raises(ConfigurationError, match="'a' cannot be written: Permission denied"):
        store.delete("a")
    with pytest.raises(ConfigurationError, match="cannot be written to: Permission denied"):
        store.check()
    with pytest.raises(ConfigurationError, match="cannot be written to: Permission denied"):
        FolderStore(store.root / "new").check()
    assert names(store) == ["a"]


def test_a_sticky_folder_of_other_users_is_said_to_keep_their_files(unprivileged: Path) -> None:
    if os.getuid() != 0:
        pytest.skip("only root gives files away")
    store = FolderStore(unprivileged, uploads=True)
    store.check()
    store.put("PAN001/a", b"x")
    assert store.hindrance("PAN001/a") is None
    os.seteuid(0)
    for path in (unprivileged / "PAN001", unprivileged / "PAN001" / "a"):
        os.chown(path, 0, 0)
    (unprivileged / "PAN001").chmod(0o1777)
    os.seteuid(hindrances.NOBODY)
    with pytest.raises(ConfigurationError):
        store.delete("PAN001/a")
    assert "PAN001 has the sticky bit" in str(store.hindrance("PAN001/a"))


def test_running_out_of_descriptors_passes(store: FolderStore) -> None:
    store.put("a", b"x")
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = os.dup(0)
    os.close(free)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free, hard))
    try:
        with pytest.raises(TransientError):
            store.read("a")
        with pytest.raises(TransientError):
            store.put("b", b"x")
        with pytest.raises(TransientError):
            names(store)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert names(store) == ["a"]


def test_new_files_have_the_usual_permissions(store: FolderStore, root: Path) -> None:
    (root / "usual").touch()
    store.put("a", b"x", if_generation=0)

    assert stat.S_IMODE((root / "a").stat().st_mode) == (root / "usual").stat().st_mode & 0o777
