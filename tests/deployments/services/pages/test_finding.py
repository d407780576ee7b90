"""Search, files, quarantine, sky and problem report, over HTTP, as people and programs ask."""

from __future__ import annotations

import html
import io
import re
import shlex
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from panoptes.network.site import Site
from tests import sites
from tests.deployments.services.pages.hostile import FIELD, JUNK, NASTY, SCRIPT, hostile_network
from tests.deployments.services.served import served
from tests.files import IMAGE, SEQUENCE_ID, place, tiny_fits

TOKEN = "a-token-of-more-than-16"
HTML = {"Accept": "text/html"}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return hostile_network(tmp_path_factory.mktemp("network"))


@pytest.fixture(scope="module")
def client(site: Site) -> Iterator[httpx.Client]:
    """Open to everyone, so without what is in quarantine."""
    with served(site, files="archive") as client:
        yield client


@contextmanager
def signed_in(site: Site, name: str = "Ann") -> Iterator[httpx.Client]:
    """A browser's requests, of somebody who has signed in."""
    with served(site, token=TOKEN, files="archive") as client:
        client.headers.update(HTML)
        done = client.post("/sign-in", data={"name": name, "token": TOKEN, "next": "/"})
        assert done.status_code == 303, done.text
        yield client


def form_of(page: str) -> dict[str, str]:
    """The hidden fields of the form that a page's main part has."""
    main = page[page.index("<main") : page.index("</main")]
    fields = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', main)
    return {name: html.unescape(value) for name, value in fields}


# Search


def test_the_same_address_answers_people_and_programs(client: httpx.Client) -> None:
    asked = {"field_name": "m42*", "unit_id": "PAN001"}
    page = client.get("/observations", params={**asked, "near": "", "start": ""}, headers=HTML)
    assert page.headers["content-type"].startswith("text/html")
    assert f'href="/observations/{SEQUENCE_ID}"' in page.text
    (picture,) = re.findall(r'<img class="thumb" src="([^"]+)"', page.text)
    assert client.get(picture).headers["content-type"] == "image/jpeg"
    assert client.get("/observations", params=asked).json()["observations"][0]["num_images"] == 1
    table = client.get("/observations", params=asked, headers={"Accept": "text/csv"})
    assert table.headers["content-type"].startswith("text/csv")
    assert table.text == client.get("/observations.csv", params=asked).text


def test_what_a_search_finds_is_text_whatever_it_says(client: httpx.Client) -> None:
    page = client.get("/observations", params={"field_name": f'"{SCRIPT}'}, headers=HTML).text
    every = client.get("/observations", headers=HTML).text
    assert SCRIPT not in page + every
    assert html.unescape(every).count(FIELD) == 1


@pytest.mark.parametrize(
    ("asked", "status", "told"),
    [
        ({"radius": "wide"}, 422, "radius"),
        ({"near": "Zzyzx"}, 503, "Sesame"),
        ({"near": "M42", "ra": "1", "dec": "1"}, 422, "two places"),
        ({"cursor": "nonsense"}, 400, "cursor"),
        ({"start": "yesterday"}, 422, "start"),
    ],
)
def test_a_search_that_cannot_be_is_said_beside_its_form(
    client: httpx.Client, asked: dict[str, str], status: int, told: str
) -> None:
    page = client.get("/observations", params=asked, headers=HTML)
    assert page.status_code == status
    assert 'role="alert"' in page.text
    assert told in page.text
    assert "<form" in page.text


def test_short_pages_say_how_far_they_looked_and_lead_on(tmp_path: Path) -> None:
    site = sites.kept(tmp_path)
    for hour in range(3):
        name = f"PAN001/14d3bd/20180216T0{hour}0000/20180216T0{hour}0100.fits"
        place(sites.incoming(site), name, tiny_fits())
    sites.run(site)
    with served(site) as client:
        found, address = [], "/observations?limit=1&field_name=wasp*"
        while address:
            page = client.get(address, headers=HTML).text
            found += re.findall(r'<a href="/observations/(PAN001_\w+)"', page)
            following = re.search(r'rel="next" href="([^"]+)"', page)
            address = html.unescape(following[1]) if following else ""
    assert found == [f"PAN001_14d3bd_20180216T0{hour}0000" for hour in (2, 1, 0)]


# Files


