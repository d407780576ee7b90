"""What a network has open in one process, and the files that it holds in memory."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

from panoptes.network.upload import Source

from panoptes.network.addresses import open_catalog, open_store
from panoptes.network.catalog.catalog import Catalog
from panoptes.network.documents import Location
from panoptes.network.storage.store import ObjectStore

if TYPE_CHECKING:
    from panoptes.network.site import Site


class Opened:
    """What a block has opened in this process; never pickled or stored."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._stores: dict[str, ObjectStore] = {}
        self._catalog: Catalog | None = None
        self._bytes: dict[tuple[str, int], bytes | None] = {}
        self._made: dict[tuple[str, int], object] = {}

    def __reduce__(self) -> tuple[type[Opened], tuple[()]]:
        return (Opened, ())

    def __deepcopy__(self, memo: dict[int, Any]) -> Opened:
        return Opened()

    def store(self, site: Site, location: Location) -> ObjectStore:
        with self._lock:
            if location not in self._stores:
                self._stores[location] = open_store(
                    getattr(site, location),
                    read_only=location == "incoming" and site.settings.keep_incoming,
                    # In a user's own folder links are theirs; where others upload they are not.
                    follow_links=location != "incoming" or site.settings.keep_incoming,
                    uploads=location == "incoming",
                    gcp_credentials=site.settings.gcp_credentials,
                )
            return self._stores[location]

    def documents(self, site: Site) -> Catalog:
        with self._lock:
            if self._catalog is None:
                self._catalog = open_catalog(
                    site.settings.catalog, gcp_credentials=site.settings.gcp_credentials
                )
            return self._catalog

    def expect(self, source: Source) -> None:
        with self._lock:
            self._bytes.setdefault((source.name, source.generation), None)

    def hold(self, source: Source, data: bytes) -> None:
        with self._lock:
            if (source.name, source.generation) in self._bytes:
                self._bytes[(source.name, source.generation)] = data

    def held(self, source: Source) -> bytes | None:
        with self._lock:
            return self._bytes.get((source.name, source.generation))

    def remember(self, source: Source, made: object) -> None:
        with self._lock:
            if (source.name, source.generation) in self._bytes:
                self._made[(source.name, source.generation)] = made

    def remembered(self, source: Source) -> object | None:
        with self._lock:
            return self._made.get((source.name, source.generation))

    def release(self, source: Source) -> None:
        with self._lock:
            self._bytes.pop((source.name, source.generation), None)
            self._made.pop((source.name, source.generation), None)
