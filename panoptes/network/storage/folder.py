"""A folder as an object store.

Other programs write into the folder, too: it is gone through by descriptor and never through
a link, what is read is looked at again afterwards, and what is removed is moved aside and
looked at before it is gone. The store's own files lie beside the root (`own_place`):
``tmp`` (being written), ``locks``, and ``leaving`` (being removed).
"""

from __future__ import annotations

import os
import secrets
import stat
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, ClassVar

from panoptes.network.errors import BadInput, ConfigurationError, TransientError
from panoptes.network.storage import files, placing
from panoptes.network.storage.checksums import CHUNK, Crc32c
from panoptes.network.storage.descent import Linked, inside
from panoptes.network.storage.leaving import hindrance, look_after, put_back_from_root, remove
from panoptes.network.storage.object_names import is_passing, require_new_name, shown, valid_parts
from panoptes.network.storage.own_place import alone, is_apart, own_place
from panoptes.network.storage.store import (
    NotFound,
    ObjectInfo,
    ObjectStore,
    Opened,
    PreconditionFailed,
    judged,
)
from panoptes.network.storage.writers import NOBODY, Guard, guarded, seconds_left

_STALE = 24 * 3600.0
"""Seconds after which a file in ``tmp`` belongs to a process that died."""
_CLOCK = "clock"
"""A file in ``locks`` whose time, once touched, is that of the file system."""


