"""The machine itself: full disks, wrong clocks, decoders that crash, eat memory or hang."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.files import LATER, tiny_fits
from tests.real import children
from tests.real.conftest import ON_FOLDERS, MakeWorld, scale
from tests.real.disks import SmallDisk, small_disk
from tests.real.judge import Snapshot, judge
from tests.real.nights import Night, small_night, tiny_night, upload
from tests.real.poison import MARK, Way
from tests.real.steps import Run, count_calls, recover, run
from tests.real.tally import Tally
from tests.real.test_overlaps import BY_THE_CLOCK, HOUR
from tests.real.worlds import Backend, World, folder_world

POISONED = f"{LATER}.fits"


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    try:
        with small_disk(tmp_path / "disk") as mounted:
            yield mounted
    except OSError as error:
        pytest.skip(f"needs to mount a small file system: {error}")


def _faultless(root: Path, night: Night) -> Snapshot:
    world = folder_world(root)
    world.send_all(night)
    children.call(run, world)
    snapshot = children.call(judge, world, night).snapshot
    assert snapshot is not None
    return snapshot


@ON_FOLDERS
def test_a_disk_that_fills_up_anywhere(
    disk: SmallDisk, tmp_path: Path, tally: Tally, chance: random.Random
) -> None:
    """Uploads, archive, catalogue and the stores' own files are all on it."""
    night = tiny_night()
    like = _faultless(tmp_path / "faultless", night)
    for index in range(scale(3, 40)):
        disk.grow()
        world = folder_world(disk.folder / f"{index}")
        world.send_all(night)
        free = chance.randrange(0, 400 << 10)
        disk.leave(free)
        children.call(run, world)
        disk.grow()
        children.call(recover, world)
        verdict = children.call(judge, world, night, like)
        tally.add("disk full (folder)", f"with {free} bytes free", verdict, files=len(night))


@ON_FOLDERS
def test_files_that_may_not_grow(tmp_path: Path, tally: Tally, chance: random.Random) -> None:
    """What a quota does; needs nobody's permission, unlike a small disk."""
    night = tiny_night()
    like = _faultless(tmp_path / "faultless", night)
    for index in range(scale(1, 12)):
        world = folder_world(tmp_path / f"{index}")
        world.send_all(night)
        children.call(make_catalog, world)
        most = chance.randrange(1 << 10, 64 << 10)
        children.call(run, world, Run(largest_file=most))
        children.call(recover, world)
        verdict = children.call(judge, world, night, like)
        kind = "no file may be larger than so many bytes (folder)"
        tally.add(kind, f"{most}", verdict, files=len(night))


def make_catalog(world: World) -> None:
    """Make the folders and the catalogue."""
    world.open().check()


@ON_FOLDERS
def test_a_scratch_folder_that_is_full(
    disk: SmallDisk, tmp_path: Path, tally: Tally, chance: random.Random
) -> None:
    """Suspicious files are decoded in a child, which needs a few bytes there."""
    if not scale(False, True):
        pytest.skip("starts twenty interpreters: make faults does it")
    night = small_night()
    like = _faultless(tmp_path / "faultless", night)
    for free in (0, 4096, 8192):
        world = folder_world(tmp_path / f"{free}")
        world.send_all(night)
        assert children.died(run, world, Run(at=60))  # a file in its hands
        disk.leave(free)
        children.call(run, world, Run(decoders_here=False, scratch=str(disk.folder)))
        disk.grow()
        children.call(recover, world)
        verdict = children.call(judge, world, night, like)
        tally.add("scratch folder full (folder)", f"{free} bytes free", verdict, files=len(night))


def test_clocks_that_are_hours_wrong(
    make_world: MakeWorld,
    faultless: Callable[[Night], Snapshot],
    backend: Backend,
    tally: Tally,
    chance: random.Random,
) -> None:
    """A run dies by one clock, and the next lives by another."""
    night = small_night()
    like = faultless(night)
    counted = make_world()
    counted.send_all(night)
    count = len(children.call(count_calls, counted))
    for _ in range(scale(1, {"folder": 20, "google": 6}[backend])):
        clocks = [chance.uniform(-5, 5) * HOUR for _ in range(2)]
        at = chance.randrange(1, count + 1)
        world = make_world()
        world.send_all(night)
        children.died(run, world, Run(at=at, clock=clocks[0]))
        children.call(run, world, Run(clock=clocks[1]))
        children.call(recover, world)
        verdict = children.call(judge, world, night, like, BY_THE_CLOCK)
        label = f"call {at}, " + " and ".join(f"{clock / HOUR:+.1f} h" for clock in clocks)
        tally.add(f"clock skew ({backend})", label, verdict, files=len(night), faults=2)


@ON_FOLDERS
@pytest.mark.parametrize("way", scale(["crashes"], ["crashes", "eats memory", "hangs"]))
def test_a_decoder_that_one_file_brings_down(way: Way, tmp_path: Path, tally: Tally) -> None:
    """The first run dies of it, or hangs and is killed; the next sets the file aside."""
    data = tiny_fits({"OBJECT": MARK.decode()}, seed=4)
    bad = upload(POISONED, data, "quarantined", "decoder-crash")
    night = {**small_night(), POISONED: bad}
    world = folder_world(tmp_path)
    world.send_all(night)
    how = Run(decoder=way, decoders_here=False)
    if way == "hangs":
        first = children.Child(run, world, how)
        assert first.kill_after(4.0)
    else:
        assert children.died(run, world, how)
    children.call(run, world, how)
    children.call(recover, world)
    verdict = children.call(judge, world, night)
    tally.add(f"decoder that {way} (folder)", "", verdict, files=len(night))
