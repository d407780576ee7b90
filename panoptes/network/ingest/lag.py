"""How long files took from their arrival to the catalogue, and where that time went."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from panoptes.network.documents import File

STAGES = ("run made", "run begun", "taken up", "derived", "recorded")
"""Each ends at that moment, and begins where the one before ended: the first at the arrival."""
IN_ALL = "in all"


@dataclass(frozen=True)
class RunTimes:
    """Of the run that takes a file: when it was made, on an event or by a sweep, and begun."""

    made: datetime | None = None
    begun: datetime | None = None


NO_RUN = RunTimes()
"""Of what is taken without Prefect."""


def lag_of(entry: File) -> dict[str, float]:
    """Seconds of each stage that the ledger knows, and `IN_ALL`; none before it is closed.

    A file that arrives while a run waits already waits for no run to be made. One that was
    rescued waited for a person: none either.
    """
    if entry.closed is None or any(case.arrived == entry.arrived for case in entry.history or ()):
        return {}
    moments = (entry.run_made, entry.run_begun, entry.opened, entry.derived, entry.closed)
    seconds: dict[str, float] = {}
    before = entry.arrived
    for stage, moment in zip(STAGES, moments, strict=True):
        if moment is not None:
            seconds[stage] = max(0.0, (moment - before).total_seconds())
            before = max(before, moment)
    return seconds | {IN_ALL: max(0.0, (entry.closed - entry.arrived).total_seconds())}


def percentile(values: Iterable[float], share: float) -> float:
    """The least of the values that `share` of them (0 to 1) do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def lag_sentence(lags: Iterable[Mapping[str, float]]) -> str:
    """For people: within which time most files were in the catalogue; empty for none."""
    known = [lag for lag in lags if lag]
    if not known:
        return ""
    within = ", ".join(
        f"{name} within {percentile((lag[IN_ALL] for lag in known), share):.1f} s"
        for name, share in (("half", 0.5), ("95 %", 0.95), ("99 %", 0.99))
    )
    stages = ", ".join(
        f"{stage} {percentile(found, 0.5):.1f} s"
        for stage in STAGES
        if (found := [lag[stage] for lag in known if stage in lag])
    )
    return f"From arrival to the catalogue: {within}. Of that, at the median: {stages}."
