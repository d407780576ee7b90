"""Limits, and going on behind a document."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from panoptes.network.catalog.catalog import (
    Catalog,
    Query,
    Stored,
)
from tests.network.catalog.contract.documents import (
    NOON,
    fill,
    keys,
)


def test_a_limit_takes_the_first(images: Catalog) -> None:
    query = Query("images", order_by=[("time", "desc")], limit=2)
    assert keys(images, query) == ["i5", "i4"]


@pytest.mark.parametrize(
    ("where", "order_by"),
    [
        ([], []),
        ([], [("status", "asc")]),
        ([], [("status", "desc")]),
        ([("status", "==", "even")], []),
        ([("status", "==", "even")], [("time", "desc")]),
        ([("healpix", ">=", 0)], []),
        ([("time", ">", NOON)], [("time", "desc")]),
    ],
    ids=repr,
)
def test_pages_join_to_the_whole(catalog: Catalog, where: Any, order_by: Any) -> None:
    fill(
        catalog,
        {
            f"k{number * 7 % 23:02}": {
                "status": ["even", "odd"][number % 2],
                "time": NOON + timedelta(microseconds=number),
                "healpix": number // 3,
            }
            for number in range(23)
        },
    )
    whole = list(catalog.query(Query("things", where, order_by)))
    assert len(whole) > 11
    for page_size in (1, 4, 10):
        last: Stored | None = None
        paged: list[Stored] = []
        while page := list(
            catalog.query(Query("things", where, order_by, limit=page_size, start_after=last))
        ):
            paged += page
            last = page[-1]
        assert paged == whole


def test_paging_goes_on_behind_a_document_that_is_gone(images: Catalog) -> None:
    query = Query("images", order_by=[("time", "asc")], limit=2)
    last = list(images.query(query))[-1]
    images.delete("images", last.key, version=last.version)
    query = Query("images", order_by=[("time", "asc")], limit=2, start_after=last)
    assert keys(images, query) == ["i2", "i3"]
