"""A catalog that tells whether Firestore has an index for whatever it was asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from panoptes.network.catalog.catalog import Query, Stored
from panoptes.network.catalog.queries import Index, composites, plan
from panoptes.network.catalog.sqlite import SqliteCatalog


class Recording(SqliteCatalog):
    """Remembers what it was asked."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.asked: list[tuple[Query, tuple[str, ...]]] = []

    def query(self, query: Query) -> Iterator[Stored]:
        self.asked.append((query, ()))
        return super().query(query)

    def aggregate(self, query: Query, *, sums: Sequence[str] = ()) -> Mapping[str, float]:
        self.asked.append((query, tuple(sums)))
        return super().aggregate(query, sums=sums)

    def without_index(self) -> list[tuple[Query, tuple[str, ...]]]:
        """What Firestore would have refused; its emulator answers."""
        return [(query, sums) for query, sums in self.asked if missing_index(query, sums=sums)]


def missing_index(query: Query, *, sums: Sequence[str] = ()) -> Index | None:
    """The composite index that Firestore would ask for and that nobody declared.

    Equalities alone are answered by merging single-field indexes, so one is wanted only
    where an order, an inequality or a sum comes to another field. Equality fields may
    stand in any order.
    """
    planned = plan(query)
    equal = {name for name, operator, _ in planned.conditions if operator in ("==", "in")}
    for name in sums or (planned.order,):
        tail = [] if name is None or name in equal else [(name, planned.descending)]
        if not tail or not equal:
            continue
        if not any(_covers(index, query.collection, equal, tail) for index in composites()):
            named = [f"{name} desc" if down else name for name, down in tail]
            return Index(query.collection, (*sorted(equal), *named))
    return None


def _covers(
    index: Index, collection: str, equal: set[str], tail: Sequence[tuple[str, bool]]
) -> bool:
    head, rest = index.ordered[: len(equal)], index.ordered[len(equal) :]
    return (
        index.collection == collection
        and {name for name, _ in head} == equal
        and list(rest) == list(tail)
    )
