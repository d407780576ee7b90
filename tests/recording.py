"""A catalog that tells whether Firestore has an index for whatever it was asked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from blocks.catalog import Query, Stored
from blocks.indexes import missing_index
from blocks.sqlite import SqliteCatalog


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
