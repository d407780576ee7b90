"""A store's own files: beside the root, ours alone; what others put there does nothing."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from panoptes.network.errors import ConfigurationError
from panoptes.network.storage.folder import FolderStore
from tests.hindrances import mounted

PLACE = ".panoptes"
KINDS = ("tmp", "leaving", "locks")


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    made = FolderStore(tmp_path / "data" / "incoming", durable=False, uploads=True)
    made.check()
    return made


def use(store: FolderStore) -> None:
    """Everything that needs the store's own files."""
    store.check()
    info = store.put("PAN001/a.fits", b"pixels", if_generation=0)
    assert store.seconds_to_rest(info.name, 0, generation=info.generation) == 0
    store.delete("PAN001/a.fits", if_generation=info.generation)


def test_nothing_of_ours_lies_where_others_upload(store: FolderStore) -> None:
    use(store)
    store.put("PAN001/b.fits", b"x")
    assert sorted(path.name for path in store.root.rglob("*")) == ["PAN001", "b.fits"]
    own = store.root.parent / PLACE / "incoming"
    assert {path.name for path in own.iterdir()} == set(KINDS)
    assert own.parent.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", ["place", "kind"])
def test_a_link_among_uploads_neither_removes_nor_writes_elsewhere(
    store: FolderStore, tmp_path: Path, kind: str, level: str
) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    treasure = archive / "old.fits"
    treasure.write_bytes(b"archived long ago")
    os.utime(treasure, (0, 0))
    if level == "place":
        (archive / kind).mkdir()
        (archive / kind / "old.file").write_bytes(b"x")
        (store.root / PLACE).symlink_to(archive)
    else:
        (store.root / PLACE).mkdir()
        (store.root / PLACE / kind).symlink_to(archive)
    before = {path: path.stat().st_mtime_ns for path in archive.rglob("*")}
    use(store)
    assert {path: path.stat().st_mtime_ns for path in archive.rglob("*")} == before
    assert treasure.read_bytes() == b"archived long ago"


def test_a_plain_file_of_that_name_among_uploads_stops_nothing(store: FolderStore) -> None:
    (store.root / PLACE).write_bytes(b"")
    use(store)
    assert list(store.list()) == []


def test_notes_of_removals_among_uploads_lead_nowhere(store: FolderStore, tmp_path: Path) -> None:
    leaving = store.root / PLACE / "leaving"
    leaving.mkdir(parents=True)
    hostile = {
        "1": "../../outside", "2": str(tmp_path / "outside"), "3": "link/outside", "4": ".hidden",
    }  # fmt: skip
    (store.root / "link").symlink_to(tmp_path)
    for token, name in hostile.items():
        (leaving / f"{token}.name").symlink_to(name)
        (leaving / f"{token}.file").write_bytes(b"hostile")
    (leaving / "5.name").symlink_to("served")
    (leaving / "5.file").symlink_to("/etc/passwd")
    (leaving / "6.name").write_bytes(b"no link")
    store.check()
    assert not (tmp_path / "outside").exists()
    assert not (tmp_path / "data" / "outside").exists()
    assert [info.name for info in store.list()] == ["link"]


def test_an_upload_that_an_earlier_version_was_removing_is_put_back_once(
    store: FolderStore,
) -> None:
    leaving = store.root / PLACE / "leaving"
    leaving.mkdir(parents=True)
    (store.root / "taken.fits").write_bytes(b"newer")
    for token, name in (("1", "PAN001/a.fits"), ("2", "taken.fits"), ("3", "gone.fits")):
        (leaving / f"{token}.name").symlink_to(name)
        if name != "gone.fits":
            (leaving / f"{token}.file").write_bytes(b"older")
    for _ in range(2):
        store.check()
        assert store.read("PAN001/a.fits")[0] == b"older"
        assert store.read("taken.fits")[0] == b"newer"
        # It is not thrown away either.
        assert [path.name for path in leaving.glob("*.file")] == ["2.file"]


def _give_away(place: Path) -> None:
    place.mkdir()
    os.chown(place, 65534, 65534)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda place, other: place.symlink_to(other),
        lambda place, other: place.write_bytes(b""),
        lambda place, other: (place.mkdir(), place.chmod(0o777)),
        lambda place, other: _give_away(place),
        lambda place, other: (place.mkdir(), (place / "incoming").symlink_to(other)),
    ],
    ids=["a link", "a file", "open to all", "another's", "a link within"],
)
def test_a_place_that_is_not_ours_alone_is_refused_in_a_sentence(
    tmp_path: Path, spoil: Callable[[Path, Path], object], request: pytest.FixtureRequest
) -> None:
    if "another's" in request.node.name and os.geteuid() != 0:
        pytest.skip("only root gives files away")
    other = tmp_path / "other"
    other.mkdir()
    root = tmp_path / "data" / "incoming"
    root.mkdir(parents=True)
    spoil(root.parent / PLACE, other)
    store = FolderStore(root, uploads=True)
    for ask in (store.check, lambda: store.put("a", b"x"), lambda: store.delete("a")):
        with pytest.raises(ConfigurationError, match=r"\.panoptes belongs to the network"):
            ask()
    assert list(other.iterdir()) == []


def test_a_folder_that_is_a_file_system_of_its_own_is_refused_with_an_example() -> None:
    mount = Path("/dev/shm")
    if not mount.is_dir() or mount.stat().st_dev == mount.parent.stat().st_dev:
        pytest.skip("needs a folder that is the top of its file system")
    if not os.access(mount.parent, os.W_OK):
        pytest.skip("the folder above it may not be written")
    with pytest.raises(ConfigurationError, match="use a folder within it, such as /dev/shm/inc"):
        FolderStore(mount, uploads=True).check()
    with pytest.raises(ConfigurationError, match="top of its file system"):
        FolderStore(Path("/"), uploads=True).check()
    assert not (mount.parent / PLACE).exists()


def test_a_folder_that_is_a_mount_of_its_own_file_system_is_refused_too(store: FolderStore) -> None:
    with (
        mounted(store.root),
        pytest.raises(ConfigurationError, match="is the top of its file system or mount"),
    ):
        store.check()
    store.check()
