"""Placing and removing files in a folder into which other programs write, too."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

from panoptes.network.errors import ConfigurationError, TransientError
from panoptes.network.storage.descent import Linked
from panoptes.network.storage.files import KEPT, PASSING, identity, look_at_link

_OPERATOR = {
    errno.EACCES, errno.EPERM, errno.EROFS, errno.EXDEV, errno.EISDIR, errno.ENOTDIR,
    errno.ENOTEMPTY, errno.EEXIST, errno.ENAMETOOLONG,
}  # fmt: skip
_LOCK_PATIENCE = 30.0
"""Seconds; a lock is held for milliseconds."""


@contextmanager
def locked(folder: int, name: str) -> Iterator[None]:
    """Hold the lock of `name` against every thread and process that uses this open folder.

    The kernel gives it back when its holder dies. Raises TransientError if it is not to be had
    within half a minute.
    """
    leaf = hashlib.blake2b(os.fsencode(name), digest_size=1).hexdigest()
    deadline = time.monotonic() + _LOCK_PATIENCE
    flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    while True:
        descriptor = os.open(leaf, flags, 0o600, dir_fd=folder)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            # Somebody may have removed it since: then this is nobody's lock.
            there = look_at_link(folder, leaf)
            if there is not None and there.st_ino == os.fstat(descriptor).st_ino:
                break
        except BlockingIOError:
            pass
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)
        if time.monotonic() > deadline:
            raise TransientError(f"another process holds the lock of {name!r}")
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
    except Linked as link:
        raise ConfigurationError(f"{name!r} lies behind a link to a folder, {link}") from link
    except OSError as error:
        # A folder on the way may vanish under a writer: the next try makes it again.
        if error.errno in PASSING or error.errno == errno.ENOENT:
            raise TransientError(f"{name!r} could not be written: {error.strerror}") from error
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


def give_name(own: int, file: str, folder: int, leaf: str) -> bool:
    """Name `file` of the open folder `own` also `leaf` in `folder`; False, and nothing is done,
    where something is there already.

    `file` may be gone afterwards. Where the file system has no hard links, a file that
    another program writes at this very moment may be replaced.
    """
    try:
        os.link(file, leaf, src_dir_fd=own, dst_dir_fd=folder, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in (errno.EPERM, errno.ENOTSUP, errno.ENOSYS, errno.EMLINK):
            raise
        if look_at_link(folder, leaf) is not None:
            return False
        os.rename(file, leaf, src_dir_fd=own, dst_dir_fd=folder)
    return True
