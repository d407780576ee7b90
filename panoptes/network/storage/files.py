"""Looking at what lies in a folder: generations, kept checksums, safe reading.

Nothing here trusts that a name is a file: units and people put pipes, links and folders
where files are expected, and none of them may block or lead outside.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from panoptes.network.errors import BadInput, TransientError
from panoptes.network.safe_text import safe_log
from panoptes.network.storage.checksums import CHUNK
from panoptes.network.storage.descent import Linked, inside
from panoptes.network.storage.object_names import PRIVATE
from panoptes.network.storage.store import NotFound, ObjectInfo, Unreadable

log = safe_log(__name__)

PASSING = {
    errno.EIO, errno.ENOSPC, errno.ESTALE, errno.EAGAIN, errno.EDQUOT, errno.EMFILE,
    errno.ENFILE, errno.ENOMEM, errno.ENOLCK, errno.EBUSY, errno.ETIMEDOUT, errno.EINTR,
    errno.ETXTBSY, errno.EDEADLK, errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN,
    errno.ENETUNREACH, errno.EREMOTEIO,
}  # fmt: skip
KEPT = "user.panoptes.crc32c"
_NO_FILES = {
    stat.S_IFLNK: "it is a link that leads to no file",
    stat.S_IFIFO: "it is a named pipe",
    stat.S_IFSOCK: "it is a socket",
    stat.S_IFCHR: "it is a device",
    stat.S_IFBLK: "it is a device",
}
_LONGEST = 4095
"""Bytes of a name; no path of the system is longer, and so no link can hold a longer one, as
removing a file needs."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def may_enter(folder: int | None, leaf: str) -> bool:
    effective = os.access in os.supports_effective_ids
    return os.access(leaf, os.R_OK | os.X_OK, dir_fd=folder, effective_ids=effective)


