"""`panoptes-network up`: it ends whole however it was started, and keeps its token to its owner."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from deployments.local_stack.sign_in_token import sign_in_token
from panoptes.network.errors import ConfigurationError


@contextmanager
def up_in_the_background(data: Path, *options: str) -> Iterator[subprocess.Popen[str]]:
    """As a shell starts it with `&`: it does not hear SIGINT."""
    command = [sys.executable, "-m", "deployments.command_line.main", "up", "--data", str(data)]
    quietly = ["sh", "-c", "trap '' INT; exec \"$@\"", "sh"]
    with subprocess.Popen(
        [*quietly, *command, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def left_of(data: Path) -> list[str]:
    """Processes that have to do with a stack in this folder."""
    found = []
    for each in Path("/proc").glob("[0-9]*/environ"):
        try:
            if str(data).encode() in each.read_bytes():
                found.append(each.parent.name)
        except OSError:
            continue
    return found


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="looks into /proc")
def test_in_the_background_it_ends_whole_on_sigterm(tmp_path: Path) -> None:
    with up_in_the_background(tmp_path, "--port", "0") as process:
        assert process.stdout is not None
        assert "Starting a Prefect server" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.stdout.read().endswith("Stopped.\n")
        assert process.wait() == 0
    assert not left_of(tmp_path)


def test_a_token_that_others_may_have_read_is_not_used(tmp_path: Path) -> None:
    token, path = sign_in_token(tmp_path)
    assert sign_in_token(tmp_path) == (token, path)
    path.chmod(0o640)
    with pytest.raises(ConfigurationError, match="remove it"):
        sign_in_token(tmp_path)
    path.unlink()
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigurationError):
        sign_in_token(tmp_path)
