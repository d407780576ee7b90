"""Copying between stores without holding a whole object in memory.

The source store opens an object as a `Source`; a store that is a `Receiver` takes it in.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, Protocol, runtime_checkable

from blocks.checksums import Crc32c
from blocks.storage import ObjectInfo
from models.errors import BadInput, TryAgain


@dataclass(frozen=True)
class Source:
    """An object that is being copied: one generation of it, opened at its first byte."""

    info: ObjectInfo
    stream: BinaryIO
    """Readable and seekable."""
    look_again: Callable[[], None]
    """Raises TryAgain if the object is no longer the generation of `info`."""

    def confirm(self, copied: Crc32c) -> None:
        """Make sure that `copied` is this generation, whole and undamaged.

        Raises TryAgain when the source changed or broke off, and BadInput
        ``transfer-damage`` when it does not match the checksum that its store keeps.
        """
        self.look_again()
        if copied.size != self.info.size:
            raise TryAgain(f"{self.info.name} broke off while it was copied")
        verify(self.info, copied.base64)


@runtime_checkable
class Receiver(Protocol):
    """A store that can take in a stream."""

    def receive(self, name: str, source: Source, *, if_generation: int | None = None) -> ObjectInfo:
        """As `ObjectStore.put`, of the bytes of `source` once they are confirmed."""
        ...


def verify(info: ObjectInfo, found: str) -> None:
    """Raises BadInput ``transfer-damage`` unless `found` is the checksum that the store keeps."""
    if info.crc32c is not None and info.crc32c != found:
        raise BadInput(
            "transfer-damage", f"its CRC32C is {found}, but {info.crc32c} when it was stored"
        )
