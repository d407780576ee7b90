"""Where files are kept: one narrow protocol over a folder and over a bucket.

Every object has a generation: an opaque positive integer that changes whenever the
object's bytes do. Writes and removals name the generation that they expect, so that two
runs over the same file cannot undo each other (the rules are those of Cloud Storage,
https://cloud.google.com/storage/docs/request-preconditions).

What does not match its checksum may have been damaged where it is kept or on the way here:
`judged` reads again, from the start, before anybody says which.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import BinaryIO, ClassVar, Protocol, TypeVar

from panoptes.network.errors import BadInput, TransientError
from panoptes.network.storage.checksums import Crc32c

READS = 4
"""How often an object is read before its checksum is given up for this time."""

T = TypeVar("T")


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


class Mismatch(TransientError):
    """One reading of an object did not match the checksum that its store keeps."""

    def __init__(self, info: ObjectInfo, found: str) -> None:
        super().__init__(info, found)
        self.info, self.found = info, found

    @property
    def seen(self) -> tuple[int, str | None, str]:
        return self.info.generation, self.info.crc32c, self.found

    def __str__(self) -> str:
        info = self.info
        return f"{info.name} was read with the CRC32C {self.found}, and {info.crc32c} was stored"


@dataclass(frozen=True)
class Opened:
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
        require_checksum(self.info, copied.base64)


class ObjectStore(Protocol):
    """Files by name in one location; both kinds of store inherit from this.

    Passing trouble is raised as `TransientError`, and what only an operator can put
    right (a missing bucket or permission to write) as ConfigurationError. Every method may be
    called from several threads and processes at once.

    Names that may be written are those of `object_names`; others raise ValueError.
    What other programs put under a stranger name is listed, read and removed by that name.
    """

    vouches: ClassVar[bool]
    """Whether the store reckons checksums itself and watches over its disks, so that its word on
    an object is enough."""

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

        def send() -> ObjectInfo:
            with self.opened(name, generation) as source:
                return destination.receive(destination_name, source, if_generation=if_generation)

        return judged(send)

    def opened(self, name: str, generation: int | None) -> AbstractContextManager[Opened]:
        """The object for a copy. Raises NotFound as `read` does."""
        ...

    def receive(self, name: str, source: Opened, *, if_generation: int | None = None) -> ObjectInfo:
        """As `put`, of the bytes of `source` once they are confirmed: how a copy is taken in
        without holding all of it in memory."""
        ...

    def delete(self, name: str, *, if_generation: int | None = None) -> None:
        """Raises NotFound, PreconditionFailed."""
        ...

    def hindrance(self, name: str) -> str | None:
        """Why an object cannot be removed, in words for the operator, as far as a look tells:
        None does not say that it can be. Of a bucket only trying tells."""
        return None

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


def require_checksum(info: ObjectInfo, found: str) -> None:
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
