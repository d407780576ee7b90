"""Where files are kept: one narrow protocol over a folder and over a bucket.

Every object has a generation: an opaque positive integer that changes whenever the
object's bytes do. Writes and removals name the generation that they expect, so that two
runs over the same file cannot undo each other (the rules are those of Cloud Storage,
https://cloud.google.com/storage/docs/request-preconditions).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class NotFound(Exception):
    """There is no such object, or not in the generation that was asked for."""


class PreconditionFailed(Exception):
    """The object is not in the generation that the caller expected; nothing was done."""


class Unreadable(Exception):
    """The object exists but may not be read; trying again cannot help."""


@dataclass(frozen=True)
class ObjectInfo:
    """What a store says of one object."""

    name: str
    size: int
    """Bytes."""
    generation: int
    """Opaque, positive, below 2**63; 0 stands for an absent object in preconditions."""
    crc32c: str | None
    """Base64 of the big-endian CRC32C of the bytes; None where the store keeps none."""
    updated: datetime
    """When this generation was written, UTC."""


class ObjectStore(Protocol):
    """Files by name in one location.

    Passing trouble is raised as `TransientError`, and what only an operator can put
    right (a missing bucket or permission to write) as ConfigurationError. Every method may be
    called from several threads and processes at once.

    Names that may be written are those of `object_names`; others raise ValueError.
    What other programs put under a stranger name is listed, read and removed by that name.
    """

    @property
    def vouches(self) -> bool:
        """Whether the store reckons checksums itself and watches over its disks, so that its
        word on an object is enough."""
        ...

    def stat(self, name: str) -> ObjectInfo:
        """Raises NotFound."""
        ...

    def read(self, name: str, *, generation: int | None = None) -> tuple[bytes, ObjectInfo]:
        """All bytes and the generation they belong to, looked at again after reading.

        The bytes' CRC32C equals the store's where the store keeps one. Raises NotFound
        (also when `generation` is given and is not the current one), `TransientError` when the
        object changed while it was read or came damaged in ever another way, Unreadable, and
        BadInput ``transfer-damage`` when two readings give the same wrong checksum or
        ``not-a-file`` for a pipe, a broken link and the like.
        """
        ...

    def read_range(self, name: str, start: int, end: int) -> bytes:
        """Bytes from `start` up to but not including `end`, in one request; fewer at the
        object's end, none beyond it. Raises NotFound."""
        ...

    def put(self, name: str, data: bytes, *, if_generation: int | None = None) -> ObjectInfo:
        """Write whole or not at all. `if_generation` 0: only if absent.

        Raises PreconditionFailed. A lost answer is recognised: where an object that must be
        new is there with these very bytes, or one to be replaced was replaced by this very
        call, that is success.
        """
        ...

    def copy_to(
        self,
        name: str,
        destination: ObjectStore,
        destination_name: str,
        *,
        generation: int | None = None,
        if_generation: int | None = None,
    ) -> ObjectInfo:
        """Copy byte for byte into another store (or this), without loading it whole.

        `generation` is the source's that must be copied, `if_generation` what is expected
        at the destination. Raises NotFound, PreconditionFailed, TransientError as `read` and
        `put` do.
        """
        ...

    def delete(self, name: str, *, if_generation: int | None = None) -> None:
        """Raises NotFound, PreconditionFailed."""
        ...

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        """Objects whose names begin with `prefix`, in the order of their names' bytes.

        Costs by what it yields (and, for a folder, by the folders it passes), never by the
        whole store. `crc32c` may be None here even where `stat` gives it.
        """
        ...

    def folders(self, prefix: str) -> Iterator[str]:
        """The common prefixes directly below `prefix` (which ends in ``/`` or is empty), each
        ending in ``/``."""
        ...

    def check(self) -> None:
        """Raises ConfigurationError, in one sentence, if this store cannot be used."""
        ...

    def seconds_to_rest(self, name: str, seconds: float, *, generation: int) -> float:
        """How long until this generation will have been unchanged for so many seconds: 0 if it
        has been, as every object of a bucket, infinite while somebody has it open for writing.
        Raises NotFound."""
        ...

    def count_passing(self, seconds: float) -> int:
        """How many uploads that never got their last names have been unchanged for so long."""
        ...
