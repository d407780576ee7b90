"""CPU seconds and wall time, of this process and of those it waited for."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Cost:
    """Seconds."""

    cpu: float
    """Of this process, its threads and every child that has ended."""
    wall: float


def cost_of(work: Callable[[], object]) -> Cost:
    """What one call costs."""
    wall, cpu = time.perf_counter(), _cpu()
    work()
    return Cost(_cpu() - cpu, time.perf_counter() - wall)


def _cpu() -> float:
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


class Medians:
    """Costs of several contenders, taken in turns so that all meet the same machine."""

    def __init__(self, contenders: Mapping[str, Callable[[], object]], repeats: int) -> None:
        """Calls each once unmeasured, then `repeats` rounds of all of them."""
        for work in contenders.values():
            work()
        self.costs: dict[str, list[Cost]] = {name: [] for name in contenders}
        names = list(contenders)
        for turn in range(repeats):
            for name in names if turn % 2 == 0 else reversed(names):
                self.costs[name].append(cost_of(contenders[name]))

    def cpu(self, name: str) -> float:
        return median(cost.cpu for cost in self.costs[name])

    def wall(self, name: str) -> float:
        return median(cost.wall for cost in self.costs[name])

    def cpu_ratio(self, name: str, peer: str) -> float:
        """The median of the ratios of each round."""
        rounds = zip(self.costs[name], self.costs[peer], strict=True)
        return median(mine.cpu / theirs.cpu for mine, theirs in rounds)


class Wrong(Exception):
    """What was timed did not do what it should."""


def require(holds: object, otherwise: str) -> None:
    """Correctness first: a wrong result has no speed."""
    if not holds:
        raise Wrong(otherwise)
