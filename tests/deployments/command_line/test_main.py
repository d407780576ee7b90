"""What every command has in common."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.testing import CliRunner

from deployments.command_line.main import MODULES, app

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
    assert all(name in shown.stdout for name in MODULES)


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
