"""`receiver` and `watch` as a person starts them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = "from deployments.command_line.main import run; run()"


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {k: v for k, v in os.environ.items() if not k.startswith("PANOPTES_")}
    return subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments],
        env=clean | environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("arguments", "environment", "sentence"),
    [
        ([], {}, "nobody may tell the receiver of files yet"),
        (["--open", "--host", "0.0.0.0"], {}, "cannot be open to everyone"),
        ([], {"PANOPTES_RECEIVER_SECRET": "short"}, "16 characters"),
        ([], {"PANOPTES_RECEIVER_AUDIENCE": "https://x"}, "service accounts"),
        (["--open", "--port", "99999"], {}, "port"),
    ],
)
def test_a_receiver_that_cannot_work_says_why_in_one_sentence(
    arguments: list[str], environment: dict[str, str], sentence: str
) -> None:
    ended = run("receiver", *arguments, PREFECT_API_URL="http://127.0.0.1:1/api", **environment)
    assert ended.returncode == 1
    assert ended.stderr.startswith("panoptes-network receiver: ")
    assert sentence in ended.stderr
    assert "Traceback" not in ended.stderr
    assert "short" not in ended.stderr


def test_a_receiver_whose_port_is_taken_says_so() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        api = "http://127.0.0.1:1/api"
        ended = run("receiver", "--open", "--port", port, PREFECT_API_URL=api)
    assert ended.returncode == 1
    assert f"port {port} cannot be used" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_receiver_without_prefects_address_says_so() -> None:
    ended = run("receiver", "--open", PREFECT_API_URL="")
    assert ended.returncode == 1
    assert "PREFECT_API_URL" in ended.stderr


def test_a_folder_that_is_not_there_cannot_be_watched(tmp_path: Path) -> None:
    ended = run("watch", str(tmp_path / "absent"))
    assert ended.returncode == 1
    assert ended.stderr.strip().endswith("is no folder that could be watched")
