"""The audit: bucket against catalogue, in both directions."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import date
from functools import cache, partial
from pathlib import Path

from panoptes.network.audit.asides import (
    lease_findings,
    quarantine_findings,
    unroutable_findings,
    waiting_findings,
)
from panoptes.network.audit.claims import ObjectChecks
from panoptes.network.audit.entries import as_entry, entry_findings
from panoptes.network.audit.finding import Finding, Kind, Repair, Uploaded
from panoptes.network.audit.images import DocumentChecks, wrong_counts
from panoptes.network.audit.inventory import Inventory, inventory_of, pages, stands, walk
from panoptes.network.audit.light_curves import newest_gone, orphaned
from panoptes.network.audit.scope import Scope
from panoptes.network.audit.truth import read_truth, truth_findings
from panoptes.network.catalog.catalog import Query
from panoptes.network.documents import File, Location
from panoptes.network.ingest.backlog import held
from panoptes.network.ingest.lease import is_held
from panoptes.network.ingest.ledger import readable_entry
from panoptes.network.ingest.listing import source_of
from panoptes.network.ingest.retries import keep_trying
from panoptes.network.ingest.settle import unit_totals
from panoptes.network.names import document_key
from panoptes.network.site import Site
from panoptes.network.storage.store import ObjectInfo

OVERDUE_SECONDS = 3600.0

Told = Callable[[str], None]
"""Is told what is being looked at: an observation's id, or a location."""


def audit(
    site: Site,
    *,
    night: date | str | None = None,
    unit: str | None = None,
    deep: bool = False,
    truth: Iterable[Uploaded] | Path | None = None,
    overdue_after: float = OVERDUE_SECONDS,
    watch: Told | None = None,
) -> Iterator[Finding]:
    """Everything that is wrong, one finding at a time, in constant memory.

    `night` is the date of the unit's local noon that began it, `unit` such as ``PAN001``;
    both narrow what is read. `deep` reads every object back and compares its checksum.
    `truth` is what was uploaded, or the file that ``simulate --truth`` wrote. Uploads that
    wait in `incoming` for less than `overdue_after` seconds are as they should be.

    The network may be at work meanwhile: what looks wrong is looked at a second time, and
    what a live run holds is left out. Raises ValueError for a night or unit that is none,
    and what stores and catalogue raise.
    """
    scope = Scope.of(night, unit)
    uploads = read_truth(truth) if isinstance(truth, Path) else truth
    return _audit(site, scope, deep, uploads, overdue_after, watch or (lambda what: None))


def _audit(
    site: Site,
    scope: Scope,
    deep: bool,
    truth: Iterable[Uploaded] | None,
    overdue_after: float,
    watch: Told,
) -> Iterator[Finding]:
    units: dict[str, str] = {}
    yield from _observations(site, scope, deep, watch, units)
    if scope.night is None:
        for stored in pages(site.catalog, Query("units")):
            if stored.key.startswith(scope.name_prefix):
                units.setdefault(stored.key, "")
    for unit_id, sequence_id in units.items():
        yield from keep_trying(unit_findings, site, unit_id, sequence_id)
    watch("quarantine")
    yield from quarantine_findings(site, scope)
    yield from unroutable_findings(site, scope, deep=deep)
    watch("measurements")
    yield from orphaned(site, scope)
    watch("incoming")
    yield from waiting_findings(site, scope, overdue_after=overdue_after)
    yield from lease_findings(site, scope, overdue_after=overdue_after)
    if truth is not None:
        watch("truth")
        yield from truth_findings(site, scope, truth)


def _observations(
    site: Site, scope: Scope, deep: bool, watch: Told, units: dict[str, str]
) -> Iterator[Finding]:
    """`units` gets the units that were met, each with one of its observations."""
    known: set[str] = set()
    told: set[str] = set()
    for stretch in scope.stretches(site):
        strays: list[tuple[Location, ObjectInfo]] = []
        for inventory in walk(site, stretch, strays):
            watch(inventory.sequence_id)
            yield from _stray(site, strays)
            sequence = inventory.sequence
            if sequence is not None and (inventory.observations or sequence.unit_id not in units):
                units[sequence.unit_id] = inventory.sequence_id
            if not keep_trying(findings_in, site, inventory, deep=deep, known=known):
                continue
            for finding in keep_trying(look_again, site, inventory.sequence_id, deep=deep):
                if finding.name.startswith(("units/", "cameras/")):
                    if finding.name in told:
                        continue
                    told.add(finding.name)
                yield finding
        yield from _stray(site, strays)


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
    for observation in inventory.observations:
        found += newest_gone(site, observation)
    return found


def look_again(site: Site, sequence_id: str, *, deep: bool) -> list[Finding]:
    """What is wrong with an observation just now; nothing while a run is at work on it.

    Looks twice: a run may begin and end while documents and objects are being read.
    """
    found = _look(site, sequence_id, deep=deep)
    return [each for each in _look(site, sequence_id, deep=deep) if each in found] if found else []


def _look(site: Site, sequence_id: str, *, deep: bool) -> list[Finding]:
    if is_held(site.catalog, sequence_id):
        return []
    found = findings_in(site, inventory_of(site, sequence_id), deep=deep, known=set())
    return [] if found and is_held(site.catalog, sequence_id) else found


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


def _stray(site: Site, strays: list[tuple[Location, ObjectInfo]]) -> Iterator[Finding]:
    for location, info in strays:
        if is_entered(site, location, info):
            continue
        sentence = f"{info.name} lies in {location}, and its name belongs to no observation."
        yield Finding(Kind.OBJECT_ORPHANED, location, info.name, sentence)
    strays.clear()


def is_entered(site: Site, location: Location, info: ObjectInfo) -> bool:
    """Whether the ledger has an object of an older archive, which lies where it always did."""
    entry = readable_entry(site, source_of(info))
    outputs = (entry and entry.outputs) or ()
    return any((output.location, output.path) == (location, info.name) for output in outputs)


def unit_findings(site: Site, unit_id: str, sequence_id: str) -> list[Finding]:
    """Whether a unit's counts are those of its images and observations, looked at twice.

    `sequence_id` is an observation of it, or empty where it has none. Gives nothing while a
    run is at work on one of its observations: it counts at its end.
    """
    for _ in range(2):
        if _is_at_work(site, unit_id):
            return []
        found = _unit(site, unit_id, sequence_id)
        if not found or _is_at_work(site, unit_id):
            return []
    return found


def _is_at_work(site: Site, unit_id: str) -> bool:
    return any(
        sequence_id.startswith(f"{unit_id}_") and is_held(site.catalog, sequence_id)
        for sequence_id in held(site)
    )


def _unit(site: Site, unit_id: str, sequence_id: str) -> list[Finding]:
    stored = site.catalog.get("units", unit_id)
    if stored is None:
        return []  # said of its observations
    expected = unit_totals(site, unit_id)
    if "num_images" not in stored.fields and not expected["num_images"]:
        return []  # another program's unit, or all its files are in quarantine
    return list(wrong_counts("units", unit_id, stored.fields, expected, sequence_id or None))
