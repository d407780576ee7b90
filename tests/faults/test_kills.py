"""A run that is killed anywhere loses nothing, and the next one ends it."""

from __future__ import annotations

import time

from tests.faults import children
from tests.faults.conftest import scale
from tests.faults.nights import small_night, tiny_night
from tests.faults.steps import Run, run
from tests.faults.trials import Trials


def test_a_kill_before_or_after_any_call_to_a_store_or_the_catalog(trials: Trials) -> None:
    # Firestore's emulator takes ten milliseconds a call: there, every call of a small night
    # and a sample of those of the whole.
    google = [(small_night(), scale(2, None)), (tiny_night(), scale(2, 8))]
    nights = {"folder": [(tiny_night(), scale(6, None))], "google": google}
    for night, most in nights[trials.backend]:
        like = trials.faultless(night)
        calls = trials.calls(night)
        trials.tally.calls(f"{trials.backend}, {len(night)} files", calls)
        for at in trials.places(len(calls), most):
            world = trials.sent(night)
            assert children.died(run, world, Run(at=at)), calls[at - 1]
            kind = f"kill at a call ({trials.backend})"
            label = f"{at} of {len(night)} files, {calls[at - 1]}"
            trials.recover_and_judge(kind, label, world, night, like=like)


def test_a_kill_at_a_random_moment(trials: Trials) -> None:
    night = tiny_night()
    like = trials.faultless(night)
    undisturbed = trials.sent(night)
    begun = time.monotonic()
    children.call(run, undisturbed, Run(workers=2))
    usual = time.monotonic() - begun
    for index in range(scale(3, {"folder": 24, "google": 12}[trials.backend])):
        count = trials.chance.choice((1, 1, 2, 3))
        moments = [trials.chance.uniform(0, usual) for _ in range(count)]
        world = trials.sent(night)
        kills = sum(
            children.Child(run, world, Run(workers=2)).kill_after(moment) for moment in moments
        )
        kind = f"kill at a random moment ({trials.backend})"
        label = f"number {index}, after " + ", ".join(f"{moment:.3f} s" for moment in moments)
        trials.recover_and_judge(kind, label, world, night, like=like, faults=kills)
