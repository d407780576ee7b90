"""The token with which an operator signs in to the site of a local stack.

It is in a file that nobody else reads, so that neither a terminal nor a log ever shows it.
"""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

from panoptes.network.errors import ConfigurationError

SIGN_IN_TOKEN = "sign-in-token"
"""In the network's folder."""


def sign_in_token(folder: Path) -> tuple[str, Path]:
    """The token and its file, which is made where there is none, for its owner alone.

    Raises ConfigurationError for a file that others could have read or written.
    """
    path = folder / SIGN_IN_TOKEN
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with suppress(FileExistsError), os.fdopen(os.open(path, flags, 0o600), "w") as made:
        made.write(f"{secrets.token_urlsafe(24)}\n")
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)) as file:
            about = os.fstat(file.fileno())
            token = file.read(1000).strip()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from None
    others = about.st_mode & (stat.S_IRWXG | stat.S_IRWXO)
    if not stat.S_ISREG(about.st_mode) or about.st_uid != os.getuid() or others or not token:
        raise ConfigurationError(
            f"{path} is no file that you alone can read: remove it, and a new one is made"
        )
    return token, path
