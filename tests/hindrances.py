"""What keeps files where they are: mounts, and permissions that are not there."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534


@contextmanager
def mounted(folder: Path) -> Iterator[None]:
    """A folder that is a mount of its own, of the file system it lies on; skips where nobody
    may mount."""
    command = ["mount", "--bind", str(folder), str(folder)]
    if shutil.which("mount") is None or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("needs the right to mount")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True, capture_output=True)


@contextmanager
def unprivileged() -> Iterator[Path]:
    """A folder of this process, which meanwhile has no special rights."""
    folder = Path(tempfile.mkdtemp(prefix="panoptes-"))
    is_root = os.geteuid() == 0
    try:
        folder.chmod(0o755)
        if is_root:
            os.chown(folder, NOBODY, NOBODY)
            os.seteuid(NOBODY)
        yield folder
    finally:
        if is_root:
            os.seteuid(0)
        for path in folder.rglob("*"):
            if path.is_dir():
                path.chmod(0o755)
        shutil.rmtree(folder)
