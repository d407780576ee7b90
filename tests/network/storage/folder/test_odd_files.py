"""Pipes, sockets, links, odd names and times."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from pathlib import Path

import pytest

from panoptes.network.errors import BadInput, ConfigurationError
from panoptes.network.storage.descent import inside
from panoptes.network.storage.folder import FolderStore
from panoptes.network.storage.store import NotFound, Unreadable
from tests.network.storage.folder.looking import in_private, names


def make_broken_link(path: Path) -> None:
    path.symlink_to("nowhere")


def make_link_to_itself(path: Path) -> None:
    path.symlink_to(path.name)


def make_link_to_a_folder(path: Path) -> None:
    path.symlink_to(path.parent)


def make_socket(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY)
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(f"/proc/self/fd/{folder}/{path.name}")
    os.close(folder)


@pytest.mark.parametrize(
    "make", [os.mkfifo, make_socket, make_broken_link, make_link_to_itself, make_link_to_a_folder]
)
def test_what_is_no_file_is_listed_and_refused_at_once(
    store: FolderStore, root: Path, make: Callable[[Path], None]
) -> None:
    store.put("before", b"")
    store.put("sent", b"")
    make(root / "odd.fits")

    assert names(store) == ["before", "odd.fits", "sent"]
    info = store.stat("odd.fits")
    assert info.generation > 0
    for ask in (
        lambda: store.read("odd.fits"),
        lambda: store.read_range("odd.fits", 0, 1),
        lambda: store.copy_to("odd.fits", store, "copy"),
    ):
        with pytest.raises(BadInput, match="not-a-file"):
            ask()
    store.delete("odd.fits", if_generation=info.generation)
    assert names(store) == ["before", "sent"]
    assert in_private(root) == []


def test_a_link_to_a_file_is_that_file_and_its_removal_leaves_the_file(
    store: FolderStore, root: Path, tmp_path: Path
) -> None:
    target = tmp_path / "elsewhere.fits"
    target.write_bytes(b"pixels")
    (root / "deep").mkdir()
    (root / "deep" / "a.fits").symlink_to("../../elsewhere.fits")

    data, info = store.read("deep/a.fits")
    assert (data, info.size) == (b"pixels", 6)
    store.delete("deep/a.fits", if_generation=info.generation)
    assert names(store) == []
    assert target.read_bytes() == b"pixels"


def test_nothing_is_reached_through_a_linked_folder(
    store: FolderStore, root: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret").write_bytes(b"x")
    (root / "way").symlink_to(outside)

    assert names(store) == ["way"]
    assert names(store, "way/") == []
    assert list(store.folders("")) == []
    for ask in (lambda: store.read("way/secret"), lambda: store.stat("way/secret")):
        with pytest.raises(Unreadable):
            ask()
    for write in (
        lambda: store.put("way/new", b"x"),
        lambda: store.put("way/deep/new", b"x"),
        lambda: store.delete("way/secret"),
    ):
        with pytest.raises(ConfigurationError):
            write()
    assert sorted(path.name for path in outside.iterdir()) == ["secret"]


def test_a_name_that_is_no_utf8_can_be_worked_with(store: FolderStore, root: Path) -> None:
    (root / os.fsdecode(b"caf\xe9.fits")).write_bytes(b"x")

    [info] = store.list()
    assert os.fsencode(info.name) == b"caf\xe9.fits"
    assert store.read(info.name, generation=info.generation)[0] == b"x"
    store.delete(info.name, if_generation=info.generation)
    assert names(store) == []


def test_hidden_files_are_listed_and_the_stores_own_are_not(store: FolderStore, root: Path) -> None:
    store.put(".hidden/.file", b"x")
    FolderStore(root / "inner").put("a", b"x")

    assert names(store) == [".hidden/.file", "inner/a"]
    assert names(store, ".pan") == names(store, ".panoptes/") == []
    for name in (".panoptes/tmp/x", "inner/.panoptes/locks/00", ".PANOPTES/x"):
        with pytest.raises(ValueError, match="belongs to the store"):
            store.read(name)


def test_a_folder_is_no_object(store: FolderStore) -> None:
    store.put("folder/a", b"x")

    for ask in (lambda: store.stat("folder"), lambda: store.read("folder")):
        with pytest.raises(NotFound):
            ask()
    with pytest.raises(NotFound):
        store.delete("folder")
    for if_generation in (None, 0):
        with pytest.raises(ConfigurationError):
            store.put("folder", b"x", if_generation=if_generation)
    with pytest.raises(ConfigurationError):
        store.put("folder/a/b", b"x")
    assert names(store) == ["folder/a"]


@pytest.mark.parametrize("moment", [-(10**18), 0, 1 << 62])
def test_any_time_of_a_file_can_be_told(store: FolderStore, root: Path, moment: int) -> None:
    (root / "a").write_bytes(b"x")
    os.utime(root / "a", ns=(moment, moment))

    [info] = store.list()
    assert store.read("a", generation=info.generation)[0] == b"x"


def test_what_lies_too_deep_for_any_path_is_told_of_in_the_log(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = FolderStore(tmp_path / "root")
    store.put("a.fits", b"x")
    folder = os.open(store.root, os.O_RDONLY)
    for _ in range(30):
        os.mkdir("d" * 200, dir_fd=folder)
        deeper = os.open("d" * 200, os.O_RDONLY, dir_fd=folder)
        os.close(folder)
        folder = deeper
    os.close(os.open("b.fits", os.O_CREAT | os.O_WRONLY, dir_fd=folder))
    os.close(folder)
    assert [info.name for info in store.list()] == ["a.fits"]
    assert "too deep" in caplog.text


@pytest.mark.parametrize(
    ("folders", "leaf"),
    [(17 * ["\u00e9" * 120], "a.fits"), (16 * ["a" * 240], "a" * 240)],
    ids=["of few characters", "by its last part"],
)
def test_a_name_of_more_bytes_than_any_path_is_passed_over_and_told(
    store: FolderStore,
    root: Path,
    folders: list[str],
    leaf: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    store.put("taken.fits", b"x")
    with inside(root, folders, make=True) as folder:
        os.close(os.open(leaf, os.O_CREAT, dir_fd=folder))
    assert names(store) == ["taken.fits"]
    assert "is passed over: too deep" in caplog.text


def test_a_name_of_as_many_bytes_as_a_path_may_have_is_taken_and_removed(
    store: FolderStore, root: Path
) -> None:
    folders = [*(16 * ["a" * 240]), "a" * 237]
    with inside(root, folders, make=True) as folder:
        os.close(os.open("b", os.O_CREAT, dir_fd=folder))
    (name,) = names(store)
    assert len(name) == 4095
    try:
        store.delete(name)
    except ConfigurationError:
        pytest.skip("this file system has shorter links")
    assert names(store) == []
