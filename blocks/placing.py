"""Placing and removing files in a folder into which other programs write, too."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import random
import secrets
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from blocks.files import KEPT, PASSING, identity
from blocks.storage import NotFound
from models.errors import ConfigurationError, TryAgain

_OPERATOR = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.EXDEV, errno.EISDIR, errno.ENOTDIR,
    errno.ENOTEMPTY, errno.EEXIST,
}  # fmt: skip
_LOCK_PATIENCE = 30.0
"""Seconds; a lock is held for milliseconds."""


@contextmanager
def locked(folder: Path, name: str) -> Iterator[None]:
    """Hold the lock of `name` against every thread and process that uses this folder.

    The kernel gives it back when its holder dies. Raises TryAgain if it is not to be had
    within half a minute.
    """
    digest = hashlib.blake2b(os.fsencode(name), digest_size=1).hexdigest()
    path = folder / digest
    deadline = time.monotonic() + _LOCK_PATIENCE
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Somebody may have removed the folder since: then this is nobody's lock.
            if path.exists() and path.stat().st_ino == os.fstat(descriptor).st_ino:
                break
        except BlockingIOError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if time.monotonic() > deadline:
            raise TryAgain(f"another process holds the lock of {name!r}")
        time.sleep(random.uniform(0.0005, 0.005))
    try:
        yield
    finally:
        os.close(descriptor)


@contextmanager
def writing(name: str) -> Iterator[None]:
    """Turn the system's errors while writing into the store's.

    What only an operator can put right, such as missing permission, is a ConfigurationError.
    """
    try:
        yield
    except OSError as error:
        # A folder on the way may vanish under a writer: the next try makes it again.
        if error.errno in PASSING or error.errno == errno.ENOENT:
            raise TryAgain(f"{name!r} could not be written: {error.strerror}") from error
        if error.errno in _OPERATOR:
            raise ConfigurationError(
                f"{name!r} cannot be written: {error.strerror} ({error.filename})"
            ) from error
        raise


def keep_checksum(descriptor: int, crc32c: str) -> None:
    """Write the checksum beside the file's bytes, if its file system can."""
    if not hasattr(os, "setxattr"):
        return
    modified, size, _ = identity(os.fstat(descriptor))
    try:
        os.setxattr(descriptor, KEPT, f"{crc32c} {modified} {size}".encode("ascii"))
    except OSError as error:
        if error.errno not in (errno.ENOTSUP, errno.EPERM, errno.ENOSPC, errno.E2BIG):
            raise


def give_name(file: Path, path: Path) -> bool:
    """Name `file` also `path`; False, and nothing is done, where something is there already.

    `file` may be gone afterwards. Where the file system has no hard links, a file that
    another program writes at this very moment may be replaced.
    """
    try:
        os.link(file, path, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
            raise
        if os.path.lexists(path):
            return False
        file.rename(path)
    return True


def remove(path: Path, name: str, seen: os.stat_result, leaving: Path) -> bool:
    """Remove what is at `path` if it is still what was `seen`; else leave it and give False.

    It is moved into `leaving` first, because only there no other program can replace it
    between the last look and the removal. The note beside it lets `undo_removal` put it back.
    """
    token = secrets.token_hex(16)
    note, aside = leaving / f"{token}.name", leaving / f"{token}.file"
    note.symlink_to(name)
    try:
        path.rename(aside)
    except FileNotFoundError as error:
        note.unlink()
        raise NotFound(f"{name!r} vanished while it was removed") from error
    except OSError:
        note.unlink()
        raise
    if identity(aside.lstat()) == identity(seen):
        aside.unlink()
        note.unlink()
        return True
    undo_removal(note, path.parents[name.count("/")])
    return False


def undo_removal(note: Path, root: Path) -> None:
    """Put the file beside `note` back where it was, unless a newer one is there."""
    aside, path = note.with_suffix(".file"), root / note.readlink()
    if os.path.lexists(aside):
        path.parent.mkdir(parents=True, exist_ok=True)
        if aside.is_dir() and not aside.is_symlink():
            aside.rename(path)
        else:
            give_name(aside, path)
            aside.unlink(missing_ok=True)
    note.unlink()


def sync_folder(folder: Path) -> None:
    """Have the names in `folder` on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
