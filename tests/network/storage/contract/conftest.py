"""Every store in turn, a folder and a bucket: the tests here hold for both."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from panoptes.network.storage.folder import FolderStore
from panoptes.network.storage.store import ObjectStore
from tests.network.storage.contract.kinds import MakeStore

BUCKET = pytest.param("bucket", marks=pytest.mark.xdist_group("emulators"))
KINDS = ["folder", BUCKET]


def _maker(kind: str, request: pytest.FixtureRequest) -> MakeStore:
    if kind == "folder":
        root: Path = request.getfixturevalue("tmp_path")
        return lambda: FolderStore(root / uuid.uuid4().hex, durable=False)
    make_bucket: Callable[[], str] = request.getfixturevalue("make_bucket")
    endpoint: str = request.getfixturevalue("gcs_emulator")
    from panoptes.network.storage.gcs import GcsStore

    return lambda: GcsStore(make_bucket(), "network/incoming", endpoint=endpoint)


@pytest.fixture(params=KINDS)
def make_store(request: pytest.FixtureRequest) -> MakeStore:
    """Makes new, empty stores of one kind."""
    return _maker(request.param, request)


@pytest.fixture
def store(make_store: MakeStore) -> ObjectStore:
    return make_store()


@pytest.fixture(params=KINDS)
def other_store(request: pytest.FixtureRequest) -> ObjectStore:
    """A second store, of every kind in turn."""
    return _maker(request.param, request)()
