"""Google's services answer with errors, not at all, or do what was asked and do not say so."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.faults import children
from tests.faults.conftest import ANSWERS_ON_GOOGLE, scale
from tests.faults.firestore_faults import FaultyFirestore, schedule
from tests.faults.judge import Snapshot
from tests.faults.nights import Night, small_night, tiny_night
from tests.faults.steps import Run, run
from tests.faults.trials import Trials
from tests.faults.worlds import Backend

pytestmark = [ANSWERS_ON_GOOGLE, pytest.mark.usefixtures("gcs_emulator", "firestore_emulator")]

STORAGE_FAULTS: list[Any] = [429, 500, 503, "hang", "drop", "cut", "lose", "damage"]
FIRESTORE_FAULTS: list[Any] = [
    "exhausted", "internal", "unavailable", "deadline", "aborted", "hang", "drop", "lose",
    "lose and drop",
]  # fmt: skip
THE_RAW_CAME_FIRST = {"files": ("outputs",)}
"""A storm may break off the FITS file and let its camera raw through, which then makes a picture
of its own, until the FITS file comes again and makes the better one."""
IMPATIENT = 1.5
"""Seconds after which an answer is given up, where one is withheld."""


@pytest.fixture
def backend() -> Backend:
    return "google"


def _patience(faults: list[Any]) -> Run:
    return Run(answers=IMPATIENT if "hang" in faults else None)


def test_storage_that_fails_at_any_request(trials: Trials) -> None:
    night = small_night()
    like = trials.faultless(night)
    world = trials.sent(night)
    world.take_requests()
    children.call(run, world)
    requests = len(world.take_requests())
    for fault in scale(trials.chance.sample(STORAGE_FAULTS, 3), STORAGE_FAULTS):
        for place in trials.places(requests, scale(1, 3)):
            faults = schedule([(place, fault)])
            _storage(trials, night, like, faults, f"storage: {fault}", 1)


def test_storage_that_fails_again_and_again(trials: Trials) -> None:
    night = tiny_night()
    like = trials.faultless(night)
    for _ in range(scale(1, 8)):
        faults = _at_random(trials, STORAGE_FAULTS, rates=(0.05, 0.2, 0.5), count=300)
        _storage(
            trials,
            night,
            like,
            faults,
            "storage: all kinds at random",
            passing=THE_RAW_CAME_FIRST,
        )


def _storage(
    trials: Trials,
    night: Night,
    like: Snapshot,
    faults: list[Any],
    kind: str,
    injected: int | None = None,
    passing: Mapping[str, tuple[str, ...]] | None = None,
) -> None:
    world = trials.sent(night)
    world.take_requests()
    world.set_faults(faults)
    children.call(run, world, _patience(faults))
    world.set_faults([])
    if injected is None:
        met = faults[: len(world.take_requests())]
        injected = sum(each is not None for each in met)
    trials.recover_and_judge(
        kind, _told(faults), world, night, like=like, passing=passing, faults=injected
    )


def test_firestore_that_fails_at_any_call(trials: Trials, firestore_proxy: FaultyFirestore) -> None:
    night = small_night()
    like = trials.faultless(night)
    firestore_proxy.calls.clear()
    world = trials.sent(night)
    children.call(run, world.reached_by(FIRESTORE_EMULATOR_HOST=firestore_proxy.address))
    calls = list(firestore_proxy.calls)
    for fault in scale(trials.chance.sample(FIRESTORE_FAULTS, 3), FIRESTORE_FAULTS):
        for place in trials.places(len(calls), scale(1, 3)):
            faults = schedule([(place, fault)])
            _firestore(trials, firestore_proxy, night, like, faults, f"Firestore: {fault}")


def test_firestore_that_fails_again_and_again(
    trials: Trials, firestore_proxy: FaultyFirestore
) -> None:
    night = tiny_night()
    like = trials.faultless(night)
    for _ in range(scale(1, 8)):
        faults = _at_random(trials, FIRESTORE_FAULTS, rates=(0.02, 0.1, 0.3), count=600)
        kind = "Firestore: all kinds at random"
        _firestore(trials, firestore_proxy, night, like, faults, kind, THE_RAW_CAME_FIRST)


def _firestore(
    trials: Trials,
    proxy: FaultyFirestore,
    night: Night,
    like: Snapshot,
    faults: list[Any],
    kind: str,
    passing: Mapping[str, tuple[str, ...]] | None = None,
) -> None:
    world = trials.sent(night)
    proxy.faults.extend(faults)
    behind = world.reached_by(FIRESTORE_EMULATOR_HOST=proxy.address)
    children.call(run, behind, _patience(faults))
    met = faults[: len(faults) - len(proxy.faults)]
    proxy.faults.clear()
    injected = sum(each is not None for each in met)
    trials.recover_and_judge(
        kind, _told(faults), world, night, like=like, passing=passing, faults=injected
    )


def _at_random(
    trials: Trials, faults: list[Any], *, rates: tuple[float, ...], count: int
) -> list[Any]:
    """What becomes of `count` requests. Those that hang take long: only at the lowest rate."""
    chance, rate = trials.chance, trials.chance.choice(rates)
    kinds = [each for each in faults if each != "hang" or rate == min(rates)]
    return [chance.choice(kinds) if chance.random() < rate else None for _ in range(count)]


def _told(faults: list[Any]) -> str:
    placed = [f"{place}: {each}" for place, each in enumerate(faults, 1) if each is not None]
    return ", ".join(placed[:12]) + (", ..." if len(placed) > 12 else "")
