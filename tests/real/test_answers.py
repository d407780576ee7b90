"""Google's services answer with errors, not at all, or do what was asked and do not say so."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.real import children
from tests.real.conftest import ANSWERS_ON_GOOGLE, scale
from tests.real.firestore_faults import FaultyFirestore, schedule
from tests.real.judge import Snapshot, judge
from tests.real.nights import Night, small_night, tiny_night
from tests.real.steps import Run, recover, run
from tests.real.tally import Tally
from tests.real.worlds import World, google_world

pytestmark = ANSWERS_ON_GOOGLE

STORAGE_FAULTS: list[Any] = [429, 500, 503, "hang", "drop", "cut", "lose", "damage"]
FIRESTORE_FAULTS: list[Any] = [
    "exhausted", "internal", "unavailable", "deadline", "aborted", "hang", "drop", "lose",
    "lose and drop",
]  # fmt: skip
IMPATIENT = 1.5
"""Seconds after which an answer is given up, where one is withheld."""

NewWorld = Callable[[], World]


@pytest.fixture(scope="module")
def new_world(gcs_emulator: str, firestore_emulator: str) -> NewWorld:
    return lambda: google_world(gcs_emulator, firestore_emulator)


@pytest.fixture(scope="module")
def like(new_world: NewWorld) -> Callable[[Night], Snapshot]:
    made: dict[int, Snapshot] = {}

    def of(night: Night) -> Snapshot:
        if len(night) not in made:
            world = new_world()
            world.send_all(night)
            children.call(run, world)
            verdict = children.call(judge, world, night)
            assert not verdict.sentences
            assert verdict.snapshot is not None
            made[len(night)] = verdict.snapshot
        return made[len(night)]

    return of


def _patience(faults: list[Any]) -> Run:
    return Run(answers=IMPATIENT if "hang" in faults else None)


def test_storage_that_fails_at_any_request(
    new_world: NewWorld, like: Callable[[Night], Snapshot], tally: Tally, chance: random.Random
) -> None:
    night = small_night()
    wanted = like(night)
    world = new_world()
    world.send_all(night)
    world.take_requests()
    children.call(run, world)
    requests = len(world.take_requests())
    for fault in scale(chance.sample(STORAGE_FAULTS, 3), STORAGE_FAULTS):
        places = range(1, requests + 1)
        for place in sorted(chance.sample(places, min(scale(1, 6), requests))):
            faults = schedule([(place, fault)])
            _storage(new_world(), night, wanted, faults, tally, f"storage: {fault}", 1)


def test_storage_that_fails_again_and_again(
    new_world: NewWorld, like: Callable[[Night], Snapshot], tally: Tally, chance: random.Random
) -> None:
    night = tiny_night()
    wanted = like(night)
    for _ in range(scale(1, 12)):
        rate = chance.choice((0.05, 0.2, 0.5))
        kinds = [each for each in STORAGE_FAULTS if each != "hang" or rate < 0.1]
        faults = [chance.choice(kinds) if chance.random() < rate else None for _ in range(300)]
        _storage(new_world(), night, wanted, faults, tally, "storage: all kinds at random")


def _storage(
    world: World,
    night: Night,
    wanted: Snapshot,
    faults: list[Any],
    tally: Tally,
    kind: str,
    injected: int | None = None,
) -> None:
    world.send_all(night)
    world.take_requests()
    world.set_faults(faults)
    children.call(run, world, _patience(faults))
    world.set_faults([])
    if injected is None:
        met = faults[: len(world.take_requests())]
        injected = sum(each is not None for each in met)
    children.call(recover, world)
    verdict = children.call(judge, world, night, wanted)
    tally.add(kind, _told(faults), verdict, files=len(night), faults=injected)


def test_firestore_that_fails_at_any_call(
    new_world: NewWorld,
    like: Callable[[Night], Snapshot],
    firestore_proxy: FaultyFirestore,
    tally: Tally,
    chance: random.Random,
) -> None:
    night = small_night()
    wanted = like(night)
    firestore_proxy.calls.clear()
    world = new_world()
    world.send_all(night)
    children.call(run, world.reached_by(FIRESTORE_EMULATOR_HOST=firestore_proxy.address))
    calls = list(firestore_proxy.calls)
    for fault in scale(chance.sample(FIRESTORE_FAULTS, 3), FIRESTORE_FAULTS):
        places = range(1, len(calls) + 1)
        for place in sorted(chance.sample(places, min(scale(1, 6), len(calls)))):
            faults = schedule([(place, fault)])
            kind = f"Firestore: {fault}"
            _firestore(new_world(), firestore_proxy, night, wanted, faults, tally, kind)


def test_firestore_that_fails_again_and_again(
    new_world: NewWorld,
    like: Callable[[Night], Snapshot],
    firestore_proxy: FaultyFirestore,
    tally: Tally,
    chance: random.Random,
) -> None:
    night = tiny_night()
    wanted = like(night)
    for _ in range(scale(1, 12)):
        rate = chance.choice((0.02, 0.1, 0.3))
        kinds = [each for each in FIRESTORE_FAULTS if each != "hang" or rate < 0.05]
        faults = [chance.choice(kinds) if chance.random() < rate else None for _ in range(600)]
        kind = "Firestore: all kinds at random"
        _firestore(new_world(), firestore_proxy, night, wanted, faults, tally, kind)


def _firestore(
    world: World,
    proxy: FaultyFirestore,
    night: Night,
    wanted: Snapshot,
    faults: list[Any],
    tally: Tally,
    kind: str,
) -> None:
    world.send_all(night)
    proxy.faults.extend(faults)
    behind = world.reached_by(FIRESTORE_EMULATOR_HOST=proxy.address)
    children.call(run, behind, _patience(faults))
    met = faults[: len(faults) - len(proxy.faults)]
    proxy.faults.clear()
    children.call(recover, world)
    verdict = children.call(judge, world, night, wanted)
    injected = sum(each is not None for each in met)
    tally.add(kind, _told(faults), verdict, files=len(night), faults=injected)


def _told(faults: list[Any]) -> str:
    placed = [f"{place}: {each}" for place, each in enumerate(faults, 1) if each is not None]
    return ", ".join(placed[:12]) + (", ..." if len(placed) > 12 else "")
