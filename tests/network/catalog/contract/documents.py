"""What the tests of the contract write, read and compare."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

from panoptes.network.catalog.catalog import (
    Catalog,
    Fields,
    Query,
    Stored,
)
from panoptes.network.documents import GeoPoint

NOON = datetime(2018, 2, 16, 12, tzinfo=UTC)


def create(catalog: Catalog, collection: str, key: str, fields: Fields) -> Stored:
    """The document that was made."""
    catalog.create(collection, key, fields)
    return read(catalog, collection, key)


def update(
    catalog: Catalog, stored: Stored, fields: Fields, *, remove: Sequence[str] = ()
) -> Stored:
    """The document as it is afterwards."""
    collection, key = stored.collection, stored.key
    catalog.update(collection, key, fields, version=stored.version, remove=remove)
    return read(catalog, collection, key)


def read(catalog: Catalog, collection: str, key: str) -> Stored:
    stored = catalog.get(collection, key)
    assert stored is not None
    return stored


def fill(catalog: Catalog, things: Mapping[str, Fields]) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda key: catalog.create("things", key, things[key]), things))


def keys(catalog: Catalog, query: Query) -> list[str]:
    return [stored.key for stored in catalog.query(query)]


def exact(value: Any) -> Any:
    """Tells 5 from 5.0 and True, and 0.0 from -0.0, wherever they are."""
    if isinstance(value, GeoPoint | list):
        return (type(value), [exact(item) for item in value])
    if isinstance(value, dict):
        return {name: exact(item) for name, item in value.items()}
    return (type(value), repr(value))


def at(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)
