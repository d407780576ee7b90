"""What the tests of the contract ask of a store of either kind."""

from __future__ import annotations

from collections.abc import Callable

from panoptes.network.storage.store import ObjectStore

MakeStore = Callable[[], ObjectStore]


def names(store: ObjectStore, prefix: str = "") -> list[str]:
    return [info.name for info in store.list(prefix)]
