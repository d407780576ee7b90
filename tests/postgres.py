"""A PostgreSQL of our own, where its programs are installed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.patience import PATIENT_SECONDS


def _program(name: str) -> str:
    versions = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = shutil.which(name) or (str(versions[-1]) if versions else None)
    if found is None:
        pytest.skip(f"needs PostgreSQL's {name} (Debian: postgresql)")
    return found


@contextmanager
def postgres(folder: Path) -> Iterator[str]:
    """The address of an empty database, for Prefect; it keeps its files below `folder`."""
    initdb, pg_ctl = _program("initdb"), _program("pg_ctl")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    # It refuses to run as root.
    user: dict[str, str | int] = {"user": "nobody", "group": "nogroup"} if _is_root() else {}
    data = folder / "postgres"
    data.mkdir()
    if user:
        shutil.chown(data, "nobody", "nogroup")
        for each in (folder, *folder.parents):
            if each.owner() == "root" and each.is_relative_to("/tmp/"):
                each.chmod(0o755)
    quiet = {"stdout": subprocess.DEVNULL, "cwd": "/", **user}
    subprocess.run(
        [initdb, "-D", data, "-U", "prefect", "-A", "trust", "-E", "UTF8"], check=True, **quiet
    )  # type: ignore[call-overload]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories="
    command = [pg_ctl, "-D", data, "-w", "-t", str(int(PATIENT_SECONDS)), "-l", data / "log"]
    subprocess.run([*command, "-o", options, "start"], check=True, **quiet)  # type: ignore[call-overload]
    try:
        yield f"postgresql+asyncpg://prefect@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*command, "-m", "fast", "stop"], check=True, **quiet)  # type: ignore[call-overload]


def _is_root() -> bool:
    return os.geteuid() == 0
