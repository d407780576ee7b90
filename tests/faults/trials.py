"""The steps that tests of faults share: a night is sent, calls are chosen, a world is judged."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from tests.faults import children
from tests.faults.judge import Snapshot, judge, recover_and_judge
from tests.faults.nights import Night
from tests.faults.steps import count_calls, run
from tests.faults.tally import Tally
from tests.faults.worlds import Backend, World

MakeWorld: TypeAlias = Callable[..., World]

SEEDS = 5
"""So many seeds in a row cover every place and variant of which each takes a share."""

_faultless: dict[tuple[Backend, tuple[str, ...]], Snapshot] = {}


@dataclass(frozen=True)
class Trials:
    """What one test injects faults with; the fixture `trials`."""

    backend: Backend
    make_world: MakeWorld
    tally: Tally
    chance: random.Random

    def sent(self, night: Night) -> World:
        """A new world, to which the night was uploaded."""
        world = self.make_world()
        world.send_all(night)
        return world

    def faultless(self, night: Night) -> Snapshot:
        """What a run that nothing disturbs makes of a night on this backend."""
        key = (self.backend, tuple(each.sent.sha256 for each in night.values()))
        if key not in _faultless:
            world = self.sent(night)
            children.call(run, world)
            verdict = children.call(judge, world, night)
            assert not verdict.sentences
            assert not verdict.waiting
            assert verdict.snapshot is not None
            _faultless[key] = verdict.snapshot
        return _faultless[key]

    def calls(self, night: Night) -> list[str]:
        """Every call to stores and catalog of a run that nothing disturbs."""
        return children.call(count_calls, self.sent(night))

    @property
    def turn(self) -> int:
        """Which of the variants of a fault this seed takes: `SEEDS` in a row take them all."""
        return self.tally.seed % SEEDS

    def places(self, count: int, most: int | None) -> list[int]:
        """Some of the numbers from 1 to `count`, or this seed's share of all of them."""
        every = range(1, count + 1)
        if most is None:
            return [place for place in every if place % SEEDS == self.turn]
        return sorted(self.chance.sample(every, min(most, count)))

    def recover_and_judge(
        self,
        kind: str,
        label: str,
        world: World,
        night: Night,
        *,
        like: Snapshot | None,
        passing: Mapping[str, tuple[str, ...]] | None = None,
        also: Night | None = None,
        faults: int = 1,
    ) -> int:
        """As `judge`, after what the next sweeps do; gives how many of them it took."""
        verdict, passes = children.call(recover_and_judge, world, night, like, passing, also)
        self.tally.add(kind, label, verdict, files=len(night), faults=faults)
        return passes

    def judge(
        self,
        kind: str,
        label: str,
        world: World,
        night: Night,
        *,
        like: Snapshot | None,
        passing: Mapping[str, tuple[str, ...]] | None = None,
        also: Night | None = None,
        faults: int = 1,
    ) -> None:
        """Count what `tests.faults.judge` finds wrong after `faults` faults of a kind.

        `night` is what was uploaded last, and `like` what a faultless run makes of it.
        """
        verdict = children.call(judge, world, night, like, passing, also)
        self.tally.add(kind, label, verdict, files=len(night), faults=faults)
