"""Other programs write into the folder, too."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from panoptes.network.errors import BadInput, TransientError
from panoptes.network.storage.folder import FolderStore
from panoptes.network.storage.store import NotFound, ObjectInfo, Opened, PreconditionFailed
from tests.network import stores
from tests.network.storage.folder.looking import in_private, names
from tests.patience import PATIENT_SECONDS


def test_a_file_that_another_program_wrote_is_an_object(store: FolderStore, root: Path) -> None:
    (root / "PAN001").mkdir()
    (root / "PAN001" / "a.fits").write_bytes(b"pixels")

    data, info = store.read("PAN001/a.fits")
    assert (data, info.crc32c) == (b"pixels", None)
    assert list(store.list()) == [info]


def test_a_rewrite_by_another_program_is_another_generation(store: FolderStore, root: Path) -> None:
    before = store.put("a", b"ours")
    (root / "a").write_bytes(b"them")

    data, after = store.read("a")
    assert data == b"them"
    assert after.generation != before.generation
    assert after.crc32c is None
    with pytest.raises(PreconditionFailed):
        store.put("a", b"ours again", if_generation=before.generation)


def _write_with_its_times(path: Path, data: bytes) -> None:
    """As ``cp -p`` does: into the same inode, the modification time brought along."""
    before = path.stat()
    while path.stat().st_ctime_ns == before.st_ctime_ns:  # the next tick of its clock
        path.write_bytes(data)
        os.utime(path, ns=(before.st_mtime_ns, before.st_mtime_ns))
    after = path.stat()
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)


def test_a_rewrite_that_brings_its_times_along_is_another_generation_by_change(root: Path) -> None:
    store = FolderStore(root, durable=False, uploads=True)
    root.mkdir()
    (root / "a").write_bytes(b"good")
    before = store.stat("a")
    _write_with_its_times(root / "a", b"bad!")
    assert store.stat("a").generation != before.generation
    assert [info.generation for info in store.list()] == [store.read("a")[1].generation]
    for late in (
        lambda: store.delete("a", if_generation=before.generation),
        lambda: store.put("a", b"ours", if_generation=before.generation),
    ):
        with pytest.raises(PreconditionFailed):
            late()
    with pytest.raises(NotFound):
        store.read("a", generation=before.generation)
    store.delete("a", if_generation=store.stat("a").generation)
    assert names(store) == []


def test_what_a_store_by_change_wrote_is_in_the_generation_that_it_said(root: Path) -> None:
    store = FolderStore(root, durable=False, uploads=True)
    made = store.put("a", b"one", if_generation=0)
    assert store.stat("a") == made
    assert store.put("a", b"one", if_generation=0) == made
    made = store.put("a", b"two", if_generation=made.generation)
    assert store.stat("a") == made
    made = store.copy_to("a", store, "b", generation=made.generation, if_generation=0)
    assert store.stat("b") == made
    assert in_private(root) == []


def test_a_rewrite_under_another_name_of_the_file_is_another_generation_by_change(
    root: Path, tmp_path: Path
) -> None:
    store = FolderStore(root, durable=False, uploads=True)
    root.mkdir()
    (tmp_path / "elsewhere").write_bytes(b"good")
    (root / "a").hardlink_to(tmp_path / "elsewhere")
    before = store.stat("a")
    _write_with_its_times(tmp_path / "elsewhere", b"bad!")
    assert store.stat("a").generation != before.generation
    with pytest.raises(PreconditionFailed):
        store.delete("a", if_generation=before.generation)
    assert (root / "a").read_bytes() == b"bad!"


def test_a_link_or_new_permissions_leave_our_own_objects_in_their_generation(
    store: FolderStore, root: Path
) -> None:
    made = store.put("a", b"ours")
    (root / "linked").hardlink_to(root / "a")
    (root / "a").chmod(0o600)
    assert store.stat("a") == made


def test_silent_damage_is_found(store: FolderStore, root: Path) -> None:
    info = store.put("a", b"pixels")
    if store.stat("a").crc32c is None:
        pytest.skip("this file system keeps no extended attributes")
    path = root / "a"
    modified = path.stat().st_mtime_ns
    path.write_bytes(b"pixelz")
    os.utime(path, ns=(modified, modified))

    assert store.stat("a") == info
    for ask in (lambda: store.read("a"), lambda: store.copy_to("a", store, "copy")):
        with pytest.raises(BadInput, match="transfer-damage"):
            ask()
    assert names(store) == ["a"]


@dataclass(frozen=True)
class Meddler(FolderStore):
    """A destination during whose reading the source is changed by another program."""

    meddle: Callable[[], object] = lambda: None

    def receive(self, name: str, source: Opened, *, if_generation: int | None = None) -> ObjectInfo:
        source.stream.read(1)
        self.meddle()
        source.stream.seek(0)
        return super().receive(name, source, if_generation=if_generation)


@pytest.mark.parametrize(
    "meddle",
    [
        lambda path: path.write_bytes(b"b" * 100),
        lambda path: path.open("ab").write(b"more"),
        lambda path: os.truncate(path, 10),
        lambda path: path.unlink(),
        lambda path: (
            path.with_name("new").write_bytes(b"c" * 100) and path.with_name("new").replace(path)
        ),
    ],
    ids=["rewritten", "appended", "cut", "removed", "replaced"],
)
def test_what_changes_while_it_is_read_is_tried_again(
    store: FolderStore, root: Path, tmp_path: Path, meddle: Callable[[Path], object]
) -> None:
    path = root / "a"
    path.write_bytes(b"a" * 100)
    destination = Meddler(tmp_path / "other", meddle=lambda: meddle(path))

    with pytest.raises(TransientError):
        store.copy_to("a", destination, "copy")
    assert names(destination) == []
    assert in_private(destination.root) == []


def test_a_growing_file_is_never_read_in_part(store: FolderStore, root: Path) -> None:
    def grow() -> None:
        with (root / "a").open("wb", buffering=0) as file:
            for _ in range(1000):
                file.write(b"x" * 1000)

    with ThreadPoolExecutor(1) as pool:
        writer = pool.submit(grow)
        while not writer.done():
            with suppress(TransientError, NotFound):
                data, info = store.read("a")
                assert len(data) == info.size
        writer.result()
    assert len(store.read("a")[0]) == 1_000_000


def test_a_removal_never_takes_what_another_program_wrote_meanwhile(
    store: FolderStore, root: Path
) -> None:
    def place(data: bytes) -> None:
        (root / "upload").write_bytes(data)
        (root / "upload").replace(root / "a")

    def kept() -> bytes | None:
        with suppress(FileNotFoundError):
            return (root / "a").read_bytes()
        return None

    place(b"begin")
    with ThreadPoolExecutor(1) as pool:
        removals = pool.submit(stores.delete_old, store, "a")
        try:
            for i in range(200):
                place(b"old %d" % i)
                place(b"new %d" % i)
                deadline = time.monotonic() + PATIENT_SECONDS
                # It may be out of sight for a moment, until it is put back.
                while (data := kept()) is None and time.monotonic() < deadline:
                    pass
                assert data == b"new %d" % i
        finally:
            place(b"stop")
        removals.result()
    assert in_private(root) == []