def look_at_link(folder: int, leaf: str) -> os.stat_result | None:
    """What bears a name in an open folder, a link as itself; None where nothing does."""
    try:
        return os.stat(leaf, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def look(folder: int, leaf: str, *, follow_links: bool = True) -> os.stat_result | None:
    """What bears a name in an open folder, or None where there is no object.

    A link to a file is that file, if links are followed. A link that leads to no file, and a
    folder that may not be entered, stand for themselves, so that they are not overlooked; any
    other folder is no object.
    """
    found = look_at_link(folder, leaf)
    if found is None or (stat.S_ISDIR(found.st_mode) and may_enter(folder, leaf)):
        return None
    if not stat.S_ISLNK(found.st_mode) or not follow_links:
        return found
    try:
        target = os.stat(leaf, dir_fd=folder)
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
    ``rsync -t`` bring the modification time along, and may write into the same inode, and a
    file with several names is written under any of them. New permissions and names then make a
    new generation, though the bytes are the same.
    Bytes rewritten in place within one tick of the file system's clock are not noticed.
    """
    if found is None:
        return 0
    parts = (*identity(found), found.st_ctime_ns) if by_change else identity(found)
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


def kept_checksum(file: int, found: os.stat_result) -> str | None:
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
    kind = stat.S_IFMT(found.st_mode)
    if kind == stat.S_IFDIR:
        raise Unreadable(f"{name!r} is a folder that may not be entered")
    if kind in _NO_FILES:
        raise BadInput("not-a-file", _NO_FILES[kind])


@contextmanager
def opened(
    folder: int, leaf: str, name: str, *, follow_links: bool = True
) -> Iterator[tuple[BinaryIO, os.stat_result]]:
    """What bears a name in an open folder, open for reading, with what it was when it was opened.

    Never blocks and never opens a device. Raises NotFound, Unreadable and BadInput
    ``not-a-file``, which a link is, too, unless links are followed.
    """
    seen = look(folder, leaf, follow_links=follow_links)
    if seen is None:
        raise NotFound(f"there is no {name!r} in the folder")
    if stat.S_ISLNK(seen.st_mode) and not follow_links:
        raise BadInput("not-a-file", "it is a link")
    require_file(name, seen)
    flags = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
    try:
        descriptor = os.open(leaf, flags if follow_links else flags | os.O_NOFOLLOW, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP and not follow_links:
            raise BadInput("not-a-file", "it is a link") from error
        raise
    with os.fdopen(descriptor, "rb") as file:
        found = os.fstat(descriptor)
        require_file(name, found)
        yield file, found


def same_bytes(
    file: BinaryIO, folder: int, leaf: str, name: str, *, follow_links: bool = True
) -> os.stat_result | None:
    """What bears a name in an open folder, if it is a file with the bytes of `file`."""
    found = look(folder, leaf, follow_links=follow_links)
    if found is None or not stat.S_ISREG(found.st_mode):
        return None
    with opened(folder, leaf, name, follow_links=follow_links) as (other, seen):
        if seen.st_size != os.fstat(file.fileno()).st_size:
            return None
        file.seek(0)
        while chunk := file.read(CHUNK):
            if other.read(CHUNK) != chunk:
                return None
        for now in (os.fstat(other.fileno()), look(folder, leaf)):
            if generation_of(now) != generation_of(seen):
                raise TransientError(f"{name!r} changed while it was read")
        return seen


def scan(folder: int, above: Sequence[str], rest: str) -> list[tuple[str, str, bool]]:
    """What lies directly in an open folder and begins with `rest`, the first name first.

    Gives names from the root (of folders with ``/``, which is also how they are sorted among
    files), names in the folder, and whether it is a folder that may be entered.
    """
    found = []
    before = "".join(f"{part}/" for part in above)
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.name.startswith(rest) and entry.name.casefold() != PRIVATE:
                is_folder = entry.is_dir(follow_symlinks=False) and may_enter(folder, entry.name)
                name = f"{before}{entry.name}/" if is_folder else f"{before}{entry.name}"
                found.append((name, entry.name, is_folder))
    found.sort(key=lambda each: os.fsencode(each[0]))
    return found


def walk(
    root: Path, parts: tuple[str, ...], rest: str, skipped: Callable[[str], bool] | None = None
) -> Iterator[tuple[str, int, str]]:
    """Everything but folders below `parts` of `root` whose name goes on with `rest`, in order.

    Gives names from the root, the open folder, and the name in it. Folders and files whose own
    names are `skipped` are left out; of those too deep for any path of the system the log tells.
    What vanishes meanwhile is passed over; raises OSError and Linked only for the folder at
    `parts` itself. One folder is open at a time: however deep they lie, descriptors do not run
    out.
    """
    waiting: list[tuple[tuple[str, ...], Iterator[tuple[str, str, bool]] | None]] = [(parts, None)]
    while waiting:
        above, entries = waiting.pop()
        try:
            with inside(root, above) as folder:
                if entries is None:
                    entries = iter(scan(folder, above, rest if above == parts else ""))
                for name, leaf, is_folder in entries:
                    if skipped and skipped(leaf):
                        continue
                    if len(os.fsencode(name)) > _LONGEST:
                        log.warning("%.200s... is passed over: too deep", name)
                    elif not is_folder:
                        yield name, folder, leaf
                    else:
                        waiting += [(above, entries), ((*above, leaf), None)]
                        break
        except (FileNotFoundError, NotADirectoryError, Linked):
            if above == parts:
                raise


@contextmanager
def reading(name: str) -> Iterator[None]:
    """Turn the system's errors while reading into the store's."""
    try:
        yield
    except Linked as link:
        raise Unreadable(f"{name!r} lies behind a link to a folder, {link}") from link
    except (FileNotFoundError, NotADirectoryError) as error:
        raise NotFound(f"there is no {name!r} in the folder") from error
    except PermissionError as error:
        raise Unreadable(f"{name!r} may not be read: {error.strerror}") from error
    except OSError as error:
        if error.errno in PASSING:
            raise TransientError(f"{name!r} could not be read: {error.strerror}") from error
        if error.errno == errno.ENAMETOOLONG:
            raise NotFound(f"{name!r} is longer than any path of this folder") from error
        raise
