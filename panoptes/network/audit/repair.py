"""Mending what an audit finds, as far as that is safe, and looking once more."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby

from panoptes.network.audit.asides import is_explained, lone_entry_findings, waiting_finding
from panoptes.network.audit.auditing import OVERDUE_SECONDS, look_again, unit_findings
from panoptes.network.audit.entries import as_entry
from panoptes.network.audit.finding import Finding, Severity, counted
from panoptes.network.audit.mending import mend
from panoptes.network.ingest.listing import source_of
from panoptes.network.ingest.observation import AnotherRun, ingest_observation
from panoptes.network.ingest.retries import keep_trying
from panoptes.network.ingest.take import Steps, Watch, take_all
from panoptes.network.names import document_key, parse_sequence_id
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
            left = keep_trying(_still_wrong, site, found, deep=deep)
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


def _still_wrong(site: Site, findings: list[Finding], *, deep: bool) -> list[Finding]:
    """Those of an observation's (or no observation's) findings that are found again."""
    sequence_id = findings[0].sequence_id
    found = look_again(site, sequence_id, deep=deep) if sequence_id else []
    there = {_about(finding) for finding in found}
    return [
        finding
        for finding in findings
        if _about(finding) in there or _is_found_aside(site, finding, deep=deep)
    ]


def _about(finding: Finding) -> tuple[str, str, str]:
    return finding.kind, finding.location, finding.name


def _is_found_aside(site: Site, finding: Finding, *, deep: bool) -> bool:
    """Whether what no observation's documents show is still so."""
    if finding.location == "incoming":
        info = site.stat("incoming", finding.subject or finding.name)
        return info is not None and bool(waiting_finding(site, source_of(info), OVERDUE_SECONDS))
    collection, _, key = finding.name.partition("/")
    if finding.location == "catalog" and collection == "units" and finding.sequence_id:
        return bool(unit_findings(site, key, finding.sequence_id))
    if finding.location == "catalog" and collection == "leases":
        return site.catalog.get("leases", key) is not None
    if finding.location == "quarantine" and finding.kind == "quarantine-orphaned":
        return not is_explained(site, finding.name, finding.subject)
    if finding.sequence_id is not None:
        return False
    if finding.location == "catalog" and collection == "files":
        found = _of_lone_entry(site, key, deep=deep)
        return found is None or bool(found)
    if finding.location == "quarantine" and finding.subject is not None:
        # Judged anew, the file may have another copy: then nothing is said of this one.
        found = _of_lone_entry(site, document_key(finding.subject), deep=deep)
        return found is None or _about(finding) in map(_about, found)
    return True


def _of_lone_entry(site: Site, key: str, *, deep: bool) -> list[Finding] | None:
    """What is wrong with an entry of no observation; None where it cannot be read."""
    stored = site.catalog.get("files", key)
    if stored is None:
        return []
    entry = as_entry(stored)
    return None if isinstance(entry, Finding) else lone_entry_findings(site, key, entry, deep=deep)
