"""The machine itself: full disks, and decoders that crash, eat memory or hang."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults import children
from tests.faults.conftest import ON_FOLDERS, scale
from tests.faults.disks import SmallDisk, small_disk
from tests.faults.nights import small_night, tiny_night, upload
from tests.faults.poison import MARK, Way
from tests.faults.steps import Run, run
from tests.faults.trials import Trials
from tests.faults.worlds import Backend, World, folder_world
from tests.files import LATER, tiny_fits

pytestmark = ON_FOLDERS

POISONED = f"{LATER}.fits"


@pytest.fixture
def backend() -> Backend:
    return "folder"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    try:
        with small_disk(tmp_path / "disk") as mounted:
            yield mounted
    except OSError as error:
        pytest.skip(f"needs to mount a small file system: {error}")


def test_a_disk_that_fills_up_anywhere(disk: SmallDisk, trials: Trials) -> None:
    """Uploads, archive, catalogue and the stores' own files are all on it."""
    night = tiny_night()
    like = trials.faultless(night)
    for index in range(scale(3, 16)):
        disk.grow()
        world = folder_world(disk.folder / f"{index}")
        world.send_all(night)
        free = trials.chance.randrange(0, 400 << 10)
        disk.leave(free)
        children.call(run, world)
        disk.grow()
        trials.recover_and_judge(
            "disk full (folder)", f"with {free} bytes free", world, night, like=like
        )


def test_files_that_may_not_grow(trials: Trials) -> None:
    """What a quota does; needs nobody's permission, unlike a small disk."""
    night = tiny_night()
    like = trials.faultless(night)
    for _ in range(scale(1, 4)):
        world = trials.sent(night)
        children.call(make_catalog, world)
        most = trials.chance.randrange(1 << 10, 64 << 10)
        children.call(run, world, Run(largest_file=most))
        kind = "no file may be larger than so many bytes (folder)"
        trials.recover_and_judge(kind, f"{most}", world, night, like=like)


def make_catalog(world: World) -> None:
    """Make the folders and the catalogue."""
    world.open().check()


def test_a_scratch_folder_that_is_full(disk: SmallDisk, trials: Trials) -> None:
    """Suspicious files are decoded in a child, which needs a few bytes there."""
    if not scale(False, True):
        pytest.skip("starts seven interpreters: make faults does it")
    night = small_night()
    like = trials.faultless(night)
    for free in [(0, 4096, 8192)[trials.turn % 3]]:
        world = trials.sent(night)
        assert children.died(run, world, Run(at=60))  # a file in its hands
        disk.leave(free)
        children.call(run, world, Run(decoders_here=False, scratch=str(disk.folder)))
        disk.grow()
        trials.recover_and_judge(
            "scratch folder full (folder)", f"{free} bytes free", world, night, like=like
        )


@pytest.mark.parametrize("way", scale(["crashes"], ["crashes", "eats memory", "hangs"]))
def test_a_decoder_that_one_file_brings_down(way: Way, trials: Trials) -> None:
    """The first run dies of it, or hangs and is killed; the next sets the file aside."""
    data = tiny_fits({"OBJECT": MARK.decode()}, seed=4)
    bad = upload(POISONED, data, "quarantined", "decoder-crash")
    night = {**small_night(), POISONED: bad}
    world = trials.sent(night)
    how = Run(decoder=way, decoders_here=False)
    if way == "hangs":
        first = children.Child(run, world, how)
        assert first.kill_after(4.0)
    else:
        assert children.died(run, world, how)
    children.call(run, world, how)
    trials.recover_and_judge(f"decoder that {way} (folder)", "", world, night, like=None)
