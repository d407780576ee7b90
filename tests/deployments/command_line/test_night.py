"""`panoptes-network night`: each unit's night at a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deployments.command_line.main import app
from tests.archives import small_archive


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    site = small_archive(tmp_path_factory.mktemp("archive"))
    return str(Path(site.settings.images).parent)


def night(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["night", *arguments], env={"COLUMNS": "200"})


def test_a_night_is_a_row_for_each_unit(data: str) -> None:
    done = night("20180215", "--data", data)
    assert done.exit_code == 0, done.output
    rows = [line.split() for line in done.stdout.splitlines()]
    assert ["PAN001", "2018-02-15", "2", "?", "?", "0"] in rows
    assert ["PAN012", "2018-02-15", "0", "?", "?", "0", "not", "known"] in rows
    assert night("--data", data).exit_code == 0


def test_one_units_night_is_told_in_full(data: str) -> None:
    done = night("2018-02-15", "--data", data, "--unit", "PAN001")
    assert ["in", "all", "2", "images"] in [line.split() for line in done.stdout.splitlines()]
    assert "airmass 1.25" in done.stdout
    (found,) = json.loads(night("2018-02-15", "--data", data, "--unit", "PAN001", "--json").stdout)[
        "units"
    ]
    assert (found["unit_id"], found["lights"]) == ("PAN001", 2)


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["2018-02-31"], 1, "NIGHT '2018-02-31' is no date"),
        (["0001-01-01"], 1, "is no night of a telescope"),
        (["--unit", "PAN1"], 1, "names no unit"),
        (["--unit", "PAN999"], 3, "there is no unit PAN999"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(
    arguments: list[str], code: int, sentence: str, data: str
) -> None:
    failed = night(*arguments, "--data", data)
    assert (failed.exit_code, sentence in failed.stderr) == (code, True), failed.output
