"""A store's own files, beside its root: where others upload, nothing of ours is safe.

They lie in ``.panoptes/NAME`` in the folder that holds the root NAME, on the same file system,
so that a file can be given its name or taken from it in one step. Whoever could make links or
folders there could have us remove and write elsewhere, so it must be ours alone.
"""

from __future__ import annotations

import errno
import os
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
            raise ConfigurationError(
                f"{root} is the top of its file system, and the network keeps its own files beside "
                "a folder, on the same file system: use a folder within it, such as "
                f"{root / 'incoming'}"
            )
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
