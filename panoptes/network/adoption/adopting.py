"""Taking over a catalogue and an archive that were there before this network.

1. Documents: flat ones are completed where they are, beside nested ones ours are written
   (`panoptes.network.adoption.catalogued`).
2. Files that no ledger knows are entered, where they lie (`panoptes.network.adoption.archived`).
3. Counts are asked of the catalogue.

Each step may be broken off and done again; what is as it should be is passed over.
"""

from __future__ import annotations

from collections.abc import Iterator

from panoptes.network.adoption.archived import Archive
from panoptes.network.adoption.catalogued import Documents
from panoptes.network.adoption.taken import TakenOver
from panoptes.network.audit.auditing import unit_findings
from panoptes.network.audit.inventory import pages
from panoptes.network.audit.scope import Scope
from panoptes.network.catalog.catalog import Query, modify
from panoptes.network.documents import NAMES_FOLDED
from panoptes.network.ingest.lease import alone
from panoptes.network.ingest.ledger import code_version
from panoptes.network.ingest.retries import keep_trying
from panoptes.network.ingest.settle import settle_observation
from panoptes.network.names import parse_sequence_id
from panoptes.network.site import Site

ADOPTING = "adopt-network"
"""The lease of a run: two at once would meet at every observation."""


class AnotherAdoption(Exception):
    """Another run is at work."""


def adopt(site: Site, *, unit: str | None = None, dry_run: bool = True) -> Iterator[TakenOver]:
    """What was taken over, one document or file at a time, in bounded memory.

    With `dry_run` nothing is written: it gives what would be. `unit` such as ``PAN001`` narrows it
    to one unit. Raises ValueError for a unit that is none, AnotherAdoption, and what stores and
    catalogue raise.
    """
    Scope.of(None, unit)
    return _adopt(site, unit, dry_run=dry_run)


def _adopt(site: Site, unit: str | None, *, dry_run: bool) -> Iterator[TakenOver]:
    if dry_run:
        yield from Documents(site.catalog, unit, dry_run=True).take_over()
        yield from Archive(site, unit, dry_run=True).take_over()
        return
    with alone(site.catalog, ADOPTING, site.settings.lease_seconds) as is_alone:
        if not is_alone:
            raise AnotherAdoption("another run is taking over at this moment")
        yield from Documents(site.catalog, unit, dry_run=False).take_over()
        if unit is None:
            keep_trying(modify, site.catalog, *NAMES_FOLDED, lambda _: {"by": code_version()})
        yield from Archive(site, unit, dry_run=False).take_over()
        _count_units(site, unit)


def _count_units(site: Site, unit: str | None) -> None:
    for stored in pages(site.catalog, Query("units")):
        if not stored.key.startswith(unit or ""):
            continue
        query = Query("observations", where=[("unit_id", "==", stored.key)], limit=1)
        observation = next(iter(keep_trying(site.catalog.query, query)), None)
        if observation is None:
            continue
        if keep_trying(unit_findings, site, stored.key, observation.key):
            keep_trying(settle_observation, site, parse_sequence_id(observation.key))
