"""Light curves over HTTP, as programs and people fetch them."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote
from xml.etree import ElementTree

import httpx
import numpy as np
import pyarrow
import pytest
from pyarrow import parquet

from panoptes.network.catalog.catalog import modify
from panoptes.network.simulator.headers import header_cards
from panoptes.network.simulator.night import Night
from panoptes.network.site import Site
from panoptes.network.storage.folder import FolderStore
from tests.archives import OTHER, SEQUENCE_ID
from tests.deployments.services.pages.test_pages import BROWSER
from tests.deployments.services.served import served
from tests.light_curve_archive import FRAMES, LIGHT_CURVES, STAR, STAR_KEY, STARS, measured_archive

OWN = f"{LIGHT_CURVES}/{STAR}"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return measured_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def client(site: Site) -> Iterator[httpx.Client]:
    with served(site) as client:
        yield client


def test_an_observations_stars_are_listed_the_brightest_first(client: httpx.Client) -> None:
    answer = client.get(LIGHT_CURVES).json()
    stars = answer["stars"]
    assert (answer["processed"], len(stars)) == ("2018-02-17T18:30:00Z", STARS)
    assert (stars[0]["star_id"], stars[0]["g"], stars[0]["points"]) == (STAR, 8.0, FRAMES - 1)
    assert [each["g"] for each in stars] == sorted(each["g"] for each in stars)
    faint = [each["scatter"] for each in stars if each["g"] > 10.5]
    assert float(np.median(faint)) == pytest.approx(0.0178, rel=0.2)


def test_json_and_csv_say_the_same_of_a_star(client: httpx.Client) -> None:
    answer = client.get(OWN).json()
    assert (answer["star_id"], answer["g"]) == (STAR, 8.0)
    channels = {each["channel"]: each for each in answer["channels"]}
    assert sorted(channels) == ["B", "G", "R", "all"]
    table = client.get(f"{OWN}/table.csv")
    assert table.headers["content-type"].startswith("text/csv")
    assert f'filename="{SEQUENCE_ID}_{STAR}.csv"' in table.headers["content-disposition"]
    rows = list(csv.DictReader(io.StringIO(table.text)))
    green = [each for each in rows if each["channel"] == "G"]
    assert len(rows) == 4 * FRAMES
    assert [float(each["mag"]) for each in green] == channels["G"]["mag"]
    assert [int(each["flag"]) for each in green] == channels["G"]["flag"]


def test_lightkurve_opens_the_fits_file(client: httpx.Client, tmp_path: Path) -> None:
    import lightkurve

    path = tmp_path / "star.fits"
    path.write_bytes(client.get(f"{OWN}/lightkurve.fits").content)
    curve = lightkurve.read(str(path))
    assert len(curve.time) == FRAMES
    assert float(np.nanmin(curve.flux)) < 0.995


def test_a_plot_is_a_picture_of_its_own(client: httpx.Client) -> None:
    plot = client.get(f"{OWN}/plot.svg", params={"channel": "G"})
    assert plot.headers["content-type"] == "image/svg+xml"
    assert ElementTree.fromstring(plot.text).get("width")
    assert client.get(f"{OWN}/plot.svg", params={"channel": "X"}).status_code == 404


def test_the_aavsos_forms_are_fetched_with_an_observers_code(client: httpx.Client) -> None:
    extended = client.get(f"{OWN}/aavso-extended.txt", params={"observer": "ABC"})
    assert extended.text.startswith("#TYPE=Extended\n#OBSCODE=ABC\n")
    assert len(re.findall(rf"^Gaia DR3 {STAR},", extended.text, re.MULTILINE)) == 3 * (FRAMES - 1)
    asked = {"observer": "ABC", "planet": "HD 189733 b", "channel": "G", "name": "HD 189733"}
    transit = client.get(f"{OWN}/aavso-exoplanet.txt", params=asked)
    assert "#STAR_NAME=HD 189733\n#EXOPLANET_NAME=HD 189733 b\n" in transit.text
    assert "#EXPOSURE_TIME=120.125\n#FILTER=TG\n" in transit.text


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        (f"/observations/{OTHER}/light-curves", 404, f"panoptes-network process {OTHER}"),
        ("/observations/none/light-curves", 404, "is not an observation's id"),
        (f"{LIGHT_CURVES}/1", 404, f"no light curve of a star '1' in {SEQUENCE_ID}"),
        (f"{LIGHT_CURVES}/%3Cb%3E", 404, "no light curve of a star '<b>'"),
        (f"{OWN}/aavso-extended.txt?observer=a%0Ab", 422, "no observer code of the AAVSO"),
        (f"{OWN}/aavso-exoplanet.txt?observer=ABC&planet=a,b", 422, "the planet's name"),
        (f"{OWN}/aavso-exoplanet.txt?observer=ABC&planet=b&channel=X", 404, "not measured in 'X'"),
        (f"{OWN}/aavso-extended.txt", 422, "observer: Field required"),
    ],
)
def test_what_is_not_there_or_cannot_be_said_is_refused_with_a_sentence(
    client: httpx.Client, path: str, status: int, sentence: str
) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert sentence in answer.json()["message"]
    page = client.get(path, headers=BROWSER)
    assert (page.status_code, "<b>" in page.text) == (status, False)


def test_people_come_from_the_search_to_a_stars_plots(client: httpx.Client) -> None:
    for path, link in (
        ("/observations", LIGHT_CURVES),
        (f"/observations/{SEQUENCE_ID}", LIGHT_CURVES),
        (LIGHT_CURVES, OWN),
        (OWN, f"{OWN}/table.csv"),
    ):
        page = client.get(path, headers=BROWSER)
        assert page.status_code == 200
        assert f'href="{link}"' in page.text, path
        assert not re.findall(r"<script(?! src=)|\sstyle=|\son\w+=|<style", page.text)
    assert page.text.count("<svg") == 4
    assert "23 good points over" in page.text
    found = client.get(LIGHT_CURVES, params={"star": f" {STAR} "}, headers=BROWSER)
    assert (found.status_code, found.headers["location"]) == (303, OWN)
    second = client.get(LIGHT_CURVES, params={"page": 2}, headers=BROWSER).text
    assert "101 to 150 of 150" in second


def test_a_star_leads_to_its_other_observations(client: httpx.Client) -> None:
    answer = client.get(f"/stars/{STAR_KEY}").json()
    assert (answer["star"]["star"], answer["star"]["g"]) == (STAR_KEY, 8.0)
    (curve,) = answer["light_curves"]
    assert (curve["sequence_id"], curve["processed"]) == (SEQUENCE_ID, "2018-02-17T18:30:00Z")
    assert f'href="/stars/{STAR_KEY}"' in unquote(client.get(OWN, headers=BROWSER).text)
    page = client.get(f"/stars/{STAR_KEY}", headers=BROWSER)
    assert f'href="{OWN}"' in page.text
    for other in ("gaia_dr3:1", "%3Cb%3E", "..%2Fx"):
        refused = client.get(f"/stars/{other}", headers=BROWSER)
        assert (refused.status_code, "<b>" in refused.text) == (404, False)


def test_a_star_is_read_without_the_rest_of_the_file(
    site: Site, client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = site.measurements
    assert store is not None
    (info,) = store.list()
    read = []
    read_range = FolderStore.read_range

    def counting(self: FolderStore, name: str, start: int, end: int) -> bytes:
        read.append(end - start)
        return read_range(self, name, start, end)

    monkeypatch.setattr(FolderStore, "read_range", counting)
    assert client.get(OWN).status_code == 200
    assert 0 < sum(read) < 0.7 * info.size


def test_a_file_that_is_lost_says_what_to_do(tmp_path: Path) -> None:
    site = measured_archive(tmp_path)
    store = site.measurements
    assert store is not None
    (info,) = store.list()
    path = tmp_path / "data" / "measurements" / info.name
    table = parquet.read_table(path)
    whole = path.read_bytes()
    footer = len(whole) - 8 - int.from_bytes(whole[-8:-4], "little")
    gaps = pyarrow.nulls(len(table), pyarrow.float64())
    words = pyarrow.array(["x"] * len(table))
    ra = table.column_names.index("ra")
    with served(site) as client:
        for spoiled in (
            b"junk",
            bytes(footer) + whole[footer:],
            as_bytes(table.set_column(ra, "ra", gaps)),
            as_bytes(table.set_column(ra, "ra", words)),
        ):
            path.unlink()
            path.write_bytes(spoiled)
            for address in (LIGHT_CURVES, OWN, f"{OWN}/table.csv"):
                answer = client.get(address)
                assert answer.status_code == 404, (address, answer.text)
                assert "process it again" in answer.json()["message"]


def as_bytes(table: pyarrow.Table) -> bytes:
    file = io.BytesIO()
    parquet.write_table(table, file)
    return file.getvalue()


def test_what_is_shown_of_a_simulated_observation_is_said_to_be_simulated(tmp_path: Path) -> None:
    site = measured_archive(tmp_path / "archive")
    asked = {"observer": "ABC"}
    observation = f"/observations/{SEQUENCE_ID}"
    pages = (OWN, LIGHT_CURVES, observation, f"{observation}/transits")
    with served(site) as client:
        assert "SIMULATED" not in client.get(f"{OWN}/aavso-extended.txt", params=asked).text
        for page in pages:
            assert "no telescope saw" not in client.get(page, headers=BROWSER).text, page
    said = {"project": header_of_simulator("ORIGIN")}
    modify(site.catalog, "observations", SEQUENCE_ID, lambda _: said)
    with served(site) as client:  # a search is made once
        assert "SIMULATED" in client.get(f"{OWN}/aavso-extended.txt", params=asked).text
        for page in pages:
            assert "simulated: no telescope saw" in client.get(page, headers=BROWSER).text, page
        assert client.get(f"{observation}/transits").json()["simulated"] == [SEQUENCE_ID]


def header_of_simulator(card: str) -> str:
    """What the units of the demo write."""
    night = Night(images=1, cameras=1, oddities=False, frame_size="small")
    sky = night.sky(0, 0, 0)
    cards = {each[0]: each[1] for each in header_cards(sky.told(sky.expose(0)), "new")}
    return str(cards[card])
