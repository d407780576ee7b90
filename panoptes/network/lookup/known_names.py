"""Names that Sesame has resolved, kept in the catalog.

They are kept there, and not in a file, because the services run without a disk of their
own in the cloud, and because all instances share what one of them asked. A name is kept
for good: after `FRESH` it is asked for again, but stands in while Sesame is away. That
there is no such name is only kept in memory and for a day, so that nobody can fill the
catalog by asking for nonsense.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from pydantic import AwareDatetime

from panoptes.network.catalog.catalog import Catalog, modify
from panoptes.network.documents import Declination, Document, RightAscension
from panoptes.network.lookup.resolved import Found
from panoptes.network.names import document_key

FRESH = timedelta(days=90)
UNKNOWN_SECONDS = 24 * 3600.0
_MOST_UNKNOWN = 10_000


class KnownName(Document):
    """A name as it was asked for, and where Sesame says that it is."""

    collection: ClassVar[str] = "names"
    name: str
    found_as: str
    catalogue: str
    ra: RightAscension
    dec: Declination
    resolved: AwareDatetime

    @property
    def found(self) -> Found:
        return Found(self.found_as, self.ra, self.dec, self.catalogue)

    @property
    def is_fresh(self) -> bool:
        return datetime.now(UTC) - self.resolved < FRESH


class KnownNames:
    """What has been asked before; `catalog` None remembers nothing beyond this process."""

    def __init__(self, catalog: Catalog | None) -> None:
        self._catalog = catalog
        self._lock = threading.Lock()
        self._unknown: OrderedDict[str, float] = OrderedDict()

    def get(self, name: str) -> KnownName | None:
        if self._catalog is None:
            return None
        stored = self._catalog.get(KnownName.collection, document_key(name))
        return None if stored is None else KnownName.model_validate(stored.fields)

    def keep(self, name: str, found: Found) -> None:
        if self._catalog is None:
            return
        known = KnownName(
            name=name,
            found_as=found.name,
            catalogue=found.catalogue,
            ra=found.ra,
            dec=found.dec,
            resolved=datetime.now(UTC),
        )
        modify(self._catalog, KnownName.collection, document_key(name), lambda _: known.fields())

    def is_unknown(self, name: str) -> bool:
        """Whether Sesame said within the last day that there is no such name."""
        with self._lock:
            until = self._unknown.get(name, 0.0)
            if until and until < time.monotonic():
                del self._unknown[name]
            return until >= time.monotonic()

    def keep_unknown(self, name: str) -> None:
        with self._lock:
            self._unknown[name] = time.monotonic() + UNKNOWN_SECONDS
            while len(self._unknown) > _MOST_UNKNOWN:
                self._unknown.popitem(last=False)