def test_a_file_is_found_by_its_last_part_and_told_of_in_words(client: httpx.Client) -> None:
    last = f"{IMAGE.rpartition('/')[2]}.fits"
    page = client.get("/files", params={"name": last}, headers=HTML)
    assert page.status_code == 200
    assert "Archived." in page.text
    assert f'href="/files/images/{IMAGE}.fits.fz"' in page.text
    found = client.get("/files", params={"name": last}).json()["files"]
    assert [each["state"] for each in found] == ["archived"]


def test_strangers_are_told_the_reason_and_not_what_was_seen(
    site: Site, client: httpx.Client
) -> None:
    stranger = client.get("/files", params={"name": JUNK}).json()["files"][0]
    assert (stranger["state"], stranger["case_id"]) == ("quarantined", None)
    assert "not a FITS file" in stranger["sentence"]
    with signed_in(site) as operator:
        page = operator.get("/files", params={"name": JUNK})
        assert "/quarantine/Q" in page.text
    unknown = client.get("/files", params={"name": "PAN001/nothing.fits"}, headers=HTML)
    assert (unknown.status_code, "whole path" in unknown.text) == (404, True)
    elsewhere = client.get("/files", params={"name": "gs://others/x.fits"}, headers=HTML)
    assert (elsewhere.status_code, 'role="alert"' in elsewhere.text) == (400, True)


# Quarantine


def test_quarantine_is_only_shown_with_a_token(client: httpx.Client) -> None:
    for headers in (HTML, {}):
        answer = client.get("/quarantine", headers=headers)
        assert answer.status_code == 403
        assert "PANOPTES_SERVICES_TOKEN" in answer.text
        assert JUNK not in answer.text
    assert client.get("/quarantine/anything").status_code == 403


def test_cases_are_listed_by_unit_reason_and_time_and_names_stay_text(site: Site) -> None:
    with signed_in(site) as client:
        page = client.get("/quarantine").text
        assert "2 cases" in page
        assert html.unescape(page).count(NASTY) == 1
        assert "<script>alert" not in page
        assert "not a FITS file" in page
        narrow = {"code": "not-fits", "unit": "PAN001", "start": "", "end": ""}
        assert "1 case<" in client.get("/quarantine", params=narrow).text
        later = {"start": "2018-02-18T00:00"}
        assert "0 cases" in client.get("/quarantine", params=later).text
        cases = client.get("/quarantine", headers={"Accept": "application/json"}).json()
        assert {case["file"] for case in cases["cases"]} == {JUNK, NASTY}


def test_quarantine_says_how_long_what_looks_incomplete_is_waited_for(site: Site) -> None:
    said = "judged once it has not changed for 10 minutes"
    with signed_in(site.changed(incomplete_seconds=600)) as client:
        assert said in client.get("/quarantine").text
    with signed_in(site) as client:
        assert "judged once" not in client.get("/quarantine").text


def test_an_operator_has_a_file_judged_again_once_however_often_it_is_sent(
    tmp_path: Path,
) -> None:
    site = hostile_network(tmp_path)
    with signed_in(site, "Ann <Lee>") as client:
        (case,) = client.get(
            "/quarantine?code=not-fits", headers={"Accept": "application/json"}
        ).json()["cases"]
        address = f"/quarantine/{case['id']}"
        form = form_of(client.get(address).text)
        assert client.post(f"{address}/rescue", data={**form, "form_word": "x"}).status_code == 403
        away = client.post(f"{address}/rescue", data=form, headers={"Sec-Fetch-Site": "cross-site"})
        assert away.status_code == 403
        assert sites.waiting(site) == []
        for _ in range(2):
            done = client.post(f"{address}/rescue", data=form)
            assert (done.status_code, done.headers["location"]) == (303, address)
        assert sites.waiting(site) == [JUNK]
        shown = client.get(address).text
        assert "by Ann &lt;Lee&gt;" in shown
        assert "<button>Have it judged again" not in shown
        sites.run(site)  # judged as it was before: an old form must not do it all again
        stale = client.post(f"{address}/rescue", data=form)
        assert (stale.status_code, "judged again since" in stale.text) == (409, True)
        assert sites.waiting(site) == []
        history = client.get(address, headers={"Accept": "application/json"}).json()["history"]
        assert [past["rescued"]["by"] for past in history] == ["Ann <Lee>"]


