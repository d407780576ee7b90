"""A new, empty store in a folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from panoptes.network.storage.folder import FolderStore


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> FolderStore:
    made = FolderStore(root, durable=False)
    made.check()
    return made
