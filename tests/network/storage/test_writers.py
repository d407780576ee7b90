"""Uploads that somebody is still writing: noticed, and never unlinked under their writers."""

from __future__ import annotations

import errno
import fcntl
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from panoptes.network.errors import BadInput, TransientError
from panoptes.network.storage.folder import FolderStore
from panoptes.network.storage.store import NotFound, PreconditionFailed, Unreadable
from panoptes.network.storage.writers import guarded, seconds_left
from tests.patience import PATIENT_SECONDS

linux = pytest.mark.skipif(sys.platform != "linux", reason="leases are Linux's")
SECOND = 10**9


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "data" / "incoming"
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def store(root: Path) -> FolderStore:
    return FolderStore(root, durable=False, uploads=True, follow_links=False)


def left(store: FolderStore, name: str, seconds: float) -> float:
    generation = store.stat(name).generation
    return store.seconds_to_rest(name, seconds, generation=generation)


def test_a_file_rests_once_it_is_unchanged_for_so_long(store: FolderStore, root: Path) -> None:
    (root / "a").write_bytes(b"x")
    os.utime(root / "a", (0, 0))  # as rsync -t and cp -p do
    assert 59 < left(store, "a", 60) <= 60
    assert left(store, "a", 0) == 0
    deadline = time.monotonic() + PATIENT_SECONDS
    while left(store, "a", 0.2) > 0:
        assert time.monotonic() < deadline


@linux
def test_a_file_that_is_open_for_writing_does_not_rest_however_old(
    store: FolderStore, root: Path
) -> None:
    with (root / "a").open("wb", buffering=0) as writer:
        writer.write(b"first")
        info = store.stat("a")
        assert left(store, "a", 0) == float("inf")
        with pytest.raises(PreconditionFailed, match="open for writing"):
            store.delete("a", if_generation=info.generation)
        writer.write(b" and last")
    assert left(store, "a", 0) == 0
    assert (root / "a").read_bytes() == b"first and last"


@linux
def test_a_file_that_is_open_for_writing_under_another_name_does_not_rest(
    store: FolderStore, root: Path, tmp_path: Path
) -> None:
    with (tmp_path / "elsewhere").open("wb", buffering=0) as writer:
        writer.write(b"first")
        (root / "a").hardlink_to(tmp_path / "elsewhere")
        assert left(store, "a", 0) == float("inf")
        with pytest.raises(PreconditionFailed):
            store.delete("a", if_generation=store.stat("a").generation)
    assert left(store, "a", 0) == 0


def test_what_changed_since_it_was_listed_does_not_rest(store: FolderStore, root: Path) -> None:
    (root / "a").write_bytes(b"x")
    generation = store.stat("a").generation
    (root / "a").write_bytes(b"more")
    assert store.seconds_to_rest("a", 7, generation=generation) == 7
    (root / "a").unlink()
    with pytest.raises(NotFound):
        store.seconds_to_rest("a", 7, generation=generation)


def test_what_we_put_there_ourselves_is_whole(store: FolderStore) -> None:
    info = store.put("a", b"x", if_generation=0)
    if info.crc32c != store.stat("a").crc32c:
        pytest.skip("this file system keeps no extended attributes")
    assert left(store, "a", 60) == 0


def test_pipes_and_links_are_waited_for_by_nobody(store: FolderStore, root: Path) -> None:
    os.mkfifo(root / "pipe")
    (root / "link").symlink_to("/etc/passwd")
    assert left(store, "pipe", 60) == left(store, "link", 60) == 0
    with pytest.raises(BadInput, match="not-a-file"):
        store.read("link")


def _stat(root: Path, *, modified: int) -> os.stat_result:
    path = root / "a"
    path.write_bytes(b"x")
    os.utime(path, ns=(modified, modified))
    return path.stat()


@pytest.mark.parametrize(
    ("clock", "expected"),
    [(0, 10), (4, 6), (10, 0), (1000, 0), (-3, 13), (-10, 20), (-11, 0), (-86400, 0)],
)
def test_the_change_time_is_held_against_the_clock_of_the_file_system(
    root: Path, clock: int, expected: float
) -> None:
    """`clock`: seconds after the change by the file system's clock."""
    for modified in (0, time.time_ns() + 10**6 * SECOND):  # set by a program, past and future
        found = _stat(root, modified=modified)
        now = found.st_ctime_ns + clock * SECOND
        assert seconds_left(found, 10, now) == pytest.approx(expected)


