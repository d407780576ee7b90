"""What the processes of the contract test do. A module of its own: the processes import it."""

from __future__ import annotations

import contextlib
from multiprocessing.synchronize import Barrier

from panoptes.network.errors import TransientError
from panoptes.network.storage.store import NotFound, ObjectStore, PreconditionFailed

_start: Barrier | None = None


def meet_at(barrier: Barrier) -> None:
    """Initialise a process: all that call `create` begin at once."""
    global _start
    _start = barrier


def create(store: ObjectStore, name: str, data: bytes) -> bool:
    assert _start is not None
    _start.wait(60)
    try:
        store.put(name, data, if_generation=0)
    except PreconditionFailed:
        return False
    return True


def count_up(store: ObjectStore, name: str, times: int) -> None:
    for _ in range(times):
        while True:
            with contextlib.suppress(PreconditionFailed, TransientError):
                data, info = store.read(name)
                store.put(name, b"%d" % (int(data) + 1), if_generation=info.generation)
                break


def delete_old(store: ObjectStore, name: str) -> int:
    """Remove `name` whenever it says that it is old, until it says stop; gives how often."""
    removed = 0
    while True:
        with contextlib.suppress(NotFound, PreconditionFailed, TransientError):
            data, info = store.read(name)
            if data == b"stop":
                return removed
            if data.startswith(b"old"):
                store.delete(name, if_generation=info.generation)
                removed += 1
