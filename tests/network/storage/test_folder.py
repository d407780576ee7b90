"""What holds for folders alone: other programs, odd files, permissions, dying processes."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from panoptes.network.errors import BadInput, ConfigurationError, TransientError
from panoptes.network.storage.folder import FolderStore
from panoptes.network.storage.store import NotFound, ObjectInfo, PreconditionFailed, Unreadable
from panoptes.network.storage.transfer import Source
from tests.network import stores
from tests.patience import PATIENT_SECONDS

NOBODY = 65534


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> FolderStore:
    made = FolderStore(root, durable=False)
    made.check()
    return made


def names(store: FolderStore, prefix: str = "") -> list[str]:
    return [info.name for info in store.list(prefix)]


def in_private(root: Path) -> list[Path]:
    """What the store keeps beside its objects, but for its locks."""
    private = root.parent / ".panoptes" / root.name
    return [path for kind in ("tmp", "leaving") for path in (private / kind).glob("*")]


# Other programs


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

    def receive(self, name: str, source: Source, *, if_generation: int | None = None) -> ObjectInfo:
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


# Odd files


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


# Permissions and limits


@pytest.fixture
def unprivileged() -> Iterator[Path]:
    """A folder of this process, which for the test has no special rights."""
    folder = Path(tempfile.mkdtemp(prefix="panoptes-"))
    is_root = os.geteuid() == 0
    try:
        folder.chmod(0o755)
        if is_root:
            os.chown(folder, NOBODY, NOBODY)
            os.seteuid(NOBODY)
        yield folder / "store"
    finally:
        if is_root:
            os.seteuid(0)
        for path in folder.rglob("*"):
            if path.is_dir():
                path.chmod(0o755)
        shutil.rmtree(folder)


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


# Read-only stores, checks


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


# Processes that die


def test_what_a_dead_process_was_removing_is_put_back(store: FolderStore, root: Path) -> None:
    leaving = root.parent / ".panoptes" / root.name / "leaving"
    store.put("other", b"newer")
    for token, name in (("1", "deep/a"), ("2", "other"), ("3", "gone")):
        path = leaving / "file"
        path.write_bytes(b"bytes")
        seen = path.stat()
        token = f"{token}.{seen.st_mtime_ns}.{seen.st_size}.{seen.st_ino}"
        path.rename(leaving / f"{token}.file")
        (leaving / f"{token}.name").symlink_to(name)
        if name == "gone":
            (leaving / f"{token}.file").unlink()
    store.check()

    assert store.read("deep/a")[0] == b"bytes"
    assert store.read("other")[0] == b"newer"
    assert names(store) == ["deep/a", "other"]
    assert in_private(root) == []


def test_what_a_dead_process_was_writing_is_cleared_away_in_the_end(
    store: FolderStore, root: Path
) -> None:
    old, new = (root.parent / ".panoptes" / root.name / "tmp" / each for each in ("old", "new"))
    for path in (old, new):
        path.write_bytes(b"half")
    two_days_ago = time.time() - 2 * 86400
    os.utime(old, (two_days_ago, two_days_ago))
    store.check()

    assert in_private(root) == [new]
    assert names(store) == []


def test_a_killed_writer_leaves_whole_objects_only(store: FolderStore, root: Path) -> None:
    code = (
        "import sys, pathlib\n"
        "from panoptes.network.storage.folder import FolderStore\n"
        "store = FolderStore(pathlib.Path(sys.argv[1]), durable=False)\n"
        "for i in range(10**6): store.put(f'a/{i % 5}', bytes([i % 256]) * 3_000_000)\n"
    )
    writer = subprocess.Popen([sys.executable, "-c", code, str(root)])
    deadline = time.monotonic() + PATIENT_SECONDS
    while len(names(store)) < 3 and time.monotonic() < deadline:
        assert writer.poll() is None
    writer.send_signal(signal.SIGKILL)
    writer.wait()
    store.check()

    assert len(names(store)) >= 3
    for name in names(store):
        data, info = store.read(name)
        assert data == data[:1] * 3_000_000
        assert info.crc32c == store.stat(name).crc32c
        store.delete(name, if_generation=info.generation)


def test_a_store_goes_on_after_its_own_files_were_removed(store: FolderStore, root: Path) -> None:
    store.put("a", b"x")
    shutil.rmtree(root.parent / ".panoptes" / root.name)
    store.put("b", b"x")
    shutil.rmtree(root.parent / ".panoptes" / root.name)
    store.delete("a")

    assert names(store) == ["b"]


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