@pytest.fixture
def cannot_tell(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leases are refused, as on NFS and for files of other users."""
    real = fcntl.fcntl

    def refuse(descriptor: int, command: int, *arguments: int) -> int:
        if command == fcntl.F_SETLEASE:
            raise OSError(errno.EINVAL, "refused")
        return real(descriptor, command, *arguments)

    monkeypatch.setattr("panoptes.network.storage.writers.fcntl.fcntl", refuse)


@linux
@pytest.mark.usefixtures("cannot_tell")
def test_where_the_system_cannot_tell_the_times_decide(store: FolderStore, root: Path) -> None:
    with (root / "a").open("wb", buffering=0) as writer:
        writer.write(b"x")
        assert 59 < left(store, "a", 60) <= 60
        assert left(store, "a", 0) == 0
        store.delete("a", if_generation=store.stat("a").generation)
    assert list(store.list()) == []


@linux
def test_another_users_file_is_one_of_which_the_system_cannot_tell(
    store: FolderStore, root: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can be two users")
    (root / "a").write_bytes(b"x")
    root.parent.parent.chmod(0o755)
    descriptor = os.open(root / "a", os.O_RDONLY)
    os.seteuid(65534)
    try:
        with guarded(descriptor) as guard:
            assert (guard.written, guard.certain, guard.holds) == (False, False, True)
    finally:
        os.seteuid(0)
        os.close(descriptor)


@linux
def test_a_refusal_on_a_remote_file_system_tells_nothing(
    store: FolderStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NFS refuses a lease, too, where its server has promised us nothing."""
    with (root / "a").open("wb", buffering=0):
        assert left(store, "a", 0) == float("inf")
        monkeypatch.setattr("panoptes.network.storage.writers._is_shared", lambda _: True)
        assert left(store, "a", 0) == 0


@linux
def test_the_signal_of_a_writer_that_opens_a_guarded_file_kills_nobody(root: Path) -> None:
    (root / "a").write_bytes(b"x")
    descriptor = os.open(root / "a", os.O_RDONLY)
    with guarded(descriptor) as guard:
        assert guard.holds
        with pytest.raises(BlockingIOError):
            os.open(root / "a", os.O_WRONLY | os.O_NONBLOCK)
        assert not guard.holds
    with (root / "a").open("ab"):  # given back: nobody waits
        pass
    os.close(descriptor)


@contextmanager
def meddling(monkeypatch: pytest.MonkeyPatch, meddle: Callable[[], object]) -> Iterator[None]:
    """Another program does something right after an upload was moved out of the way."""
    real, done = os.rename, False

    def rename(*arguments: object, **options: object) -> None:
        nonlocal done
        real(*arguments, **options)  # type: ignore[arg-type]
        if not done:
            done = True
            meddle()

    with monkeypatch.context() as patch:
        patch.setattr("panoptes.network.storage.leaving.os.rename", rename)
        yield
    assert done


@linux
def test_a_writer_that_begins_while_its_file_is_removed_gets_it_back_whole(
    store: FolderStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = root / "a"
    path.write_bytes(b"first")
    info = store.stat("a")
    reader = os.open(path, os.O_RDONLY)
    writer: list[threading.Thread] = []

    def begin() -> None:
        def write() -> None:
            # It found the file before that was moved, and waits for us.
            descriptor = os.open(f"/proc/self/fd/{reader}", os.O_WRONLY | os.O_APPEND)
            os.write(descriptor, b" and last")
            os.close(descriptor)

        writer.append(threading.Thread(target=write))
        writer[0].start()
        deadline = time.monotonic() + PATIENT_SECONDS
        while _lease_of(root) != fcntl.F_UNLCK:
            assert time.monotonic() < deadline

    def _lease_of(_: Path) -> int:
        try:
            os.close(os.open(f"/proc/self/fd/{reader}", os.O_WRONLY | os.O_NONBLOCK))
        except BlockingIOError:
            return fcntl.F_UNLCK
        return fcntl.F_RDLCK

    with (
        meddling(monkeypatch, begin),
        pytest.raises(PreconditionFailed, match="changed while"),
    ):
        store.delete("a", if_generation=info.generation)
    writer[0].join()
    os.close(reader)
    assert path.read_bytes() == b"first and last"


@pytest.mark.usefixtures("cannot_tell")
def test_what_is_written_after_its_removal_brings_a_file_back(
    store: FolderStore, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system cannot tell that somebody has it open."""
    (root / "other").write_bytes(b"whole")
    with (root / "a").open("wb", buffering=0) as writer:
        writer.write(b"first")
        for name in ("a", "other"):
            store.delete(name, if_generation=store.stat(name).generation)
        store.check()
        assert list(store.list()) == []
        writer.write(b" and last")
    store.check()
    assert [info.name for info in store.list()] == ["a"]
    assert store.read("a")[0] == b"first and last"
    leaving = root.parent / ".panoptes/incoming/leaving"
    assert [path.read_bytes() for path in leaving.glob("*.file")] == [b"whole"]
    monkeypatch.setattr("panoptes.network.storage.leaving.KEPT_SECONDS", 0.0)
    deadline = time.monotonic() + PATIENT_SECONDS
    while list(leaving.iterdir()):
        assert time.monotonic() < deadline
        store.check()
    assert [info.name for info in store.list()] == ["a"]


@pytest.mark.usefixtures("cannot_tell")
@pytest.mark.parametrize("newer", [False, True])
def test_what_is_written_while_it_is_removed_is_never_lost(
    store: FolderStore, root: Path, monkeypatch: pytest.MonkeyPatch, newer: bool
) -> None:
    path = root / "deep" / "a.fits"
    path.parent.mkdir()
    writer = path.open("wb", buffering=0)
    writer.write(b"first")
    info = store.stat("deep/a.fits")

    def meddle() -> None:
        writer.write(b" and last")
        if newer:
            path.write_bytes(b"newer")

    with meddling(monkeypatch, meddle), pytest.raises(PreconditionFailed):
        store.delete("deep/a.fits", if_generation=info.generation)
    writer.close()
    found = {each.name: store.read(each.name)[0] for each in store.list()}
    if not newer:
        assert found == {"deep/a.fits": b"first and last"}
    else:
        assert sorted(found.values()) == [b"first and last", b"newer"]
        assert found["deep/a.fits"] == b"newer"
    assert list((root.parent / ".panoptes/incoming/leaving").iterdir()) == []


# Passing names


PASSING = [
    ".20180216T112430.fits.XyZ123", "a/.~tmp~/b.fits", ".nfs0000001", "a.fits.part", "A.FITS.PART",
    "a.fits.partial", "a.fits.filepart", "a.fits.tmp", "a.fits.crdownload", "night.part/a.fits",
]  # fmt: skip


def test_an_upload_under_a_passing_name_is_not_there_yet(store: FolderStore, root: Path) -> None:
    for name in [*PASSING, "a/b.fits", "parts.fits"]:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(b"x")
    assert [info.name for info in store.list()] == ["a/b.fits", "parts.fits"]
    assert list(store.folders("")) == ["a/"]
    for prefix in ("night.part/", "a/.~tmp~/", ".20"):
        assert list(store.list(prefix)) == []
    assert store.count_passing(0) == len(PASSING)
    assert store.count_passing(60) == 0
    with pytest.raises(ValueError, match="still under way"):
        store.put("a.fits.part", b"x")
    archive = FolderStore(root.parent / "images", durable=False)
    archive.put(".hidden", b"x")
    assert [info.name for info in archive.list()] == [".hidden"]


# Folders that are swapped for links


def test_a_folder_that_is_swapped_for_a_link_never_shows_what_is_outside(
    store: FolderStore, root: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    (outside / "in").mkdir(parents=True)
    (outside / "in" / "a.fits").write_bytes(b"secret")
    (outside / "in" / "only-outside").write_bytes(b"secret")
    (root / "way" / "in").mkdir(parents=True)
    (root / "way" / "in" / "a.fits").write_bytes(b"public")
    (root / "link").symlink_to(outside)
    stop = threading.Event()

    def swap() -> None:
        while not stop.is_set():
            with suppress(OSError):
                (root / "way").rename(root / "kept")
                (root / "link").rename(root / "way")
                if random.random() < 0.5:
                    time.sleep(0.0002)
                (root / "way").rename(root / "link")
                (root / "kept").rename(root / "way")

    swapping = threading.Thread(target=swap)
    swapping.start()
    reads = misses = 0
    try:
        began = time.monotonic()
        while time.monotonic() < began + (2 if reads > 20 and misses > 20 else 60):
            for info in store.list():
                assert "only-outside" not in info.name
            assert "way/in/only-outside" not in [i.name for i in store.list("way/in/")]
            try:
                assert store.read("way/in/a.fits")[0] == b"public"
                assert store.read_range("way/in/a.fits", 0, 6) == b"public"
                reads += 1
            except (NotFound, Unreadable, TransientError):
                misses += 1
    finally:
        stop.set()
        swapping.join()
    assert min(reads, misses) > 20
    assert sorted(path.name for path in (outside / "in").iterdir()) == ["a.fits", "only-outside"]
