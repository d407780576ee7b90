"""A catalog as a thing: pickled, closed and opened again."""

from __future__ import annotations

import pickle

from panoptes.network.catalog.catalog import (
    Catalog,
)
from tests.network.catalog.contract.documents import (
    create,
)


def test_a_pickled_catalog_is_the_same_catalog(catalog: Catalog) -> None:
    created = create(catalog, "images", "one", {"a": 1})
    copy = pickle.loads(pickle.dumps(catalog))
    assert copy.get("images", "one") == created
    copy.close()


def test_a_closed_catalog_opens_again(catalog: Catalog) -> None:
    created = create(catalog, "images", "one", {"a": 1})
    catalog.close()
    assert catalog.get("images", "one") == created
