"""Transits over HTTP, of a star in all nights and of one night."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest

from tests import season_archive as season
from tests.deployments.services.pages.test_pages import BROWSER
from tests.deployments.services.served import served


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    with served(season.season_archive(tmp_path_factory.mktemp("season") / "data")) as client:
        yield client


def test_programs_and_people_are_told_of_a_stars_transits(client: httpx.Client) -> None:
    address = f"/stars/{season.STAR_KEY}/transits"
    answer = client.get(address).json()
    (found,) = answer["found"]
    fitting = [found["candidate"]["period"], *found["candidate"]["alternatives"]]
    assert any(each == pytest.approx(season.PERIOD, rel=0.005) for each in fitting)
    page = client.get(address, headers=BROWSER)
    assert page.status_code == 200
    assert page.text.count("<svg") == 1
    assert f"{found['candidate']['period']:.4f} ± " in page.text
    assert "40″ away" in page.text
    assert not re.findall(r"<script(?! src=)|\sstyle=|\son\w+=|<style", page.text)
    history = client.get(f"/stars/{season.STAR_KEY}", headers=BROWSER)
    assert f'href="{address}"' in history.text.replace("%3A", ":")


def test_a_nights_transit_leads_to_the_stars_curve(client: httpx.Client) -> None:
    night = season.sequence_id(season.transit_nights()[0])
    address = f"/observations/{night}/transits"
    (found,) = client.get(address).json()["found"]
    assert (found["star_id"], found["candidate"]["period"]) == (season.STAR, None)
    page = client.get(address, headers=BROWSER)
    assert f'href="/observations/{night}/light-curves/{season.STAR}"' in page.text
    shown = re.sub(r"<[^>]*>", "", page.text)
    assert re.search(r"2026-02-\d\d \d\d:\d\d UTC, BJD_TDB 24610\d\d\.\d{4}", shown)
    assert re.search(r"of a box of \d\.\d hours", shown)
    assert re.search(r"a trapezium of \d\.\d hours from first to last contact", shown)
    assert 'href="#words"' in page.text
    assert 'id="words"' in page.text
    listed = client.get(f"/observations/{night}/light-curves", headers=BROWSER)
    assert f'href="{address}"' in listed.text


def test_of_an_hour_it_is_said_that_it_is_too_short(client: httpx.Client) -> None:
    address = f"/observations/{season.sequence_id(season.SHORT)}/transits"
    answer = client.get(address).json()
    assert (answer["stars"], answer["too_short"]) == (0, answer["observations"])
    page = client.get(address, headers=BROWSER).text
    assert "It was too short: transits are looked for where a star is seen for 2.4 hours" in page


@pytest.mark.parametrize(
    "path", ["/stars/gaia_dr3:1/transits", "/observations/PAN001_14d3bd_20200101T000000/transits"]
)
def test_of_what_is_not_there_nothing_is_searched(client: httpx.Client, path: str) -> None:
    assert client.get(path).status_code == 404
    assert client.get(path, headers=BROWSER).status_code == 404
