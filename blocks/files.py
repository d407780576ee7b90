"""Looking at what lies in a folder: generations, kept checksums, safe reading.

Nothing here trusts that a name is a file: units and people put pipes, links and folders
where files are expected, and none of them may block or lead outside.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from blocks.checksums import CHUNK
from blocks.object_names import PRIVATE
from blocks.storage import NotFound, ObjectInfo, Unreadable
from models.errors import BadInput, TryAgain

PASSING = {
    errno.EIO, errno.ENOSPC, errno.ESTALE, errno.EAGAIN, errno.EDQUOT, errno.EMFILE,
    errno.ENFILE, errno.ENOMEM, errno.ENOLCK, errno.EBUSY, errno.ETIMEDOUT, errno.EINTR,
    errno.ETXTBSY, errno.EDEADLK, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN,
    errno.ENETUNREACH, errno.EREMOTEIO,
}  # fmt: skip
KEPT = "user.panoptes.crc32c"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def linked_parent(root: Path, parts: tuple[str, ...]) -> Path | None:
    """The first folder on the way to a name that is a symbolic link, if there is one."""
    folder = root
    for part in parts[:-1]:
        folder = folder / part
        if folder.is_symlink():
            return folder
    return None


def may_enter(folder: str | Path) -> bool:
    effective = os.access in os.supports_effective_ids
    return os.access(folder, os.R_OK | os.X_OK, effective_ids=effective)


def look_at_link(path: str | Path) -> os.stat_result | None:
    """What is at `path`, a link as itself; None where nothing is."""
    try:
        return os.lstat(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def look(path: str | Path) -> os.stat_result | None:
    """What is at `path`, or None where there is no object.

    A link to a file is that file. A link that leads to no file, and a folder that may not
    be entered, stand for themselves, so that they are not overlooked; any other folder
    is no object.
    """
    found = look_at_link(path)
    if found is None or (stat.S_ISDIR(found.st_mode) and may_enter(path)):
        return None
    if not stat.S_ISLNK(found.st_mode):
        return found
    try:
        target = Path(path).stat()
    except OSError as error:
        if error.errno in PASSING:
            raise
        return found
    return found if stat.S_ISDIR(target.st_mode) else target


def identity(found: os.stat_result) -> tuple[int, int, int]:
    """What changes with a file's bytes: modification time (ns), size, inode."""
    return found.st_mtime_ns, found.st_size, found.st_ino


def generation_of(found: os.stat_result | None, *, by_change: bool = False) -> int:
    """The opaque generation, 1 to 2**53 - 1 so that JSON keeps it; 0 where nothing is.

    `by_change` takes in the change time, too, which no program can set: ``cp -p`` and
    ``rsync -t`` bring the modification time along, and may write into the same inode. New
    permissions and names then make a new generation, though the bytes are the same. A file
    with several names goes without: its change time is that of all of them.
    Bytes rewritten in place within one tick of the file system's clock are not noticed.
    """
    if found is None:
        return 0
    parts: tuple[int, ...] = identity(found)
    if by_change and found.st_nlink == 1:
        parts = (*parts, found.st_ctime_ns)
    digest = hashlib.blake2b(":".join(map(str, parts)).encode("ascii"), digest_size=8).digest()
    return (int.from_bytes(digest, "big") >> 11) or 1


