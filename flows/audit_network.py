"""Bucket against catalogue, in both directions, and mending what is safe to mend.

1. Walk objects and documents side by side, observation by observation; look twice at what
   seems wrong, and leave out what a run is at work on.
2. Counts of units; what lies in quarantine and incoming.
3. Where asked to: mend an observation's findings, ingest it again if that is the mending,
   and look once more at what was found.

`audit_and_repair` is the whole composition. It runs its steps as Prefect tasks from the flow
below, or as plain calls from the command line.
"""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Completed, Failed

from blocks.network import PanoptesNetwork, load_network
from flows.ingest_observation import AnotherRun, ingest
from flows.naming import named
from panoptes.network.audit import audit
from panoptes.network.audit.again import still_wrong
from panoptes.network.audit.asides import waiting_now
from panoptes.network.audit.finding import Finding, Severity, counted
from panoptes.network.audit.mending import mend
from panoptes.network.audit.scope import Scope
from panoptes.network.errors import ConfigurationError
from panoptes.network.ingest.lease import alone
from panoptes.network.ingest.listing import source_of
from panoptes.network.ingest.retries import keep_trying
from panoptes.network.ingest.taking import Call, Nobody, as_tasks, take_all
from panoptes.network.names import parse_sequence_id
from panoptes.network.safe_text import markdown, one_line
from panoptes.network.storage.store import NotFound

ROUNDS = 3
"""How often one observation is mended: a document that came back may show what else is wrong."""

AUDITING = "audit-network"
"""The lease of an audit: two at once would tell the same, and mend under each other's hands."""
LOG_SECONDS = 10.0
MOST_ROWS = 1000
"""Findings that the table in the Prefect user interface shows."""


@dataclass(frozen=True)
class Result:
    """A finding, and whether it has been mended."""

    finding: Finding
    mended: bool = False


@flow(name="audit-network", flow_run_name=named("audit {network}"), persist_result=False)
def audit_network(
    network: str = "default",
    night: str | None = None,
    unit: str | None = None,
    deep: bool = False,
    repair: bool = False,
) -> State[Any]:
    """Compare buckets and catalogue, and list what is wrong. Safe to run at any time.

    Completes when nothing is wrong or all of it was mended; fails, saying what, otherwise.

    Args:
        network: Name of the 'PANOPTES network' block to work on.
        night: Only the observations of this night, YYYYMMDD; empty: all of them.
        unit: Only those of this unit, for example PAN001; empty: all of them.
        deep: Read every object back and compare its checksum; takes as long as reading takes.
        repair: Mend what is safe to mend; nothing is removed that has no replacement.
    """
    night, unit = night or None, unit or None
    try:
        site = load_network(network)
        site.check()
        findings = audit(site, night=night, unit=unit, deep=deep, watch=_told())
    except (ValueError, ConfigurationError) as error:
        return Failed(message=str(error))
    if repair:
        results = audit_and_repair(site, findings, deep=deep, call=as_tasks)
    else:
        results = (Result(finding) for finding in findings)
    counts = Tally()
    shown: list[Result] = []
    with alone(site.documents, AUDITING, site.lease_seconds) as is_alone:
        if not is_alone:
            return Cancelled(message="another audit is at work")
        for result in results:
            counts.add(result)
            if len(shown) < MOST_ROWS:
                shown.append(result)
    _show(network, shown, counts)
    message = f"{counts.sentence}; {waiting_now(site, Scope.of(night, unit)).sentence}"
    return Failed(message=message) if counts.left else Completed(message=message)


def _told() -> Callable[[str], None]:
    """Says in the run's log how far the audit is, now and then."""
    log, began, count = get_run_logger(), time.monotonic(), 0

    def watch(what: str) -> None:
        nonlocal began, count
        count += 1
        if time.monotonic() - began >= LOG_SECONDS:
            began = time.monotonic()
            log.info("%d observations compared, now at %s", count, one_line(what))

    return watch


def _show(network: str, results: list[Result], counts: Tally) -> None:
    rows = [
        {
            "what": result.finding.kind.value,
            "severity": result.finding.severity,
            "where": markdown(f"{result.finding.location}: {result.finding.name}"),
            "in words": markdown(result.finding.sentence),
            "repair": "mended" if result.mended else result.finding.does,
        }
        for result in results
    ]
    key = re.sub("[^a-z0-9]+", "-", network.lower()).strip("-") or "network"
    description = f"What the audit found: {counts.sentence}"
    if len(rows) < counts.found:
        description += f"; the first {len(rows)} are shown"
    create_table_artifact(rows, key=f"audit-{key}", description=description)


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
    network: PanoptesNetwork, findings: Iterable[Finding], *, deep: bool, call: Call
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
            _repair(network, left, call)
            left = keep_trying(still_wrong, network, found, deep=deep)
        yield from (Result(finding, finding not in left) for finding in found)


def _repair(network: PanoptesNetwork, findings: list[Finding], call: Call) -> None:
    if not keep_trying(mend, network, findings):
        return
    sequence_id = findings[0].sequence_id
    if sequence_id is None:
        for finding in findings:
            _take_unroutable(network, finding, call)
        return
    try:
        ingest(network, parse_sequence_id(sequence_id), call=call, watch=Nobody())
    except AnotherRun:
        return  # it takes what lies there


def _take_unroutable(network: PanoptesNetwork, finding: Finding, call: Call) -> None:
    try:
        info = keep_trying(network.store("incoming").stat, finding.subject or finding.name)
    except NotFound:
        return
    take_all(network, [source_of(info)], call=call, watch=Nobody())
