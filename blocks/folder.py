"""A folder as an object store.

Other programs write into the folder, too: what is read is looked at again afterwards, and
what is removed is moved aside and looked at before it is gone. The store's own files lie in
``.panoptes`` below the root: ``tmp`` (being written), ``locks``, and ``leaving`` (being
removed: a file beside a link that holds its name, so that `check` can put it back if the
process died in between).
"""

from __future__ import annotations

import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from blocks import files, placing
from blocks.checksums import CHUNK, Crc32c
from blocks.object_names import PRIVATE, require_new_name, valid_parts
from blocks.storage import NotFound, ObjectInfo, ObjectStore, PreconditionFailed, Unreadable
from blocks.transfer import Receiver, Source, judged
from models.errors import ConfigurationError

_STALE = 24 * 3600.0
"""Seconds after which a file in ``tmp`` belongs to a process that died."""


@dataclass(frozen=True)
class FolderStore:
    """The files below `root`, a member of `ObjectStore`.

    A `read_only` store never writes anything below its root, not even its own files.
    Where links to files are not followed, reading one raises BadInput ``not-a-file``: what
    others may write into must not show them our other files.
    What others write into is told apart `by_change`, see `files.generation_of`; our own
    objects need not be, and keep their generation when somebody links or chowns them.
    A `durable` one has every write on the disk before it answers.

    Two things that other programs do it cannot notice: replacing a file between the last
    look and the replacement of a `put`, a few microseconds, and bytes of an unchanged size
    that a single system call is just writing in place while they are read.
    """

    root: Path
    read_only: bool = False
    durable: bool = True
    follow_links: bool = True
    by_change: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "root", Path(self.root).absolute())

    def __str__(self) -> str:
        return str(self.root)

    # Reading

    def stat(self, name: str) -> ObjectInfo:
        path = self._readable(name)
        with files.reading(name):
            found = files.look(path)
            if found is None:
                raise NotFound(f"there is no {name!r} in {self.root}")
            is_file = stat.S_ISREG(found.st_mode)
            return self._info(name, found, files.kept_checksum(path, found) if is_file else None)

    def read(self, name: str, *, generation: int | None = None) -> tuple[bytes, ObjectInfo]:
        return judged(lambda: self._read(name, generation))

    def _read(self, name: str, generation: int | None) -> tuple[bytes, ObjectInfo]:
        with self._opened(name, generation) as source:
            running = Crc32c()
            # One byte more than expected shows a file that grew, without following it forever.
            data = source.stream.read(source.info.size + 1)
            running.update(data)
            source.confirm(running)
            return data, source.info

    def read_range(self, name: str, start: int, end: int) -> bytes:
        if start < 0:
            raise ValueError(f"a range begins at {start}")
        path = self._readable(name)
        with (
            files.reading(name),
            files.opened(path, name, follow_links=self.follow_links) as (file, _),
        ):
            file.seek(start)
            return file.read(max(0, end - start))

    def local_path(self, name: str) -> Path | None:
        path = self._readable(name)
        with files.reading(name):
            found = files.look(path)
        return path if found is not None and stat.S_ISREG(found.st_mode) else None

    # Writing

    def put(self, name: str, data: bytes, *, if_generation: int | None = None) -> ObjectInfo:
        path = self._writable(name, new=True)
        running = Crc32c()
        running.update(data)
        with placing.writing(name), self._temporary() as (file, temporary):
            file.write(data)
            return self._commit(file, temporary, name, path, running, if_generation)

    def receive(self, name: str, source: Source, *, if_generation: int | None = None) -> ObjectInfo:
        """Take in a copy, see `blocks.transfer.Receiver`."""
        path = self._writable(name, new=True)
        running = Crc32c()
        with placing.writing(name), self._temporary() as (file, temporary):
            while chunk := source.stream.read(CHUNK):
                running.update(chunk)
                file.write(chunk)
            source.confirm(running)
            return self._commit(file, temporary, name, path, running, if_generation)

    def copy_to(
        self,
        name: str,
        destination: ObjectStore,
        destination_name: str,
        *,
        generation: int | None = None,
        if_generation: int | None = None,
    ) -> ObjectInfo:
        if not isinstance(destination, Receiver):
            data, _ = self.read(name, generation=generation)
            return destination.put(destination_name, data, if_generation=if_generation)

        def send() -> ObjectInfo:
            with self._opened(name, generation) as source:
                return destination.receive(destination_name, source, if_generation=if_generation)

        return judged(send)

    def delete(self, name: str, *, if_generation: int | None = None) -> None:
        path = self._writable(name)
        with placing.writing(name), placing.locked(self._private("locks"), name):
            seen, found = files.look_at_link(path), files.look(path)
            if seen is None or found is None:
                raise NotFound(f"there is no {name!r} in {self.root}")
            if stat.S_ISDIR(found.st_mode):
                raise ConfigurationError(f"{name!r} is a folder; remove it by hand")
            if if_generation is not None and self._generation(found) != if_generation:
                raise PreconditionFailed(f"{name!r} is not in the expected generation")
            if not placing.remove(path, name, seen, self._private("leaving")):
                raise PreconditionFailed(f"{name!r} was replaced while it was removed")

    # Listing

    def list(self, prefix: str = "") -> Iterator[ObjectInfo]:
        folder, rest = self._listed(prefix)
        if folder is None:
            return
        waiting = files.scan(str(folder), prefix.removesuffix(rest), rest)
        while waiting:
            name, path, is_folder = waiting.pop()
            if is_folder:
                waiting += files.scan(path, name, "")
                continue
            with files.reading(name):
                found = files.look(path)
            if found is not None:
                yield self._info(name, found, None)

    def folders(self, prefix: str) -> Iterator[str]:
        if prefix and not prefix.endswith("/"):
            raise ValueError(f"{prefix!r} does not end in '/'")
        folder, _ = self._listed(prefix)
        if folder is None:
            return
        for name, _, is_folder in reversed(files.scan(str(folder), prefix, "")):
            if is_folder and next(self.list(name), None) is not None:
                yield name

    # Housekeeping

    def check(self) -> None:
        if self.read_only:
            if not self.root.is_dir():
                raise ConfigurationError(f"the folder {self.root} does not exist")
            if not files.may_enter(self.root):
                raise ConfigurationError(f"the folder {self.root} may not be read")
            return
        if self.root.exists() and not self.root.is_dir():
            raise ConfigurationError(f"{self.root} is a file where a folder is needed")
        try:
            self._private("locks")
            with self._temporary():
                pass
            self._tidy()
        except OSError as error:
            raise ConfigurationError(
                f"the folder {self.root} cannot be written to: {error.strerror}"
            ) from error

    def _tidy(self) -> None:
        """Put back what a process that died was removing, and drop what one was writing."""
        for temporary in self._private("tmp").iterdir():
            with suppress(FileNotFoundError):
                if time.time() - temporary.lstat().st_mtime > _STALE:
                    temporary.unlink()
        for note in self._private("leaving").glob("*.name"):
            with suppress(FileNotFoundError):
                name = str(note.readlink())
                # Who removes holds the lock throughout: if it is free, they are gone.
                with placing.locked(self._private("locks"), name):
                    placing.undo_removal(note, self.root)

    def _private(self, kind: str) -> Path:
        folder = self.root / PRIVATE / kind
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    @contextmanager
    def _temporary(self) -> Iterator[tuple[BinaryIO, Path]]:
        """A new file with the usual permissions, removed afterwards if it is still there."""
        path = self._private("tmp") / secrets.token_hex(16)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            with os.fdopen(descriptor, "w+b") as file:
                yield file, path
        finally:
            path.unlink(missing_ok=True)

    def _readable(self, name: str) -> Path:
        parts = valid_parts(name)
        if linked := files.linked_parent(self.root, parts):
            raise Unreadable(f"{name!r} lies behind a link to a folder, {linked}")
        return self.root.joinpath(*parts)

    def _writable(self, name: str, *, new: bool = False) -> Path:
        parts = valid_parts(name)
        if new:
            require_new_name(name)
        if self.read_only:
            raise ConfigurationError(f"{self.root} is read-only: {name!r} is left as it is")
        if linked := files.linked_parent(self.root, parts):
            raise ConfigurationError(f"{name!r} lies behind a link to a folder, {linked}")
        return self.root.joinpath(*parts)

    def _listed(self, prefix: str) -> tuple[Path | None, str]:
        """The folder that holds everything with this prefix, and how names in it begin."""
        above, _, rest = prefix.rpartition("/")
        try:
            parts = valid_parts(above) if above else ()
        except ValueError:
            return None, rest
        if prefix.startswith("/") or files.linked_parent(self.root, (*parts, "")):
            return None, rest
        return self.root.joinpath(*parts), rest

    @contextmanager
    def _opened(self, name: str, generation: int | None) -> Iterator[Source]:
        path = self._readable(name)
        opening = files.opened(path, name, follow_links=self.follow_links)
        with files.reading(name), opening as (file, found):
            info = self._info(name, found, files.kept_checksum(file.fileno(), found))
            if generation is not None and info.generation != generation:
                raise NotFound(f"{name!r} is no longer in the generation that was asked for")
            yield Source(
                info,
                file,
                lambda: files.look_again(path, file, info, by_change=self.by_change),
            )

    def _commit(
        self,
        file: BinaryIO,
        temporary: Path,
        name: str,
        path: Path,
        written: Crc32c,
        if_generation: int | None,
    ) -> ObjectInfo:
        """Give the finished temporary file its name, if the precondition holds.

        Where it must be new but is there with the same bytes, that is success.
        """
        file.flush()
        # The clock's nanoseconds, not the file system's ticks: an inode that is used again
        # within one tick still makes another generation.
        now = time.time_ns()
        os.utime(file.fileno(), ns=(now, now))
        placing.keep_checksum(file.fileno(), written.base64)
        if self.durable:
            os.fsync(file.fileno())
        made = os.fstat(file.fileno())
        with placing.locked(self._private("locks"), name):
            placed = False
            if if_generation is None or self._generation(files.look(path)) == if_generation:
                path.parent.mkdir(parents=True, exist_ok=True)
                placed = if_generation != 0 or placing.give_name(temporary, path)
                if if_generation != 0:
                    temporary.replace(path)
            if placed and self.by_change:  # being named was a change, too
                temporary.unlink(missing_ok=True)
                made = os.fstat(file.fileno())
        if not placed:
            if path.is_dir():
                raise ConfigurationError(f"{name!r} is a folder where a file is needed")
            same = files.same_bytes(file, path, name) if if_generation == 0 else None
            if same is None:
                raise PreconditionFailed(f"{name!r} is not in the expected generation")
            return self._info(name, same, written.base64)
        if self.durable:
            placing.sync_folder(path.parent)
        return self._info(name, made, written.base64)

    def _info(self, name: str, found: os.stat_result, crc32c: str | None) -> ObjectInfo:
        return files.info_of(name, found, crc32c, by_change=self.by_change)

    def _generation(self, found: os.stat_result | None) -> int:
        return files.generation_of(found, by_change=self.by_change)
