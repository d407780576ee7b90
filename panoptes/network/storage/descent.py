"""Going down into a folder by descriptor, never through a link.

A path that was looked at may lead elsewhere by the time it is used: whoever may write in one
of its folders can put a link in its place. An open folder stays what it was.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


class Linked(Exception):
    """A folder on the way is a link; its argument is that folder's name."""


def enter(folder: int, name: str) -> int:
    """The descriptor of a folder in an open one. Raises Linked, and OSError as `os.open`."""
    try:
        return os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=folder)
    except OSError as error:
        if error.errno == errno.ELOOP or (error.errno == errno.ENOTDIR and _is_link(folder, name)):
            raise Linked(name) from error
        raise


def _is_link(folder: int, name: str) -> bool:
    with suppress(OSError):
        return stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode)
    return False


@contextmanager
def inside(root: Path, parts: Sequence[str], *, make: bool = False) -> Iterator[int]:
    """The folder at `parts` below `root`, open; with `make`, what is missing is made.

    `root` itself is the operator's, and may be a link. Raises Linked, and OSError.
    """
    if make:
        root.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(root, _FOLDER)
    try:
        for part in parts:
            if make:
                with suppress(FileExistsError):
                    os.mkdir(part, dir_fd=descriptor)
            inner = enter(descriptor, part)
            os.close(descriptor)
            descriptor = inner
        yield descriptor
    finally:
        os.close(descriptor)
