"""Every catalog in turn, SQLite and Firestore: the tests here hold for both."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from panoptes.network.catalog.catalog import (
    Catalog,
    Fields,
)
from panoptes.network.catalog.firestore import FirestoreCatalog
from panoptes.network.catalog.sqlite import SqliteCatalog
from tests.network.catalog.contract.documents import (
    NOON,
)


def make(
    request: pytest.FixtureRequest, folder: Path, environment: pytest.MonkeyPatch
) -> SqliteCatalog | FirestoreCatalog:
    if request.param == "sqlite":
        return SqliteCatalog(folder / "catalog.sqlite")
    host = request.getfixturevalue("firestore_emulator")
    environment.setenv("FIRESTORE_EMULATOR_HOST", host)
    return FirestoreCatalog(f"test-{uuid.uuid4().hex[:20]}")


@pytest.fixture(params=["sqlite", "firestore"])
def catalog(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Catalog]:
    made = make(request, tmp_path, monkeypatch)
    made.check()
    yield made
    made.close()


@pytest.fixture
def images(catalog: Catalog) -> Catalog:
    """Six images of two sequences, the last without an exposure time."""
    for number in range(6):
        fields: Fields = {
            "sequence_id": "first" if number < 4 else "second",
            "time": NOON + timedelta(seconds=number),
            "healpix": 100 * number,
            "exptime": 30.5 + number,
            "returns": number % 3,
            "announced": number % 2 == 0 and number < 4,
            "status": ["received", "metadata_received", "uploaded"][number % 3],
        }
        if number == 5:
            del fields["exptime"]
        catalog.create("images", f"i{number}", fields)
    return catalog
