"""A run that is killed anywhere loses nothing, and the next one ends it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from tests.real import children
from tests.real.conftest import MakeWorld, scale
from tests.real.judge import Snapshot, judge
from tests.real.nights import Night, small_night, tiny_night
from tests.real.steps import Run, count_calls, recover, run
from tests.real.tally import Tally
from tests.real.worlds import Backend


def test_a_kill_before_or_after_any_call_to_a_store_or_the_catalog(
    make_world: MakeWorld,
    faultless: Callable[[Night], Snapshot],
    backend: Backend,
    tally: Tally,
    chance: random.Random,
) -> None:
    # Firestore's emulator takes ten milliseconds a call: there, every call of a small night
    # and a sample of those of the whole.
    google = [(small_night(), scale(2, None)), (tiny_night(), scale(2, 24))]
    for night, most in {"folder": [(tiny_night(), scale(6, None))], "google": google}[backend]:
        like = faultless(night)
        counted = make_world()
        counted.send_all(night)
        calls = children.call(count_calls, counted)
        tally.calls(f"{backend}, {len(night)} files", calls)
        places = range(1, len(calls) + 1)
        for at in places if most is None else sorted(chance.sample(places, most)):
            world = make_world()
            world.send_all(night)
            assert children.died(run, world, Run(at=at)), calls[at - 1]
            children.call(recover, world)
            verdict = children.call(judge, world, night, like)
            label = f"{at} of {len(night)} files, {calls[at - 1]}"
            tally.add(f"kill at a call ({backend})", label, verdict, files=len(night))


def test_a_kill_at_a_random_moment(
    make_world: MakeWorld,
    faultless: Callable[[Night], Snapshot],
    backend: Backend,
    tally: Tally,
    chance: random.Random,
) -> None:
    night = tiny_night()
    like = faultless(night)
    counted = make_world()
    counted.send_all(night)
    begun = time.monotonic()
    children.call(run, counted, Run(workers=2))
    usual = time.monotonic() - begun
    for index in range(scale(3, {"folder": 60, "google": 40}[backend])):
        moments = [chance.uniform(0, usual) for _ in range(chance.choice((1, 1, 2, 3)))]
        world = make_world()
        world.send_all(night)
        kills = sum(
            children.Child(run, world, Run(workers=2)).kill_after(moment) for moment in moments
        )
        children.call(recover, world)
        verdict = children.call(judge, world, night, like)
        told = ", ".join(f"{moment:.3f} s" for moment in moments)
        tally.add(
            f"kill at a random moment ({backend})",
            f"number {index}, after {told}",
            verdict,
            files=len(night),
            faults=kills,
        )
