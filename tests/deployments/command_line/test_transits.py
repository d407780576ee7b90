"""`panoptes-network transits`: of a night, a star and a season."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from deployments.command_line.main import app
from panoptes.network.catalog.catalog import modify
from panoptes.network.names import SIMULATED
from panoptes.network.site import Site
from tests import season_archive as season


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("season") / "data"
    season.season_archive(folder)
    return str(folder)


def transits(data: str, *arguments: str) -> Result:
    given = ["transits", *arguments, "--data", data]
    return CliRunner().invoke(app, given, env={"COLUMNS": "160"})


def test_of_a_season_the_star_with_the_planet_is_told_alone(data: str) -> None:
    done = transits(data, "--since", "2026-02-01", "--json")
    assert done.exit_code == 0, done.output
    told = json.loads(done.stdout)
    assert (len(told["observations"]), told["stars"]) == (season.NIGHTS + 1, season.STARS)
    assert told["too_short"] == [season.sequence_id(season.SHORT)]
    assert [each["star_id"] for each in told["found"]] == [season.STAR]
    found = told["found"][0]["candidate"]
    fitting = [found["period"], *found["alternatives"]]
    assert any(abs(period / season.PERIOD - 1) < 0.005 for period in fitting)
    assert abs(found["period"] - season.PERIOD) < 4 * found["period_error"] < 0.01
    turns = (found["epoch"] - season.JD - season.EPOCH) / season.PERIOD
    assert abs(turns - round(turns)) * season.PERIOD * 24 < 0.6
    assert abs(found["depth"] - season.DEPTH) < 4 * found["depth_error"] < 0.005
    assert len(found["transits"]) >= len(season.transit_nights())
    assert abs(found["odd_even_sigma"] or 0) < 3
    assert {"R", "G", "B"} < set(found["colours"])
    near = found["neighbours"][0]
    assert near["separation"] == pytest.approx(40, abs=1)
    assert 0 < near["depth_needed"] < 0.1


def test_a_star_and_a_night_are_searched_for_themselves(data: str) -> None:
    star = json.loads(transits(data, "--star", season.STAR_KEY, "--json").stdout)
    assert (star["stars"], len(star["found"])) == (1, 1)
    assert star["too_short"] == [season.sequence_id(season.SHORT)]
    night = season.sequence_id(season.transit_nights()[0])
    done = transits(data, night)
    assert done.exit_code == 0, done.output
    assert season.STAR in done.stdout
    assert re.search(r"middle 2026-02-\d\d \d\d:\d\d UTC, BJD_TDB 24610\d\d\.\d{4}", done.stdout)
    (head,) = (line for line in done.stdout.splitlines() if "depth" in line and "S/N" in line)
    assert head.split() == ["star", "G", "hours", "depth", "S/N", "seen", "near"]
    assert ("near: stars" in done.stdout, "period in days" in done.stdout) == (True, False)
    assert "period in days" in transits(data, "--star", season.STAR_KEY).stdout
    assert f"1 of {season.STARS} stars in 1 observation\n" in done.stdout
    quiet = next(n for n in range(season.NIGHTS) if n not in season.transit_nights())
    assert json.loads(transits(data, season.sequence_id(quiet), "--json").stdout)["found"] == []


def test_of_an_hour_it_is_said_that_it_is_too_short(data: str) -> None:
    done = transits(data, season.sequence_id(season.SHORT))
    assert done.exit_code == 0, done.output
    assert " of 0" not in done.stdout
    assert (
        "too short to search, no star that is bright enough was seen for 2.4 hours" in done.stdout
    )


def test_of_what_was_simulated_it_is_said_that_no_telescope_saw_it(data: str) -> None:
    night = season.sequence_id(season.transit_nights()[0])
    assert "no telescope" not in transits(data, night).stdout
    assert json.loads(transits(data, night, "--json").stdout)["simulated"] == []
    catalog = Site.in_folder(Path(data)).catalog
    modify(catalog, "observations", night, lambda _: {"project": SIMULATED})
    try:
        assert "1 observation of 1 simulated: no telescope saw it\n" in transits(data, night).stdout
        of_star = json.loads(transits(data, "--star", season.STAR_KEY, "--json").stdout)
        assert of_star["simulated"] == [night]
    finally:
        modify(catalog, "observations", night, lambda _: {"project": "Project PANOPTES"})


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        ([], 1, "one of the three"),
        (["--star", "gaia_dr3:1", "--since", "2026-02-01"], 1, "one of the three"),
        (["--since", "soon"], 1, "--since 'soon' is no date"),
        (["--star", "gaia_dr3:1"], 3, "there is no star"),
        (["PAN001_14d3bd_20200101T000000"], 3, "there is no observation"),
    ],
)
def test_what_cannot_be_searched_is_said(
    data: str, arguments: list[str], code: int, sentence: str
) -> None:
    done = transits(data, *arguments)
    assert done.exit_code == code
    assert sentence in done.stderr
