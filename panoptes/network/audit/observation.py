"""All that is wrong with one observation."""

from __future__ import annotations

from datetime import datetime
from functools import cache, partial

from panoptes.network.audit.claims import ObjectChecks
from panoptes.network.audit.entries import as_entry, entry_findings
from panoptes.network.audit.finding import Finding, Kind, Repair
from panoptes.network.audit.images import DocumentChecks
from panoptes.network.audit.inventory import Inventory, inventory_of, stands
from panoptes.network.documents import File
from panoptes.network.ingest.lease import has_died
from panoptes.network.ingest.ledger import now
from panoptes.network.names import document_key
from panoptes.network.site import Site


def findings_in(site: Site, inventory: Inventory, *, deep: bool, known: set[str]) -> list[Finding]:
    """Compares what bucket and catalogue hold of an observation.

    `known` remembers units and cameras that have a document, from one call to the next.
    """

    if inventory.sequence is None:
        return []  # another program's documents
    waits = cache(partial(stands, site, "incoming"))
    entries, found = _entries(inventory)
    objects = ObjectChecks(site, inventory, list(entries.values()), deep=deep)
    for entry in entries.values():
        found += entry_findings(site, entry, waits, deep=deep)
    found += objects.findings(waits)
    found += DocumentChecks(site, inventory, entries, objects.claims, known).findings()
    return found


def look_again(site: Site, sequence_id: str, *, deep: bool) -> list[Finding]:
    """What is wrong with an observation just now; nothing while a run is at work on it.

    Looks twice: a run may begin and end while documents and objects are being read.
    """
    found = _look(site, sequence_id, deep=deep)
    return [each for each in _look(site, sequence_id, deep=deep) if each in found] if found else []


def _look(site: Site, sequence_id: str, *, deep: bool) -> list[Finding]:
    if is_held(site, sequence_id):
        return []
    found = findings_in(site, inventory_of(site, sequence_id), deep=deep, known=set())
    return [] if found and is_held(site, sequence_id) else found


def is_held(site: Site, sequence_id: str) -> bool:
    """Whether a live run holds the observation's lease."""
    stored = site.catalog.get("leases", sequence_id)
    if stored is None or has_died(str(stored.fields.get("holder", ""))):
        return False
    expires = stored.fields.get("expires")
    return isinstance(expires, datetime) and expires > now()


def _entries(inventory: Inventory) -> tuple[dict[str, File], list[Finding]]:
    """The ledger's entries by name, and those that cannot be read or are copies."""
    entries: dict[str, File] = {}
    found = []
    keys = {stored.key: stored for stored in inventory.files}
    for stored in inventory.files:
        entry = as_entry(stored)
        if isinstance(entry, Finding):
            found.append(entry)
            continue
        proper = document_key(entry.name)
        if stored.key != proper:
            twin = proper in keys and keys[proper].fields == stored.fields
            sentence = f"{entry.name} is in the ledger a second time, as {stored.key}."
            found.append(
                Finding(
                    Kind.CATALOGUED_TWICE, "catalog", f"files/{stored.key}", sentence,
                    inventory.sequence_id, Repair.DROP if twin else None,
                )
            )  # fmt: skip
            continue
        entries[entry.name] = entry
    return entries, found
