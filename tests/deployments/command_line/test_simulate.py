"""`panoptes-network simulate`: what no unit can do is said, and nothing is uploaded."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deployments.command_line.main import app

SMALL = ("--images", "1", "--cameras", "1", "--size", "small", "--no-oddities")


def simulate(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["simulate", *map(str, arguments)])


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--units", "1000"], "--units"),
        (["--images", "1000000000"], "observe for 366 at most"),
        (["--observations", "1000000000"], "observe for 366 at most"),
        (["--pause", "1e12"], "observe for 366 at most"),
        (["--pause", "inf"], "observe for 366 at most"),
        (["--pause", "nan"], "--pause"),
        (["--dip", "nan"], "--dip"),
        (["--pace", "nan"], "--pace"),
        (["--pace", "1e-300"], "0.001 files a second or more"),
        (["--truth", "no/such/folder/truth"], "No such file or directory"),
        (["--stars", "no/such/folder/stars.csv"], "No such file or directory"),
        (["--truth", "/dev/full"], "/dev/full cannot be written: No space left on device"),
    ],
)
def test_what_no_unit_can_do_is_said_in_a_sentence(
    tmp_path: Path, arguments: list[str], sentence: str
) -> None:
    done = simulate(tmp_path / "incoming", *SMALL, *arguments)
    assert done.exit_code in (1, 2), done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert sentence in done.stderr.replace("\n", " ")


@pytest.mark.parametrize("where", ["", "ftp://somewhere/x", "gs://X", "/dev/null/x", "/proc/x"])
def test_where_nothing_can_be_put_is_said_in_a_sentence(where: str) -> None:
    done = simulate(where, *SMALL)
    assert done.exit_code == 1, done.output
    assert done.exception is None or isinstance(done.exception, SystemExit)
    assert done.stderr.startswith("panoptes-network simulate: ")


def test_every_seed_uploads_what_it_says(tmp_path: Path) -> None:
    for seed in (-1, 2**70):
        done = simulate(tmp_path / str(seed), *SMALL, "--seed", seed, "--json")
        assert json.loads(done.stdout)["files"] == 4, done.output
        assert sum(each.is_file() for each in (tmp_path / str(seed)).rglob("*")) == 4
