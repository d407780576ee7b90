"""Newer generations, runs side by side, stalled runs, other clocks, events in every disorder."""

from __future__ import annotations

import signal

from tests.faults import children
from tests.faults.conftest import scale
from tests.faults.nights import BAD, Night, small_night, tiny_night, upload
from tests.faults.steps import Run, recover_and_repair, run, take_observation
from tests.faults.trials import Trials
from tests.files import IMAGE, tiny_fits

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


def test_a_file_that_is_overwritten_while_it_is_ingested(trials: Trials) -> None:
    night, after = small_night(), newer(small_night())
    like = trials.faultless(after)
    most = scale(4, {"folder": None, "google": 10}[trials.backend])
    for at in trials.places(len(trials.calls(night)), most):
        world = trials.sent(night)
        children.call(run, world, Run(at=at, sends=(FITS, after[FITS].data)))
        kind = f"overwritten while it is ingested ({trials.backend})"
        trials.recover_and_judge(kind, f"{at}", world, after, like=like)


def test_a_file_that_is_overwritten_by_a_damaged_one_after_its_run_was_killed(
    trials: Trials,
) -> None:
    """What the run had archived but not written down, the auditor writes down."""
    night = small_night()
    bad = upload(FITS, tiny_fits()[:3000], *BAD)
    after = {**night, FITS: bad}
    # An archive that nobody owns is returned to incoming under its own name.
    also = {FITS: night[FITS], f"{FITS}.fz": upload(f"{FITS}.fz", b"", "archived")}
    most = scale(2, {"folder": 12, "google": 4}[trials.backend])
    for at in trials.places(len(trials.calls(night)), most):
        world = trials.sent(night)
        assert children.died(run, world, Run(at=at))
        world.send(FITS, bad.data)
        found = children.call(recover_and_repair, world)
        kind = f"killed, overwritten by a damaged file, audit --repair ({trials.backend})"
        label = f"{at}, {len(found)} findings repaired"
        trials.judge(kind, label, world, after, like=None, also=also, faults=2)


def test_a_run_that_stalls_until_another_has_done_its_work(trials: Trials) -> None:
    """It wakes up behind a lease that ran out, with what it had read long ago."""
    night = small_night()
    most = scale(3, {"folder": 24, "google": 8}[trials.backend])
    for at in trials.places(len(trials.calls(night)), most):
        is_newer = trials.chance.random() < 0.5
        after = newer(night) if is_newer else night
        like = trials.faultless(after)
        world = trials.sent(night)
        stalled = children.Child(run, world, Run(at=at, signal=signal.SIGSTOP))
        assert stalled.await_stop()
        if is_newer:
            world.send(FITS, after[FITS].data)
        children.call(run, world, Run(clock=HOUR))
        stalled.go_on()
        stalled.result()
        kind = f"stalled run ({trials.backend})"
        label = f"{at}, {'and a newer generation came' if is_newer else 'the same file'}"
        trials.recover_and_judge(kind, label, world, after, like=like, passing=BY_THE_CLOCK)


def test_clocks_that_are_hours_wrong(trials: Trials) -> None:
    """A run dies by one clock, and the next lives by another."""
    night = small_night()
    like = trials.faultless(night)
    count = len(trials.calls(night))
    for _ in range(scale(1, {"folder": 6, "google": 3}[trials.backend])):
        clocks = [trials.chance.uniform(-5, 5) * HOUR for _ in range(2)]
        at = trials.chance.randrange(1, count + 1)
        world = trials.sent(night)
        children.died(run, world, Run(at=at, clock=clocks[0]))
        children.call(run, world, Run(clock=clocks[1]))
        kind = f"clock skew ({trials.backend})"
        label = f"call {at}, " + " and ".join(f"{clock / HOUR:+.1f} h" for clock in clocks)
        trials.recover_and_judge(
            kind, label, world, night, like=like, passing=BY_THE_CLOCK, faults=2
        )


def test_runs_of_one_observation_at_the_same_time(trials: Trials) -> None:
    night = tiny_night()
    like = trials.faultless(night)
    most = scale({"folder": 2, "google": 1}, {"folder": 6, "google": 2})[trials.backend]
    for index in range(most):
        # Every second time the lease keeps nobody out: their clocks are an hour apart.
        hours = [0.0, HOUR, 2 * HOUR] if index % 2 else [0.0] * 3
        world = trials.sent(night)
        runs = [children.Child(run, world, Run(workers=2, clock=hour)) for hour in hours]
        for each in runs:
            each.result()
        lease = "without a lease" if index % 2 else "with the lease"
        kind = f"three runs at once, {lease} ({trials.backend})"
        trials.recover_and_judge(
            kind, f"number {index}", world, night, like=like, passing=BY_THE_CLOCK
        )


def test_events_many_times_in_any_order_and_late_or_never(trials: Trials) -> None:
    """Each delivery is a run of its observation, three of them at a time.

    Of two files with the same image the first to come is archived: here, one comes.
    """
    chance = trials.chance
    night = {name: each for name, each in tiny_night().items() if name != f"{IMAGE}.fits.fz"}
    like = trials.faultless(night)
    for index in range(scale(1, {"folder": 2, "google": 1}[trials.backend])):
        world = trials.make_world()
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
        kind = f"events repeated, out of order, late and dropped ({trials.backend})"
        label = f"number {index}, {len(night) - len(told)} dropped, {len(late)} late"
        faults = len(deliveries) + len(late)
        passes = trials.recover_and_judge(
            kind, label, world, night, like=like, passing=BY_THE_ORDER, faults=faults
        )
        assert passes == 1, "one sweep is enough"
