"""What bucket and catalogue hold of one observation, brought together as both are walked.

Objects come in the order of their names, and documents, camera by camera, in the same; so one
pass over each is enough and only one observation is in memory.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import groupby

from panoptes.network.audit.scope import KEPT, Stretch, sequence_of
from panoptes.network.catalog.catalog import Catalog, Query, Stored
from panoptes.network.documents import Location
from panoptes.network.ingest.retries import keep_trying
from panoptes.network.names import ObservationName, parse_sequence_id
from panoptes.network.object_paths import ObjectPath
from panoptes.network.site import Site
from panoptes.network.storage.store import ObjectInfo

PAGE = 300


@dataclass
class Inventory:
    """Everything of one observation but its uploads in `incoming` and `quarantine`."""

    sequence_id: str
    files: list[Stored] = field(default_factory=list)
    images: list[Stored] = field(default_factory=list)
    observations: list[Stored] = field(default_factory=list)
    """One, or none; more only where somebody wrote a copy under another key."""
    objects: dict[ObjectPath, ObjectInfo] = field(default_factory=dict)

    @property
    def sequence(self) -> ObservationName | None:
        """None where a document's id is none."""
        try:
            return parse_sequence_id(self.sequence_id)
        except ValueError:
            return None

    def add(self, item: _Item) -> None:
        if isinstance(item, Stored):
            getattr(self, item.collection).append(item)
        else:
            location, info = item
            self.objects[ObjectPath(location, info.name)] = info


_Item = Stored | tuple[Location, ObjectInfo]


def walk(
    site: Site, stretch: Stretch, strays: list[tuple[Location, ObjectInfo]]
) -> Iterator[Inventory]:
    """Every observation of a stretch, in the order of their folders.

    Objects whose names belong to no observation are put into `strays`; whoever iterates
    takes them out.
    """
    streams = [
        *(_documents(site, name, stretch) for name in ("files", "images", "observations")),
        *(_objects(site, location, stretch, strays) for location in KEPT),
    ]
    merged = heapq.merge(*streams, key=lambda each: each[0])
    for folder, items in groupby(merged, key=lambda each: each[0]):
        inventory = Inventory("_".join(folder.split("/")))
        for _, item in items:
            inventory.add(item)
        yield inventory


def inventory_of(site: Site, sequence_id: str) -> Inventory:
    """The same of one observation, as it is now."""
    inventory = Inventory(sequence_id)
    sequence = inventory.sequence
    # Objects first: they are written before the documents that name them.
    for location in KEPT if sequence else ():
        assert sequence is not None
        for info in site.store(location).list(sequence.folder):
            if sequence_of(info.name) == sequence_id:
                inventory.add((location, info))
    for collection in ("files", "images", "observations"):
        query = Query(collection, where=[("sequence_id", "==", sequence_id)])
        for stored in pages(site.catalog, query):
            inventory.add(stored)
    return inventory


def _documents(site: Site, collection: str, stretch: Stretch) -> Iterator[tuple[str, _Item]]:
    """Those of other programs, whose ids are none, are passed over."""
    for span in stretch.spans:
        low, high = span.ids
        query = Query(collection, [("sequence_id", ">=", low), ("sequence_id", "<", high)])
        for stored in pages(site.catalog, query):
            with suppress(ValueError):
                sequence = parse_sequence_id(str(stored.fields["sequence_id"]))
                if span.holds(sequence):
                    yield sequence.folder, stored


def _objects(
    site: Site,
    location: Location,
    stretch: Stretch,
    strays: list[tuple[Location, ObjectInfo]],
) -> Iterator[tuple[str, _Item]]:
    for info in site.store(location).list(stretch.prefix):
        sequence_id = sequence_of(info.name)
        if sequence_id is None:
            strays.append((location, info))
        elif stretch.holds(sequence := parse_sequence_id(sequence_id)):
            yield sequence.folder, (location, info)


def stands(site: Site, location: Location, name: str) -> bool:
    """Whether an object is there; False, too, for what is the name of none."""
    try:
        return site.stat(location, name) is not None
    except ValueError:
        return False


def pages(catalog: Catalog, query: Query) -> Iterator[Stored]:
    """What a query without a limit finds, however much that is, in constant memory.

    A single query reads everything as it was at one moment, and Firestore forgets the past
    after an hour (https://cloud.google.com/firestore/docs/pitr); here each page has a
    moment of its own.
    """
    after: Stored | None = None
    while True:
        page = keep_trying(_read, catalog, replace(query, limit=PAGE, start_after=after))
        yield from page
        if len(page) < PAGE:
            return
        after = page[-1]


def _read(catalog: Catalog, query: Query) -> list[Stored]:
    return list(catalog.query(query))