def test_a_misnamed_file_is_not_judged_again_but_copied_under_another_name(site: Site) -> None:
    with signed_in(site) as client:
        pages = {}
        for code in ("unknown-suffix", "not-fits"):
            asked = {"code": code}
            (case,) = client.get(
                "/quarantine", params=asked, headers={"Accept": "application/json"}
            ).json()["cases"]
            page = html.unescape(client.get(f"/quarantine/{case['id']}").text)
            kept = f"{site.settings.quarantine}/{case['kept_as']}"
            assert f'<dt>kept as</dt><dd class="key">{kept}</dd>' in page
            assert ("Have it judged again" in page) == (code == "not-fits")
            pages[code] = page
    (line,) = re.findall(r"<code>(mkdir -p .+)</code>", pages["unknown-suffix"])
    folder = f"{site.settings.incoming}/UNIT/CAMERA/SEQUENCE"
    words = shlex.split(line)
    assert words[:5] == ["mkdir", "-p", folder, "&&", "cp"]
    assert Path(words[5]).read_bytes() == b"x"
    assert words[6:] == [f"{folder}/IMAGE.suffix"]
    assert "mkdir" not in pages["not-fits"]


def test_nobody_who_is_not_signed_in_puts_files_back(site: Site) -> None:
    with served(site, token=TOKEN) as client:
        client.headers["Authorization"] = f"Bearer {TOKEN}"
        cases = client.get("/quarantine").json()["cases"]
        refused = client.post(f"/quarantine/{cases[0]['id']}/rescue", data={"judged": ""})
        assert refused.status_code == 403
        assert client.post("/report-problem", data={"x": ""}).status_code == 403


# Sky


def test_the_sky_shows_what_was_observed_as_picture_table_and_numbers(
    client: httpx.Client,
) -> None:
    sky = client.get("/sky").json()
    assert sky["observations"] == 1
    (cell,) = sky["cells"]
    assert (cell["ra"], cell["dec"]) == (pytest.approx(83.8, abs=4), pytest.approx(-5.4, abs=4))
    page = client.get("/sky", headers=HTML).text
    address = re.search(r'<td class="n"><a href="([^"]+)">1</a>', page)
    assert address is not None
    assert SEQUENCE_ID in client.get(html.unescape(address[1]), headers=HTML).text
    assert (
        SEQUENCE_ID
        in client.get(
            html.unescape(re.findall(r'<a tabindex="-1" href="([^"]+)"', page)[0]), headers=HTML
        ).text
    )


def test_without_a_token_a_volunteer_is_told_what_opens_the_quarantine(
    client: httpx.Client,
) -> None:
    refused = client.get("/quarantine", headers=HTML)
    assert refused.status_code == 403
    assert "panoptes-network up --sign-in" in refused.text
    assert "/files" in refused.text


# A report


def test_who_is_signed_in_downloads_a_report_without_the_token(site: Site) -> None:
    with signed_in(site) as client:
        page = client.get("/report-problem")
        answer = client.post("/report-problem", data=form_of(page.text))
        assert answer.headers["content-type"] == "application/zip"
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            texts = [archive.read(name).decode() for name in archive.namelist()]
    assert '"quarantined: not-fits": 1' in "".join(texts)
    assert TOKEN not in "".join(texts)


TYPED = "Upload Window"
"""Words that the programs have, too, so that nothing else would leave them out."""


def test_a_report_says_nothing_of_what_people_typed_into_forms(
    site: Site, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    with signed_in(site, TYPED) as client:
        client.post("/sign-in", data={"name": TYPED, "token": "not it"})
        asked = {
            "near": TYPED, "field_name": TYPED, "tag": TYPED, "name": TYPED, "unit_id": TYPED,
            "unit": TYPED, "code": TYPED, "cursor": TYPED, "search_string": TYPED, "start": TYPED,
        }  # fmt: skip
        for address in ("/observations", "/files", "/quarantine", "/nights", "/lookup-field"):
            for name, value in asked.items():
                client.get(address, params={name: value})
        client.post(f"/quarantine/{TYPED}/rescue", data={"judged": TYPED})
        answer = client.post("/report-problem", data=form_of(client.get("/report-problem").text))
        with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
            lines = archive.read("logs/services.log").decode().splitlines()
    assert any("signed in from" in line for line in lines)
    told = re.compile(r"upload\W*(20|\+)?window", re.IGNORECASE)
    assert not [line for line in lines if told.search(line)]
