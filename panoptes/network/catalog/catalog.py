"""Where documents are kept: one protocol over SQLite and over Firestore.

A document is a flat mapping of fields to values (None, bool, int, float, str, UTC
datetime with microseconds, `GeoPoint`, list and dict of these) with an opaque version.
Writes that depend on what is there go by compare-and-set on that version; documents
that others wrote keep the fields that we do not know.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, TypeAlias

from panoptes.network.catalog.values import check_key, clean_fields
from panoptes.network.errors import TransientError

Fields: TypeAlias = dict[str, Any]
Operator: TypeAlias = Literal["==", "<", "<=", ">", ">=", "in"]
Condition: TypeAlias = tuple[str, Operator, Any]
Order: TypeAlias = tuple[str, Literal["asc", "desc"]]


class AlreadyExists(Exception):
    """A document with this key is there; nothing was written."""


class Conflict(Exception):
    """The document is not in the version that the caller read; nothing was written."""


@dataclass(frozen=True)
class Stored:
    """A document as read."""

    collection: str
    key: str
    fields: Fields
    version: str
    """Opaque; changes at every write that changes the document."""


@dataclass(frozen=True)
class Query:
    """Which documents: all conditions hold, on the fields of `queries.FIELDS`.

    Values are of the field's type; ``in`` takes 1 to 30. An inequality orders by its field,
    too; there is one such field at most. Documents that lack it are left out.
    """

    collection: str
    where: Sequence[Condition] = ()
    order_by: Sequence[Order] = ()
    limit: int | None = None
    start_after: Stored | None = None
    """Page on behind this document, in the order of `order_by` and then of the key, in the
    same direction."""
    only: Sequence[str] = ()
    """The fields that are read, besides that of the order; none: all. The others are then
    absent from what is found, which is no whole document to write back."""


MOST_AT_ONCE = 300
"""Documents: Firestore takes 10 MiB in a write."""


class Catalog(Protocol):
    """Documents by collection and key.

    Passing trouble is raised as `TransientError`; where only the answer was lost,
    the write is done, and trying again meets AlreadyExists or Conflict: read, then decide,
    as `modify` does. ValueError is raised for names, values and queries that no catalog
    takes (`values`, `queries`). Every method may be called from several
    threads and processes at once.
    """

    def get(self, collection: str, key: str) -> Stored | None: ...

    def create(self, collection: str, key: str, fields: Fields) -> None:
        """Raises AlreadyExists."""
        ...

    def create_missing(self, collection: str, documents: Mapping[str, Fields]) -> None:
        """Create those documents, by key, that are not there; the others stay as they are.

        Up to `MOST_AT_ONCE`, in one write where none is there. A part of them may be written where
        it raises.
        """
        ...

    def update(
        self, collection: str, key: str, fields: Fields, *, version: str, remove: Sequence[str] = ()
    ) -> None:
        """Merge top-level `fields` into the document and drop the fields in `remove`.

        What is there already, in this version, stays as it is, its version included.
        Raises Conflict if the document is absent or in another version.
        """
        ...

    def delete(self, collection: str, key: str, *, version: str) -> None:
        """Raises Conflict if the document is absent or in another version."""
        ...

    def query(self, query: Query) -> Iterator[Stored]:
        """Matching documents as they are at one moment; raises ValueError at once."""
        ...

    def aggregate(self, query: Query, *, sums: Sequence[str] = ()) -> Mapping[str, float]:
        """``{"count": n, FIELD: sum, ...}`` over the matching documents at one moment.

        The query has conditions with ``==`` and ``in`` alone, but for a count without sums. A
        document that lacks a field, or has no number there, adds nothing to its sum. Sums are
        floats, added in no certain order: the last bit may differ.
        """
        ...

    def nested(
        self, collection: str, *, below: str = "", after: Stored | None = None, limit: int
    ) -> list[Stored]:
        """Documents of the collections of this name that lie below documents, by their paths.

        Only other software nests; of what is nested nothing is ever written. `collection` of
        what is found is a path, such as ``units/PAN001/observations``. `below` is a document
        (``units/PAN001``) or empty for all of ``units``; pages go on behind `after`.
        """
        ...

    def check(self) -> None:
        """Raises ConfigurationError, in one sentence, if this catalog cannot be used."""
        ...

    def close(self) -> None: ...


def checked_update(
    collection: str, key: str, fields: Fields, remove: Sequence[str]
) -> tuple[Fields, list[str]]:
    """The fields of an update in plain types, and those to remove, each once.

    Raises ValueError (`panoptes.network.catalog.values`).
    """
    check_key(collection, key)
    fields, dropped = clean_fields(fields), list(clean_fields(dict.fromkeys(remove)))
    if not fields and not dropped:
        raise ValueError(f"{collection}/{key}: an update of nothing")
    if twice := fields.keys() & set(dropped):
        raise ValueError(f"{collection}/{key}: {twice} both set and removed")
    return fields, dropped


def modify(
    catalog: Catalog,
    collection: str,
    key: str,
    change: Callable[[Fields | None], Fields | None],
    *,
    attempts: int = 30,
) -> Fields:
    """Read a document, ask `change` for the fields to merge, write under compare-and-set.

    `change` gets the stored fields, or None where the document is absent, and gives the
    fields to merge, or None (or fields that are stored already) to leave it as it is. A
    field whose value is None is removed. `change` is called again whenever somebody else
    wrote in between, so it must have no effects.
    Gives back the document's fields after the change. Raises TransientError when others keep
    writing.
    """
    for attempt in range(attempts):
        stored = catalog.get(collection, key)
        changes = change(stored.fields if stored else None) or {}
        before = stored.fields if stored else {}
        fields = {
            name: value
            for name, value in clean_fields(changes).items()
            if value is not None and (name not in before or not _same(before[name], value))
        }
        remove = [name for name, value in changes.items() if value is None and name in before]
        if not fields and not remove:
            return before
        try:
            if stored is None:
                catalog.create(collection, key, fields)
            else:
                catalog.update(collection, key, fields, version=stored.version, remove=remove)
        except (AlreadyExists, Conflict):
            time.sleep(random.uniform(0, 0.01 * 2 ** min(attempt, 7)))
        else:
            return {name: v for name, v in (before | fields).items() if name not in remove}
    raise TransientError(f"{collection}/{key} kept changing while it was being written")


def _same(stored: Any, wanted: Any) -> bool:
    """Equal and of one type: 5 is not yet 5.0, nor True."""
    return type(stored) is type(wanted) and stored == wanted
