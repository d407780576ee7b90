"""Newer generations, runs side by side, stalled runs, and events in every disorder."""

from __future__ import annotations

import random
import signal
from collections.abc import Callable

from tests.files import IMAGE, tiny_fits
from tests.real import children
from tests.real.conftest import MakeWorld, scale
from tests.real.judge import Snapshot, judge
from tests.real.nights import BAD, Night, small_night, tiny_night, upload
from tests.real.steps import Run, count_calls, recover, repair, run, take_observation
from tests.real.tally import Tally
from tests.real.worlds import Backend, World

FITS = f"{IMAGE}.fits"
HOUR = 3600.0
BY_THE_CLOCK = {"observations": ("status",)}
"""An observation is received after hours of silence, whoever's clock says so."""
BY_THE_ORDER = {**BY_THE_CLOCK, "files": ("outputs",)}
"""A camera raw that comes after its FITS file makes no picture."""


def newer(night: Night) -> Night:
    """The same night, but that the image was uploaded once more and says something else."""
    again = upload(FITS, tiny_fits({"AIRMASS": 2.5, "EXPTIME": 30.25}, seed=7), "archived")
    return {**night, FITS: again}


def test_a_file_that_is_overwritten_while_it_is_ingested(
    make_world: MakeWorld,
    faultless: Callable[[Night], Snapshot],
    backend: Backend,
    tally: Tally,
    chance: random.Random,
) -> None:
    night, after = small_night(), newer(small_night())
    like = faultless(after)
    for at in _places(make_world(), night, chance, scale(4, {"folder": 80, "google": 24}[backend])):
        world = make_world()
        world.send_all(night)
        children.call(run, world, Run(at=at, sends=(FITS, after[FITS].data)))
        children.call(recover, world)
        verdict = children.call(judge, world, after, like)
        tally.add(
            f"overwritten while it is ingested ({backend})", f"{at}", verdict, files=len(night)
        )


def test_a_file_that_is_overwritten_by_a_damaged_one_after_its_run_was_killed(
    make_world: MakeWorld, backend: Backend, tally: Tally, chance: random.Random
) -> None:
    """What the run had archived but not written down, the auditor writes down."""
    night = small_night()
    bad = upload(FITS, tiny_fits()[:3000], *BAD)
    # An archive that nobody owns is returned to incoming under its own name.
    also = {FITS: night[FITS], f"{FITS}.fz": upload(f"{FITS}.fz", b"", "archived")}
    most = scale(2, {"folder": 40, "google": 8}[backend])
    for at in _places(make_world(), night, chance, most):
        world = make_world()
        world.send_all(night)
        assert children.died(run, world, Run(at=at))
        world.send(FITS, bad.data)
        children.call(recover, world)
        found = children.call(repair, world)
        verdict = children.call(judge, world, {**night, FITS: bad}, None, None, also)
        label = f"{at}, {len(found)} findings repaired"
        kind = f"killed, overwritten by a damaged file, audit --repair ({backend})"
        tally.add(kind, label, verdict, files=len(night), faults=2)


def test_a_run_that_stalls_until_another_has_done_its_work(
    make_world: MakeWorld,
    faultless: Callable[[Night], Snapshot],
    backend: Backend,
    tally: Tally,
    chance: random.Random,
) -> None:
    """It wakes up behind a lease that ran out, with what it had read long ago."""
    night = small_night()
    most = scale(3, {"folder": 60, "google": 20}[backend])
    for at in _places(make_world(), night, chance, most):
        is_newer = chance.random() < 0.5
        after = newer(night) if is_newer else night
        like = faultless(after)
        world = make_world()
        world.send_all(night)
        stalled = children.Child(run, world, Run(at=at, signal=signal.SIGSTOP))
        assert stalled.await_stop()
        if is_newer:
            world.send(FITS, after[FITS].data)
        children.call(run, world, Run(clock=HOUR))
        stalled.go_on()
        stalled.result()
        children.call(recover, world)
        verdict = children.call(judge, world, after, like, BY_THE_CLOCK)
        label = f"{at}, {'and a newer generation came' if is_newer else 'the same file'}"
        tally.add(f"stalled run ({backend})", label, verdict, files=len(night))


def test_runs_of_one_observation_at_the_same_time(
    make_world: MakeWorld,
    faultless: Callable[[Night], Snapshot],
    backend: Backend,
    tally: Tally,
    chance: random.Random,
) -> None:
    night = tiny_night()
    like = faultless(night)
    most = scale({"folder": 2, "google": 1}, {"folder": 20, "google": 6})[backend]
    for index in range(most):
        # Every second time the lease keeps nobody out: their clocks are an hour apart.
        hours = [0.0, HOUR, 2 * HOUR] if index % 2 else [0.0] * 3
        world = make_world()
        world.send_all(night)
        runs = [children.Child(run, world, Run(workers=2, clock=hour)) for hour in hours]
        for each in runs:
            each.result()
        children.call(recover, world)
        verdict = children.call(judge, world, night, like, BY_THE_CLOCK)
        kind = f"three runs at once, {'without a lease' if index % 2 else 'with the lease'}"
        tally.add(f"{kind} ({backend})", f"number {index}", verdict, files=len(night))


def test_events_many_times_in_any_order_and_late_or_never(
    make_world: MakeWorld,
    faultless: Callable[[Night], Snapshot],
    backend: Backend,
    tally: Tally,
    chance: random.Random,
) -> None:
    """Each delivery is a run of its observation, three of them at a time.

    Of two files with the same image the first to come is archived: here, one comes.
    """
    night = {name: each for name, each in tiny_night().items() if name != f"{IMAGE}.fits.fz"}
    like = faultless(night)
    for index in range(scale(1, {"folder": 4, "google": 1}[backend])):
        world = make_world()
        told = [name for name in night if chance.random() >= 0.1]
        deliveries = [name for name in told for _ in range(scale(2, 10))]
        chance.shuffle(deliveries)
        late = [deliveries.pop() for _ in range(len(deliveries) // 10)]
        unsent = list(night)
        chance.shuffle(unsent)
        running: list[children.Child] = []
        for name in deliveries:
            if unsent and chance.random() < 0.6:
                sent = unsent.pop()
                world.send(sent, night[sent].data)
            running.append(children.Child(take_observation, world, name, Run(workers=2)))
            if len(running) == 3:
                running.pop(chance.randrange(3)).result()
        for name in unsent:
            world.send(name, night[name].data)
        for each in running:
            each.result()
        for name in late:
            children.call(take_observation, world, name, Run(clock=HOUR))
        passes = children.call(recover, world)
        assert len(passes) == 1, "one sweep is enough"
        verdict = children.call(judge, world, night, like, BY_THE_ORDER)
        label = f"number {index}, {len(night) - len(told)} dropped, {len(late)} late"
        kind = f"events repeated, out of order, late and dropped ({backend})"
        tally.add(kind, label, verdict, files=len(night), faults=len(deliveries) + len(late))


def _places(world: World, night: Night, chance: random.Random, most: int) -> list[int]:
    """Some of the calls of a run, or all."""
    world.send_all(night)
    count = len(children.call(count_calls, world))
    return sorted(chance.sample(range(1, count + 1), min(most, count)))
