"""`panoptes-network light-curve`: stars of an observation, and one as a file."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deployments.command_line.main import app
from tests.archives import OTHER, SEQUENCE_ID
from tests.light_curve_archive import FRAMES, STAR, measured_archive


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    site = measured_archive(tmp_path_factory.mktemp("archive"))
    return str(Path(site.settings.images).parent)


def light_curve(data: str, *arguments: str) -> Result:
    given = ["light-curve", *arguments, "--data", data]
    return CliRunner().invoke(app, given, env={"COLUMNS": "100"})


def test_the_brightest_stars_are_told(data: str) -> None:
    done = light_curve(data, SEQUENCE_ID)
    assert done.exit_code == 0, done.output
    rows = [line.split() for line in done.stdout.splitlines()]
    assert rows[1][:3] == [STAR, "8.00", str(FRAMES - 1)]
    assert len(json.loads(light_curve(data, SEQUENCE_ID, "--json").stdout)["stars"]) == 150


@pytest.mark.parametrize(
    ("arguments", "begin"),
    [
        ([], "star_id,time,channel,"),
        (["--as", "json"], '[{"channel": '),
        (["--as", "aavso-extended", "--observer", "ABC"], "#TYPE=Extended\n#OBSCODE=ABC"),
        (["--as", "aavso-exoplanet", "--observer", "ABC", "--planet", "X b"], "#TYPE=EXOPLANET"),
        (["--as", "fits"], "SIMPLE  =                    T"),
    ],
)
def test_a_star_is_written_in_every_form(
    data: str, tmp_path: Path, arguments: list[str], begin: str
) -> None:
    file = tmp_path / "star"
    done = light_curve(data, SEQUENCE_ID, STAR, *arguments, "-o", str(file))
    assert done.exit_code == 0, done.output
    assert file.read_bytes().startswith(begin.encode())


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([SEQUENCE_ID, "1"], 3, "no light curve of a star '1'"),
        ([OTHER], 3, f"panoptes-network process {OTHER} makes them"),
        ([SEQUENCE_ID, STAR, "--as", "aavso-extended"], 1, "no observer code of the AAVSO"),
    ],
)
def test_what_is_not_there_is_said(
    data: str, arguments: list[str], code: int, sentence: str
) -> None:
    done = light_curve(data, *arguments)
    assert (done.exit_code, sentence in done.output) == (code, True), done.output
