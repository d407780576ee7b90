"""Bucket against catalogue, in both directions, and mending what is safe to mend.

1. Walk objects and documents side by side, observation by observation; look twice at what
   seems wrong, and leave out what a run is at work on.
2. Counts of units; what lies in quarantine and incoming.
3. Where asked to: mend an observation's findings, ingest it again if that is the mending,
   and look once more at what was found.

The composition is `panoptes.network.audit`; what is ingested again goes as in
`ingest-observation`.
"""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.artifacts import create_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from blocks.network import load_network
from flows.artifacts.keys import network_key
from flows.artifacts.progress import log_now_and_then
from panoptes.network.audit import audit
from panoptes.network.audit.asides import waiting_now
from panoptes.network.audit.repair import Result, Tally, audit_and_repair
from panoptes.network.audit.scope import Scope
from panoptes.network.errors import ConfigurationError
from panoptes.network.ingest.lease import alone
from panoptes.network.safe_text import markdown
from tasks.ingest_image import AsTasks
from tasks.naming import flow_run_named

AUDITING = "audit-network"
"""The lease of an audit: two at once would tell the same, and mend under each other's hands."""
MOST_ROWS = 1000
"""Findings that the table in the Prefect user interface shows."""


@flow(name="audit-network", flow_run_name=flow_run_named("audit {network}"), persist_result=False)
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
        block = load_network(network)
        site = block.site
        site.check()
        watch = log_now_and_then("observations compared")
        findings = audit(site, night=night, unit=unit, deep=deep, watch=watch)
    except (ValueError, ConfigurationError) as error:
        return Failed(message=str(error))
    if repair:
        results = audit_and_repair(site, findings, deep=deep, steps=AsTasks(block))
    else:
        results = (Result(finding) for finding in findings)
    counts = Tally()
    shown: list[Result] = []
    with alone(site.catalog, AUDITING, block.lease_seconds) as is_alone:
        if not is_alone:
            return Cancelled(message="another audit is at work")
        for result in results:
            counts.add(result)
            if len(shown) < MOST_ROWS:
                shown.append(result)
    _show(network, shown, counts)
    message = f"{counts.sentence}; {waiting_now(site, Scope.of(night, unit)).sentence}"
    return Failed(message=message) if counts.left else Completed(message=message)


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
    description = f"What the audit found: {counts.sentence}"
    if len(rows) < counts.found:
        description += f"; the first {len(rows)} are shown"
    create_table_artifact(rows, key=f"audit-{network_key(network)}", description=description)
