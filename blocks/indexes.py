"""Which fields are looked up, declared once for SQLite and for Firestore.

SQLite indexes every line of `LOOKUPS`. Firestore indexes single fields by itself and
refuses a query over several fields unless a composite index is declared
(https://cloud.google.com/firestore/docs/query-data/indexing), so
``deployments/cloud/firestore.indexes.json`` holds those of both tables. The emulator
does not enforce this: `missing_index` does, in tests.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from blocks.catalog import Query
from blocks.queries import parts, plan


@dataclass(frozen=True)
class Index:
    """Fields in order, each ``PATH`` or ``PATH desc``."""

    collection: str
    fields: tuple[str, ...]

    @property
    def paths(self) -> tuple[tuple[str, bool], ...]:
        """The dotted paths and whether each descends."""
        return tuple((each.removesuffix(" desc"), each.endswith(" desc")) for each in self.fields)


LOOKUPS: tuple[Index, ...] = (
    Index("images", ("sequence_id", "time")),
    Index("images", ("unit_id", "time")),
    Index("images", ("night",)),
    Index("observations", ("sequence_id",)),
    Index("observations", ("unit_id", "time")),
    Index("observations", ("unit_id", "time desc")),
    Index("observations", ("camera_id", "time")),
    Index("observations", ("camera_id", "time desc")),
    Index("observations", ("unit_id", "camera_id", "time")),
    Index("observations", ("unit_id", "camera_id", "status", "time")),
    Index("observations", ("status", "time")),
    Index("observations", ("time",)),
    Index("observations", ("night",)),
    Index("observations", ("healpix",)),
    Index("files", ("sequence_id", "arrived desc")),
    Index("files", ("path",)),
    Index("files", ("name",)),
    Index("files", ("outcome", "name")),
    Index("files", ("code",)),
    Index("files", ("case_id",)),
    Index("leases", ("expires",)),
)

SUMS: tuple[Index, ...] = (
    Index("images", ("sequence_id", "status", "exptime")),
    Index("images", ("unit_id", "status", "exptime")),
)
"""The last field is summed where the others are equal. Firestore wants an index for
that; for SQLite the lookup by the first field is enough."""


def composites() -> Iterator[Index]:
    """What must be declared to Firestore."""
    return (each for each in (*LOOKUPS, *SUMS) if len(each.fields) > 1)


def firestore_indexes() -> dict[str, Any]:
    """The contents of ``firestore.indexes.json``, as the Firebase and Terraform tools read it."""
    return {
        "indexes": [
            {
                "collectionGroup": index.collection,
                "queryScope": "COLLECTION",
                "fields": [
                    {"fieldPath": path, "order": "DESCENDING" if descending else "ASCENDING"}
                    for path, descending in index.paths
                ],
            }
            for index in composites()
        ],
        "fieldOverrides": [],
    }


def missing_index(query: Query, *, sums: Sequence[str] = ()) -> Index | None:
    """The composite index that Firestore would ask for and that nobody declared.

    Equalities alone are answered by merging single-field indexes, so one is wanted only
    where an order, an inequality or a sum comes to another field. Equality fields may
    stand in any order.
    """
    planned = plan(query)
    equal = {".".join(each.path) for each in planned.conditions if each.operator in ("==", "in")}
    ordered = [(".".join(each.path), each.descending) for each in planned.orderings]
    ordered = [each for each in ordered if each[0] not in equal]
    summed: Sequence[str | None] = sums or (None,)
    for path in summed:
        tail = list(ordered)
        if path is not None and path not in equal and path not in [name for name, _ in tail]:
            parts(path)
            tail.append((path, planned.key_descending))
        if not tail or len(equal) + len(tail) < 2:
            continue
        if not any(_covers(index, query.collection, equal, tail) for index in composites()):
            named = [f"{name} desc" if down else name for name, down in tail]
            return Index(query.collection, (*sorted(equal), *named))
    return None


def _covers(
    index: Index, collection: str, equal: set[str], tail: Sequence[tuple[str, bool]]
) -> bool:
    head, rest = index.paths[: len(equal)], index.paths[len(equal) :]
    return (
        index.collection == collection
        and {path for path, _ in head} == equal
        and list(rest) == list(tail)
    )
