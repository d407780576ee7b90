"""A store's own files, beside its root: where others upload, nothing of ours is safe.

They lie in ``.panoptes/NAME`` in the folder that holds the root NAME, on the same file system,
so that a file can be given its name or taken from it in one step. Whoever could make links or
folders there could have us remove and write elsewhere, so it must be ours alone.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from panoptes.network.errors import ConfigurationError
from panoptes.network.storage.descent import Linked, enter, inside
from panoptes.network.storage.object_names import PRIVATE


@contextmanager
def own_place(root: Path, kind: str) -> Iterator[int]:
    """One of the store's own folders, open; it is made where it is missing, as is `root`.

    Raises ConfigurationError, in one sentence, where there can be none or it is not ours
    alone, and OSError.
    """
    root.mkdir(parents=True, exist_ok=True)
    real = Path(os.path.realpath(root))
    where = real.parent / PRIVATE
    with inside(real.parent, ()) as above:
        device = os.fstat(above).st_dev
        if not real.name or real.stat().st_dev != device:
            raise alone(root)
        descriptor = _entered(above, PRIVATE, where)
        try:
            for part in (real.name, kind):
                inner = _entered(descriptor, part, where)
                os.close(descriptor)
                descriptor = inner
            if os.fstat(descriptor).st_dev != device:
                raise ConfigurationError(f"{where} is on another file system than {root}")
            yield descriptor
        finally:
            os.close(descriptor)


def alone(root: Path) -> ConfigurationError:
    """That a store's own files cannot lie beside its root."""
    return ConfigurationError(
        f"{root} is the top of its file system or mount, and the network keeps its own files "
        "beside a folder, on the same file system: use a folder within it, such as "
        f"{root / 'incoming'}"
    )


def is_apart(folder: int, own: int) -> bool:
    """Whether nothing can be moved from one open folder to the other in one step.

    Two mounts of one file system only a try tells apart; it is made with a name that is not
    there, since mounts are compared before names are looked up.
    """
    if os.fstat(folder).st_dev != os.fstat(own).st_dev:
        return True
    absent = secrets.token_hex(16)
    try:
        os.rename(absent, absent, src_dir_fd=folder, dst_dir_fd=own)
    except OSError as error:
        return error.errno == errno.EXDEV
    return False


def _entered(above: int, name: str, where: Path) -> int:
    try:
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=above)
        descriptor = enter(above, name)
    except (Linked, NotADirectoryError) as error:
        raise ConfigurationError(
            f"{where} belongs to the network, and something else is there: move it away"
        ) from error
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EPERM, errno.EROFS):
            raise
        raise ConfigurationError(
            f"the network keeps its own files in {where}, and that cannot be written to: "
            f"{error.strerror}"
        ) from error
    found = os.fstat(descriptor)
    if found.st_uid != os.geteuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        os.close(descriptor)
        raise ConfigurationError(
            f"{where} belongs to the network, and another user owns it or may write to it: "
            "move it away, or run as its owner"
        )
    return descriptor
