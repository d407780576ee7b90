"""Copying between stores without holding a whole object in memory.

The source store opens an object as a `Source`; a store that is a `Receiver` takes it in.
What does not match its checksum may have been damaged where it is kept or on the way here:
`judged` reads again, from the start, before anybody says which.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Protocol, TypeVar, runtime_checkable

from panoptes.network.errors import BadInput, TransientError
from panoptes.network.storage.checksums import Crc32c
from panoptes.network.storage.store import ObjectInfo

READS = 4
"""How often an object is read before its checksum is given up for this time."""

T = TypeVar("T")


class Mismatch(TransientError):
    """One reading of an object did not match the checksum that its store keeps."""

    def __init__(self, info: ObjectInfo, found: str) -> None:
        super().__init__(
            f"{info.name} was read with the CRC32C {found}, and {info.crc32c} was stored"
        )
        self.seen = (info.generation, info.crc32c, found)


@dataclass(frozen=True)
class Source:
    """An object that is being copied: one generation of it, opened at its first byte."""

    info: ObjectInfo
    stream: BinaryIO
    """Readable and seekable."""
    look_again: Callable[[], None]
    """Raises TransientError if the object is no longer the generation of `info`."""

    def confirm(self, copied: Crc32c) -> None:
        """Make sure that `copied` is this generation, whole and undamaged.

        Raises TransientError when the source changed or broke off, and Mismatch, which is passing
        trouble as well until `judged` has seen it twice.
        """
        self.look_again()
        if copied.size != self.info.size:
            raise TransientError(f"{self.info.name} broke off while it was copied")
        verify(self.info, copied.base64)


@runtime_checkable
class Receiver(Protocol):
    """A store that can take in a stream."""

    def receive(self, name: str, source: Source, *, if_generation: int | None = None) -> ObjectInfo:
        """As `ObjectStore.put`, of the bytes of `source` once they are confirmed."""
        ...


def verify(info: ObjectInfo, found: str) -> None:
    """Raises Mismatch unless `found` is the checksum that the store keeps."""
    if info.crc32c is not None and info.crc32c != found:
        raise Mismatch(info, found)


def judged(read: Callable[[], T]) -> T:
    """What `read` gives, which asks the store for the object anew, and reads from its start.

    Raises BadInput ``transfer-damage`` where two readings of one generation gave the same
    wrong checksum: the way does not damage twice alike. Raises Mismatch where all differ.
    """
    seen: list[object] = []
    while True:
        try:
            return read()
        except Mismatch as wrong:
            _, stored, found = wrong.seen
            if wrong.seen in seen:
                raise BadInput(
                    "transfer-damage", f"its CRC32C is {found}, but {stored} when it was stored"
                ) from wrong
            seen.append(wrong.seen)
            if len(seen) == READS:
                raise
