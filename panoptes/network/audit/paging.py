"""Long answers in pages, each read at its own moment."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from panoptes.network.catalog.catalog import Catalog, Query, Stored
from panoptes.network.ingest.retries import keep_trying

PAGE = 300


def pages(catalog: Catalog, query: Query, *, size: int = PAGE) -> Iterator[Stored]:
    """What a query without a limit finds, however much that is, in constant memory.

    A single query reads everything as it was at one moment, and Firestore forgets the past
    after an hour (https://cloud.google.com/firestore/docs/pitr); here each page has a
    moment of its own.
    """
    after: Stored | None = query.start_after
    while True:
        page = keep_trying(_read, catalog, replace(query, limit=size, start_after=after))
        yield from page
        if len(page) < size:
            return
        after = page[-1]


def _read(catalog: Catalog, query: Query) -> list[Stored]:
    return list(catalog.query(query))