def info_of(
    name: str, found: os.stat_result, crc32c: str | None, *, by_change: bool = False
) -> ObjectInfo:
    try:
        updated = _EPOCH + timedelta(microseconds=found.st_mtime_ns // 1000)
    except OverflowError:
        updated = datetime.max.replace(tzinfo=UTC)
    generation = generation_of(found, by_change=by_change)
    return ObjectInfo(name, found.st_size, generation, crc32c, updated)


def kept_checksum(file: int | Path, found: os.stat_result) -> str | None:
    """The checksum that `keep_checksum` wrote, if the file was not rewritten since.

    A rewrite by another program changes the time or the size and makes it void. Bytes that
    changed under the same time and size are damage: then it is still given, and differs.
    """
    if not hasattr(os, "getxattr"):
        return None
    try:
        kept = os.getxattr(file, KEPT)
    except OSError as error:
        if error.errno in PASSING:
            raise
        return None
    fields = kept.split(b" ")
    modified, size, _ = identity(found)
    if fields[1:] != [b"%d" % modified, b"%d" % size]:
        return None
    return fields[0].decode("ascii", "replace")


def require_file(name: str, found: os.stat_result) -> None:
    """Raises BadInput ``not-a-file``, or Unreadable for a folder that may not be entered."""
    kinds = (
        (stat.S_ISLNK, "it is a link that leads to no file"),
        (stat.S_ISFIFO, "it is a named pipe"),
        (stat.S_ISSOCK, "it is a socket"),
        (stat.S_ISCHR, "it is a device"),
        (stat.S_ISBLK, "it is a device"),
    )
    if stat.S_ISDIR(found.st_mode):
        raise Unreadable(f"{name!r} is a folder that may not be entered")
    for is_kind, sentence in kinds:
        if is_kind(found.st_mode):
            raise BadInput("not-a-file", sentence)


@contextmanager
def opened(
    path: Path, name: str, *, follow_links: bool = True
) -> Iterator[tuple[BinaryIO, os.stat_result]]:
    """The file at `path`, open for reading, with what it was when it was opened.

    Never blocks and never opens a device. Raises NotFound, Unreadable and BadInput
    ``not-a-file``, which a link is, too, unless links are followed.
    """
    seen = look(path)
    if seen is None:
        raise NotFound(f"there is no {name!r} in the folder")
    require_file(name, seen)
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    try:
        descriptor = os.open(path, flags if follow_links else flags | os.O_NOFOLLOW)
    except OSError as error:
        if error.errno == errno.ELOOP and not follow_links:
            raise BadInput("not-a-file", "a link") from error
        raise
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        require_file(name, found)
        yield file, found


def look_again(path: Path, file: BinaryIO, seen: ObjectInfo, *, by_change: bool = False) -> None:
    """Raises TryAgain unless the open file and its path are still what was `seen`."""
    now = (os.fstat(file.fileno()), look(path))
    if any(generation_of(each, by_change=by_change) != seen.generation for each in now):
        raise TryAgain(f"{seen.name!r} changed while it was read")


def same_bytes(file: BinaryIO, path: Path, name: str) -> os.stat_result | None:
    """What is at `path`, if it is a file with the bytes of `file`."""
    found = look(path)
    if found is None or not stat.S_ISREG(found.st_mode):
        return None
    with opened(path, name) as (other, seen):
        if seen.st_size != os.fstat(file.fileno()).st_size:
            return None
        file.seek(0)
        while chunk := file.read(CHUNK):
            if other.read(CHUNK) != chunk:
                return None
        look_again(path, other, info_of(name, seen, None))
        return seen


def scan(folder: str, above: str, rest: str) -> list[tuple[str, str, bool]]:
    """What lies directly in `folder` and begins with `rest`, the last name first.

    Gives names (of folders with ``/``, which is also how they are sorted among files),
    paths, and whether it is a folder that may be entered.
    """
    found = []
    with suppress(NotFound), reading(above), os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(rest) and entry.name.casefold() != PRIVATE:
                is_folder = entry.is_dir(follow_symlinks=False) and may_enter(entry.path)
                name = f"{above}{entry.name}/" if is_folder else f"{above}{entry.name}"
                found.append((name, entry.path, is_folder))
    found.sort(key=lambda each: os.fsencode(each[0]), reverse=True)
    return found


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn the system's errors while reading into the store's."""
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"there is no {name!r} in the folder") from error
    except PermissionError as error:
        raise Unreadable(f"{name!r} may not be read: {error.strerror}") from error
    except OSError as error:
        if error.errno in PASSING:
            raise TryAgain(f"{name!r} could not be read: {error.strerror}") from error
        if error.errno == errno.ENAMETOOLONG:
            raise NotFound(f"{name!r} is longer than any path of this folder") from error
        raise
