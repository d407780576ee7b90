"""Whether a finding still stands, once something was done about it."""

from __future__ import annotations

from pydantic import ValidationError

from panoptes.network.audit.asides import is_explained, lone_entry_findings, waiting_finding
from panoptes.network.audit.auditing import OVERDUE_SECONDS, unit_findings
from panoptes.network.audit.finding import Finding
from panoptes.network.audit.observation import look_again
from panoptes.network.documents import File
from panoptes.network.ingest.listing import source_of
from panoptes.network.names import document_key
from panoptes.network.site import Site


def still_wrong(site: Site, findings: list[Finding], *, deep: bool) -> list[Finding]:
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
    try:
        entry = File.model_validate(stored.fields) if stored else None
    except ValidationError:
        return None
    return lone_entry_findings(site, key, entry, deep=deep) if entry else []
