"""Mending what an audit finds, as far as that is safe, and looking once more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from panoptes.network.audit.again import still_wrong
from panoptes.network.audit.finding import Finding, Severity, counted
from panoptes.network.audit.mending import mend
from panoptes.network.ingest.listing import source_of
from panoptes.network.ingest.observation import AnotherRun, ingest_observation
from panoptes.network.ingest.retries import keep_trying
from panoptes.network.ingest.take import Steps, Watch, take_all
from panoptes.network.names import parse_sequence_id
from panoptes.network.site import Site

ROUNDS = 3
"""How often one observation is mended: a document that came back may show what else is wrong."""


@dataclass(frozen=True)
class Result:
    """A finding, and whether it has been mended."""

    finding: Finding
    mended: bool = False


class Tally:
    """Counts findings as they come."""

    def __init__(self) -> None:
        self.found = self.mended = 0
        self._kinds: Counter[tuple[Severity, str]] = Counter()

    @property
    def left(self) -> int:
        return self.found - self.mended

    def add(self, result: Result) -> None:
        self.found += 1
        self.mended += result.mended
        if not result.mended:
            self._kinds[result.finding.severity, result.finding.kind.value] += 1

    @property
    def sentence(self) -> str:
        """One line for people."""
        if not self.mended:
            return counted(self._kinds)
        left = counted(self._kinds) if self.left else "nothing is wrong any more"
        return f"{self.mended} mended, {left}"

    def as_json(self) -> dict[str, int]:
        kinds: Counter[str] = Counter()
        for (severity, _), count in self._kinds.items():
            kinds[f"{severity}s"] += count
        return {"found": self.found, "mended": self.mended, "left": self.left, **kinds}


def audit_and_repair(
    site: Site, findings: Iterable[Finding], *, deep: bool, steps: Steps
) -> Iterator[Result]:
    """Mends what an audit finds while it goes on; gives every finding with what came of it.

    Findings of one observation are mended together, under its lease.
    """
    for _, together in groupby(findings, key=lambda finding: finding.sequence_id or finding):
        found = list(together)
        left = found
        for _ in range(ROUNDS):
            if not any(finding.can_be_repaired for finding in left):
                break
            _repair(site, left, steps)
            left = keep_trying(still_wrong, site, found, deep=deep)
        yield from (Result(finding, finding not in left) for finding in found)


def _repair(site: Site, findings: list[Finding], steps: Steps) -> None:
    if not keep_trying(mend, site, findings):
        return
    sequence_id = findings[0].sequence_id
    if sequence_id is None:
        for finding in findings:
            _take_unroutable(site, finding, steps)
        return
    try:
        ingest_observation(site, parse_sequence_id(sequence_id), steps=steps)
    except AnotherRun:
        return  # it takes what lies there


def _take_unroutable(site: Site, finding: Finding, steps: Steps) -> None:
    info = keep_trying(site.stat, "incoming", finding.subject or finding.name)
    if info is not None:
        take_all([source_of(info)], steps=steps, watch=Watch())