@dataclass(frozen=True)
class FolderStore(ObjectStore):
    """The files below `root`.

    A `read_only` store never writes anything, not even its own files.
    Where links to files are not followed, reading one raises BadInput ``not-a-file``: what
    others may write into must not show them our other files.
    One that takes `uploads` is written into by others. Its files are told apart by their change
    times, too, see `files.generation_of`; our own objects need not be, and keep their generation
    when somebody links or chowns them. What is under a passing name (`is_passing`) is not there
    yet, and what somebody has open for writing is not removed.
    A `durable` one has every write on the disk before it answers.

    Three things that other programs do it cannot notice: replacing a file between the last
    look and the replacement of a `put`, or opening one between the last look and the removal of
    a `delete`, a few microseconds; and bytes of an unchanged size that a single system call is
    just writing in place while they are read.
    """

    root: Path
    read_only: bool = False
    durable: bool = True
    follow_links: bool = True
    uploads: bool = False
    vouches: ClassVar[bool] = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", Path(self.root).absolute())

    def __str__(self) -> str:
        return str(self.root)

    # Reading

    def stat(self, name: str) -> ObjectInfo:
        with self._reading(name) as (folder, leaf):
            found = self._look_at(folder, leaf, name)
            checksum = None
            if stat.S_ISREG(found.st_mode):
                with (
                    suppress(PermissionError, BadInput),
                    self._open(folder, leaf, name) as (file, found),
                ):
                    checksum = files.kept_checksum(file.fileno(), found)
            return self._info(name, found, checksum)

    def read(self, name: str, *, generation: int | None = None) -> tuple[bytes, ObjectInfo]:
        return judged(lambda: self._read(name, generation))

    def _read(self, name: str, generation: int | None) -> tuple[bytes, ObjectInfo]:
        with self.opened(name, generation) as source:
            # One byte more than expected shows a file that grew, without following it forever.
            data = source.stream.read(source.info.size + 1)
            source.confirm(Crc32c(data))
            return data, source.info

    def read_range(self, name: str, start: int, end: int) -> bytes:
        if start < 0:
            raise ValueError(f"a range begins at {start}")
        with (
            self._reading(name) as (folder, leaf),
            self._open(folder, leaf, name) as (file, _),
        ):
            file.seek(start)
            return file.read(max(0, end - start))

    # Writing

    def put(self, name: str, data: bytes, *, if_generation: int | None = None) -> ObjectInfo:
        self._require_new(name)
        with placing.writing(name), self._temporary() as temporary:
            temporary.file.write(data)
            return self._commit(temporary, name, Crc32c(data), if_generation)

    def receive(self, name: str, source: Opened, *, if_generation: int | None = None) -> ObjectInfo:
        self._require_new(name)
        running = Crc32c()
        with placing.writing(name), self._temporary() as temporary:
            while chunk := source.stream.read(CHUNK):
                running.update(chunk)
                temporary.file.write(chunk)
            source.confirm(running)
            return self._commit(temporary, name, running, if_generation)

    def delete(self, name: str, *, if_generation: int | None = None) -> None:
        *above, leaf = valid_parts(name)
        self._require_writable(name)
        with placing.writing(name), ExitStack() as stack:
            stack.enter_context(
                placing.locked(stack.enter_context(own_place(self.root, "locks")), name)
            )
            try:
                folder = stack.enter_context(inside(self.root, above))
            except (FileNotFoundError, NotADirectoryError) as error:
                raise NotFound(f"there is no {name!r} in {self.root}") from error
            guard = stack.enter_context(self._guarded(folder, leaf))
            seen, found = files.look_at_link(folder, leaf), self._look(folder, leaf)
            if seen is None or found is None:
                raise NotFound(f"there is no {name!r} in {self.root}")
            if stat.S_ISDIR(found.st_mode):
                raise ConfigurationError(f"{name!r} is a folder; remove it by hand")
            if if_generation is not None and self._generation(found) != if_generation:
                raise PreconditionFailed(f"{name!r} is not in the expected generation")
            if guard.written:
                raise PreconditionFailed(f"somebody has {name!r} open for writing")
            leaving = stack.enter_context(own_place(self.root, "leaving"))
            if not remove(folder, leaf, name, seen, leaving, guard, self.root):
                raise PreconditionFailed(f"{name!r} was changed while it was removed")

    def hindrance(self, name: str) -> str | None:
        *above, leaf = valid_parts(name)
        return hindrance(self.root, above, leaf)

    # Listing

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        above, _, rest = prefix.rpartition("/")
        if (parts := self._listed(above, prefix)) is None:
            return
        skipped = is_passing if self.uploads else None
        with suppress(NotFound), files.reading(prefix), suppress(Linked):
            for name, folder, leaf in files.walk(self.root, parts, rest, skipped):
                found = self._look(folder, leaf)
                if found is not None:
                    yield self._info(name, found, None)

    def folders(self, prefix: str) -> Iterator[str]:
        if prefix and not prefix.endswith("/"):
            raise ValueError(f"{prefix!r} does not end in '/'")
        if (parts := self._listed(prefix[:-1], prefix)) is None:
            return
        with suppress(NotFound), files.reading(prefix), suppress(Linked):
            with inside(self.root, parts) as folder:
                found = files.scan(folder, parts, "")
            for name, leaf, is_folder in found:
                hidden = self.uploads and is_passing(leaf)
                if is_folder and not hidden and next(self.list(name), None) is not None:
                    yield name

    # Uploads

    def seconds_to_rest(self, name: str, seconds: float, *, generation: int) -> float:
        with self._reading(name) as (folder, leaf):
            seen = self._look_at(folder, leaf, name)
            if self._generation(seen) != generation:
                return seconds
            try:
                with (
                    self._open(folder, leaf, name) as (file, found),
                    guarded(file.fileno()) as guard,
                ):
                    if guard.written:
                        return float("inf")
                    if files.kept_checksum(file.fileno(), found) is not None:
                        return 0.0  # we put it there, whole
                    return seconds_left(found, seconds, self._clock())
            except PermissionError:
                return seconds_left(seen, seconds, self._clock())
            except BadInput:
                return 0.0  # a pipe, a link: nobody writes it

    def count_passing(self, seconds: float) -> int:
        if not self.uploads:
            return 0
        clock, count = time.time_ns(), 0
        with suppress(NotFound), files.reading(""):
            for name, folder, leaf in files.walk(self.root, (), ""):
                found = files.look_at_link(folder, leaf) if is_passing(name) else None
                if found is not None:
                    count += clock - max(found.st_mtime_ns, found.st_ctime_ns) > seconds * 1e9
        return count

    def _clock(self) -> int:
        """The time of the root's own file system (ns); of this machine, where we only read."""
        if self.read_only:
            return time.time_ns()
        with own_place(self.root, "locks") as own:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(_CLOCK, flags, 0o600, dir_fd=own)
            try:
                os.utime(descriptor)
                return os.fstat(descriptor).st_mtime_ns
            finally:
                os.close(descriptor)

    @contextmanager
    def _guarded(self, folder: int, leaf: str) -> Iterator[Guard]:
        """Keep writers of an upload out while it is removed, where the system can."""
        seen = files.look_at_link(folder, leaf) if self.uploads else None
        if seen is None or not stat.S_ISREG(seen.st_mode):
            yield NOBODY
            return
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            descriptor = os.open(leaf, flags, dir_fd=folder)
        except PermissionError:
            yield Guard(-1)
            return
        try:
            with guarded(descriptor) as guard:
                yield guard
        finally:
            os.close(descriptor)

    # Housekeeping

    def check(self) -> None:
        if self.read_only:
            if not self.root.is_dir():
                raise ConfigurationError(f"the folder {self.root} does not exist")
            if not files.may_enter(None, str(self.root)):
                raise ConfigurationError(f"the folder {self.root} may not be read")
            return
        if self.root.exists() and not self.root.is_dir():
            raise ConfigurationError(f"{self.root} is a file where a folder is needed")
        try:
            with own_place(self.root, "locks") as locks, own_place(self.root, "leaving") as leaving:
                with inside(self.root, ()) as root:
                    if is_apart(root, leaving):
                        raise alone(self.root)
                look_after(self.root, leaving, locks, self._clock())
            with self._temporary():
                pass
            self._tidy()
            put_back_from_root(self.root)
        except OSError as error:
            raise ConfigurationError(
                f"the folder {self.root} cannot be written to: {error.strerror}"
            ) from error

    def _tidy(self) -> None:
        """Drop what a process that died was writing."""
        with own_place(self.root, "tmp") as own:
            for leaf in os.listdir(own):  # noqa: PTH208 - an open folder
                found = files.look_at_link(own, leaf)
                if found is not None and time.time() - found.st_mtime > _STALE:
                    with suppress(FileNotFoundError):
                        os.unlink(leaf, dir_fd=own)

    @contextmanager
    def _temporary(self) -> Iterator[_Temporary]:
        """A new file with the usual permissions, removed afterwards if it is still there."""
        leaf = secrets.token_hex(16)
        with own_place(self.root, "tmp") as own:
            flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
            descriptor = os.open(leaf, flags, 0o666, dir_fd=own)
            try:
                with os.fdopen(descriptor, "w+b") as file:
                    yield _Temporary(file, own, leaf)
            finally:
                with suppress(FileNotFoundError):
                    os.unlink(leaf, dir_fd=own)

    @contextmanager
    def _reading(self, name: str) -> Iterator[tuple[int, str]]:
        """The open folder that a name lies in, and the name in it."""
        *above, leaf = valid_parts(name)
        with files.reading(name), inside(self.root, above) as folder:
            yield folder, leaf

    def _open(
        self, folder: int, leaf: str, name: str
    ) -> AbstractContextManager[tuple[BinaryIO, os.stat_result]]:
        return files.opened(folder, leaf, name, follow_links=self.follow_links)

    def _require_writable(self, name: str) -> None:
        if self.read_only:
            raise ConfigurationError(f"{self.root} is read-only: {name!r} is left as it is")

    def _require_new(self, name: str) -> None:
        require_new_name(name)
        if self.uploads and is_passing(name):
            raise ValueError(f"{shown(name)} is the name of an upload that is still under way")
        self._require_writable(name)

    def _listed(self, above: str, prefix: str) -> tuple[str, ...] | None:
        """The folders on the way to everything with this prefix; None where nothing can be."""
        if prefix.startswith("/") or (self.uploads and above and is_passing(above)):
            return None
        try:
            return valid_parts(above) if above else ()
        except ValueError:
            return None

    @contextmanager
    def opened(self, name: str, generation: int | None) -> Iterator[Opened]:
        def look_again() -> None:
            with suppress(NotFound), self._reading(name) as (folder, leaf):
                now = (os.fstat(file.fileno()), self._look(folder, leaf))
                if all(self._generation(each) == info.generation for each in now):
                    return
            raise TransientError(f"{name!r} changed while it was read")

        with ExitStack() as stack:
            stack.enter_context(files.reading(name))
            with self._reading(name) as (folder, leaf):
                file, found = stack.enter_context(self._open(folder, leaf, name))
            info = self._info(name, found, files.kept_checksum(file.fileno(), found))
            if generation is not None and info.generation != generation:
                raise NotFound(f"{name!r} is no longer in the generation that was asked for")
            yield Opened(info, file, look_again)

    def _commit(
        self, temporary: _Temporary, name: str, written: Crc32c, if_generation: int | None
    ) -> ObjectInfo:
        """Give the finished temporary file its name, if the precondition holds.

        Where it must be new but is there with the same bytes, that is success.
        """
        file, own = temporary.file, temporary.own
        *above, leaf = valid_parts(name)
        file.flush()
        # The clock's nanoseconds, not the file system's ticks: an inode that is used again
        # within one tick still makes another generation.
        now = time.time_ns()
        os.utime(file.fileno(), ns=(now, now))
        placing.keep_checksum(file.fileno(), written.base64)
        if self.durable:
            os.fsync(file.fileno())
        made = os.fstat(file.fileno())
        with own_place(self.root, "locks") as locks, placing.locked(locks, name):
            # What must be new and is not may be the same, which is looked at below.
            if if_generation and if_generation != self._generation_at(above, leaf):
                raise PreconditionFailed(f"{name!r} is not in the expected generation")
            with inside(self.root, above, make=True) as folder:
                if if_generation == 0:
                    placed = placing.give_name(own, temporary.leaf, folder, leaf)
                else:
                    os.replace(temporary.leaf, leaf, src_dir_fd=own, dst_dir_fd=folder)
                    placed = True
                if placed and self.uploads:  # being named was a change, too
                    with suppress(FileNotFoundError):
                        os.unlink(temporary.leaf, dir_fd=own)
                    made = os.fstat(file.fileno())
                if placed and self.durable:
                    os.fsync(folder)
                if not placed:
                    return self._the_same(file, folder, leaf, name, written)
        return self._info(name, made, written.base64)

    def _the_same(
        self, file: BinaryIO, folder: int, leaf: str, name: str, written: Crc32c
    ) -> ObjectInfo:
        there = files.look_at_link(folder, leaf)
        if there is not None and stat.S_ISDIR(there.st_mode):
            raise ConfigurationError(f"{name!r} is a folder where a file is needed")
        same = files.same_bytes(file, folder, leaf, name, follow_links=self.follow_links)
        if same is None:
            raise PreconditionFailed(f"{name!r} is not in the expected generation")
        return self._info(name, same, written.base64)

    def _generation_at(self, above: Sequence[str], leaf: str) -> int:
        try:
            with inside(self.root, above) as folder:
                return self._generation(self._look(folder, leaf))
        except FileNotFoundError:
            return 0

    def _look(self, folder: int, leaf: str) -> os.stat_result | None:
        return files.look(folder, leaf, follow_links=self.follow_links)

    def _look_at(self, folder: int, leaf: str, name: str) -> os.stat_result:
        found = self._look(folder, leaf)
        if found is None:
            raise NotFound(f"there is no {name!r} in {self.root}")
        return found

    def _info(self, name: str, found: os.stat_result, crc32c: str | None) -> ObjectInfo:
        return files.info_of(name, found, crc32c, by_change=self.uploads)

    def _generation(self, found: os.stat_result | None) -> int:
        return files.generation_of(found, by_change=self.uploads)


@dataclass(frozen=True)
class _Temporary:
    """A file of our own that is being written."""

    file: BinaryIO
    own: int
    leaf: str
