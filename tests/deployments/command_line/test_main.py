"""What every command has in common."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.main import get_command
from typer.testing import CliRunner

from deployments.command_line.main import COMMANDS, app
from deployments.command_line.terminal import observations_table
from panoptes.network.catalog.catalog import Stored
from tests.archives import small_archive

COMMAND = Path(sys.executable).with_name("panoptes-network")

WITHOUT_PREFECT = """
import sys
from deployments.command_line.main import run

try:
    run()
finally:
    assert "prefect" not in sys.modules
"""


def test_the_help_names_every_command() -> None:
    shown = CliRunner().invoke(app, ["--help"])
    assert shown.exit_code == 0
    assert all(name in shown.stdout for name in COMMANDS)


def test_a_slip_is_answered_with_the_command_that_was_meant() -> None:
    answer = CliRunner().invoke(app, ["headr", "a.fits"])
    assert answer.exit_code == 2
    assert "'header'" in answer.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["lookup", "M42"], ["header", "absent.fits"]])
def test_what_needs_no_prefect_does_not_import_it(arguments: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_PREFECT, *arguments],
        capture_output=True,
        text=True,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr


def _commands(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if not hasattr(command, "list_commands"):
        yield name, command
        return
    context = command.context_class(command)
    for each in command.list_commands(context):
        yield from _commands(command.get_command(context, each), f"{name} {each}".strip())


def test_whatever_tells_something_tells_it_as_json_if_asked() -> None:
    without = {
        name
        for name, command in _commands(get_command(app))
        if not any("--json" in option.opts for option in command.params)
    }
    assert without == {"receiver", "watch"}  # they only log


def test_who_asks_for_json_is_told_in_json_what_was_mistyped(tmp_path: Path) -> None:
    for arguments, words in (
        (["headr", "a.fits"], "'header'"),
        (["lookup"], "NAME"),
        (["search", "--untl", "PAN001"], "--unit"),
        (["search", "--data", str(tmp_path)], "panoptes-network ingest FOLDER"),
    ):
        answer = CliRunner().invoke(app, [*arguments, "--json"])
        assert answer.exit_code in (1, 2)
        told = json.loads(answer.stdout)
        assert told["success"] is False
        assert words in told["message"]


def test_a_shell_completes_commands_words_and_names_of_the_catalogue(tmp_path: Path) -> None:
    data = Path(small_archive(tmp_path).settings.images).parent
    for typed, offered in {
        "quar": ["quarantine"],
        f"unit show --data {data} PAN00": ["PAN001"],
        f"search --data {data} --camera 14": ["14d3bd"],
        "deploy ingest": [
            "ingest-observation",
            "ingest-observation/local",
            "ingest-observation/backfill",
        ],
        "serve --files images,pre": ["images,previews"],
        f"search --data {tmp_path / 'nowhere'} --unit PAN": [],
    }.items():
        words = f"panoptes-network {typed}"
        asked = {
            "COMP_WORDS": words,
            "COMP_CWORD": str(len(words.split()) - 1),
            "_PANOPTES_NETWORK_COMPLETE": "complete_bash",
        }
        done = subprocess.run(
            [COMMAND], env=os.environ | asked, capture_output=True, text=True, check=False
        )
        assert done.stdout.split() == offered, typed


def test_a_line_of_a_table_fits_a_terminal_of_80_columns() -> None:
    key = "PAN001_0a5ee1_20260115T060000"
    row = {
        "sequence_id": key,
        "field_name": "KIC 8462852",
        "ra": 301.564,
        "dec": 44.457,
        "num_images": 12,
        "total_exptime": 1440.0,
        "status": "receiving_files",
    }
    console = Console(width=80)
    with console.capture() as shown:
        console.print(observations_table([Stored("observations", key, row, "1")], quiet_hours=2.0))
    lines = shown.get().splitlines()
    assert len(lines) == 3
    assert all(word in lines[1] for word in ("KIC 8462852", "301.56", "1440", "open"))
    assert lines[2].strip() == "open: files may still come; complete after 2 hours without any"
