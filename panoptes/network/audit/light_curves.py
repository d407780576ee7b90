"""Light curves: files that documents speak of, and files that no document does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from panoptes.network.audit.finding import Finding, Kind
from panoptes.network.audit.scope import Scope, sequence_of
from panoptes.network.catalog.catalog import Query, Stored
from panoptes.network.ingest.ledger import now
from panoptes.network.names import parse_sequence_id
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound

_AT_WORK = timedelta(days=1)
"""A file this young may be one of which a run is just writing the documents."""


def newest_gone(site: Site, observation: Stored) -> Iterator[Finding]:
    """Where an observation's newest light curves are not where its document says."""
    path, store = observation.fields.get("measurements_path"), site.measurements
    if not isinstance(path, str) or store is None:
        return
    try:
        store.stat(path)
    except NotFound:
        key = observation.key
        sentence = f"The light curves of {key} are gone; panoptes-network process {key} makes them"
        yield Finding(Kind.OBJECT_MISSING, "measurements", path, f"{sentence} again.", key)


def orphaned(site: Site, scope: Scope) -> Iterator[Finding]:
    """Files that no light curve is of: a run wrote them and died."""
    store = site.measurements
    if store is None:
        return
    for info in store.list(scope.name_prefix):
        if now() - info.updated < _AT_WORK or not _is_meant(site, scope, info.name):
            continue
        named = Query("lightcurves", [("path", "==", info.name)], limit=1)
        if next(iter(site.catalog.query(named)), None) is None:
            sentence = f"{info.name} lies in measurements, and no light curve is of it."
            sequence_id = sequence_of(info.name)
            yield Finding(Kind.OBJECT_ORPHANED, "measurements", info.name, sentence, sequence_id)


def _is_meant(site: Site, scope: Scope, path: str) -> bool:
    sequence_id = sequence_of(path)
    if sequence_id is None:
        return scope.night is None and path.startswith(scope.name_prefix)
    return scope.holds(site, f"{parse_sequence_id(sequence_id).folder}.mp4")
