"""What lies in a store's folder, and beside it."""

from __future__ import annotations

from pathlib import Path

from panoptes.network.storage.folder import FolderStore


def names(store: FolderStore, prefix: str = "") -> list[str]:
    return [info.name for info in store.list(prefix)]


def in_private(root: Path) -> list[Path]:
    """What the store keeps beside its objects, but for its locks."""
    private = root.parent / ".panoptes" / root.name
    return [path for kind in ("tmp", "leaving") for path in (private / kind).glob("*")]
