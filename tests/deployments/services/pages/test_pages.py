"""Pages and programs' answers at the same addresses, signing in, and what is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from html import unescape
from pathlib import Path

import httpx
import pytest
from google.cloud.firestore import Client as Database

from panoptes.network.catalog.catalog import Query
from panoptes.network.errors import TransientError
from panoptes.network.site import Site
from tests.archives import SEQUENCE_ID, small_archive
from tests.deployments.services.served import served
from tests.emulators.test_telemetry import upload_metadata
from tests.recording import Recording
from tests.sites import COLLECTIONS

SECRET = "c2VydmljZXMgZm9yIHRlc3Rz"
BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}
IMAGE_ID = "PAN001_14d3bd_20180216T112430"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return small_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def client(site: Site) -> Iterator[httpx.Client]:
    with served(site, files="archive") as client:
        yield client


PATHS = [
    "/", "/nights", "/nights/2018-02-15", "/nights/2018-02-15/PAN001", "/units", "/units/PAN001",
    f"/observations/{SEQUENCE_ID}", f"/images/{IMAGE_ID}",
]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_browsers_get_a_page_and_programs_json_at_the_same_address(
    client: httpx.Client, path: str
) -> None:
    page = client.get(path, headers=BROWSER)
    assert page.status_code == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert not re.findall(r"<script(?! src=)|\sstyle=|\son\w+=|<style", page.text)
    for accept in ("*/*", "application/json", "application/json, text/html;q=0.5"):
        answer = client.get(path, headers={"Accept": accept})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/json")
        assert "Accept" in answer.headers["vary"]
    assert "Accept" in page.headers["vary"]


@pytest.mark.parametrize("accept", ["text/html", "*/*"])
def test_head_is_answered_wherever_get_is_with_the_same_headers(
    client: httpx.Client, accept: str
) -> None:
    others = ("/docs", "/healthz", "/observations.csv", "/nothing", "/images/none", "/files")
    kept = ("content-length", "content-type", "etag", "vary", "cache-control", "allow")
    for path in (*PATHS, *others, f"/images/{IMAGE_ID}/preview", "/sign-out"):
        got = client.get(path, headers={"Accept": accept})
        head = client.head(path, headers={"Accept": accept})
        assert (head.status_code, head.content) == (got.status_code, b""), path
        assert {k: head.headers.get(k) for k in kept} == {k: got.headers.get(k) for k in kept}
    assert client.post("/units", headers={"Accept": accept}).headers["allow"] == "GET, HEAD"


def test_json_says_what_the_pages_say(client: httpx.Client) -> None:
    first, *_ = client.get("/").json()
    assert (first["unit_id"], first["is_registered"]) in [("PAN001", False), ("PAN012", False)]
    assert client.get("/units/PAN001").json()["num_images"] == 2
    assert client.get(f"/images/{IMAGE_ID}").json()["exptime"] == 120.125


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        ("/nothing", 404, "Not Found"),
        ("/units/PAN999", 404, "there is no unit PAN999"),
        ("/units/<b>", 404, "there is no unit <b>"),
        ("/nights/2018-13-01", 404, "2018-13-01"),
        ("/nights/2018-02-15/PAN999", 404, "there is no unit PAN999"),
        ("/nights?before=never", 404, "never"),
        ("/images/none", 404, "there is no image 'none'"),
        ("/observations/none", 404, "is not an observation's id"),
        (f"/observations/{SEQUENCE_ID}?cursor=x", 400, "the cursor is none"),
    ],
)
def test_refusals_are_pages_with_the_same_sentence(
    client: httpx.Client, path: str, status: int, sentence: str
) -> None:
    page = client.get(path, headers=BROWSER)
    assert page.status_code == status
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert sentence in unescape(page.text)
    assert "<b>" not in page.text


def test_a_night_leads_to_those_before_and_after_it(client: httpx.Client) -> None:
    first = client.get("/nights/2018-02-15", headers=BROWSER).text
    second = client.get("/nights/20180821", headers=BROWSER).text
    assert '<a rel="next" href="/nights/2018-08-21">' in first
    assert '<a rel="prev" href="/nights/2018-02-15">' in second
    assert 'rel="prev"' not in first
    assert 'rel="next"' not in second
    assert "rel=" not in client.get("/nights/2018-02-15/PAN001", headers=BROWSER).text.replace(
        'rel="stylesheet"', ""
    ).replace('rel="icon"', "")


def test_style_and_script_are_kept_by_browsers_and_named_by_what_they_hold(
    client: httpx.Client,
) -> None:
    page = client.get("/", headers=BROWSER).text
    weight = len(page.encode())
    for address in re.findall(r'"(/static/[^"]+)"', page):
        answer = client.get(address)
        assert answer.status_code == 200
        assert "immutable" in answer.headers["cache-control"]
        weight += len(answer.content)
    assert weight < 30_000
    assert client.get("/static/site.css").status_code == 404


def test_the_first_page_of_a_large_network_is_small(tmp_path: Path) -> None:
    site = small_archive(tmp_path)
    for number in range(100, 160):
        site.catalog.create("units", f"PAN{number}", {"registered": datetime.now(UTC)})
    with served(site) as client:
        assert len(client.get("/", headers=BROWSER).content) < 100_000


def test_firestore_has_an_index_for_whatever_the_pages_ask(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Recording(tmp_path / "catalog.sqlite")
    for collection in COLLECTIONS:
        for stored in site.catalog.query(Query(collection)):
            asked.create(collection, stored.key, stored.fields)
    monkeypatch.setattr(site, "_catalog", asked)
    with served(site) as client:
        for path in PATHS:
            assert client.get(path, headers=BROWSER).status_code == 200
    assert asked.asked
    assert not asked.without_index()


def test_pages_are_made_of_firestores_documents_and_say_what_units_said(
    site: Site, on_google: Site
) -> None:
    for collection in COLLECTIONS:
        for stored in site.catalog.query(Query(collection)):
            on_google.catalog.create(collection, stored.key, stored.fields)
    database = Database(project=on_google.settings.catalog.removeprefix("firestore://"))
    upload_metadata(database, "PAN001", "config", password="hunter2")
    upload_metadata(database, "PAN001", "power", ac_ok=False)
    with served(on_google) as client:
        pages = {path: client.get(path, headers=BROWSER) for path in PATHS}
    assert {page.status_code for page in pages.values()} == {200}
    assert "it has no mains power" in pages["/"].text
    assert "ac_ok" in pages["/units/PAN001"].text
    assert "hunter2" not in "".join(page.text for page in pages.values())


# Signing in


@pytest.fixture(scope="module")
def guarded(site: Site) -> Iterator[httpx.Client]:
    with served(site, token=SECRET) as client:
        client.headers["Accept"] = BROWSER["Accept"]
        yield client


@pytest.fixture
def stranger(guarded: httpx.Client) -> httpx.Client:
    guarded.cookies.clear()
    return guarded


def sign_in(client: httpx.Client, token: str = SECRET, **more: str) -> httpx.Response:
    return client.post("/sign-in", data={"name": "Ada", "token": token, **more})


def word(page: str) -> str:
    found = re.search(r'name="form_word" value="(\w+)"', page)
    assert found
    return found[1]


def test_who_is_not_signed_in_gets_the_form_and_then_the_page_that_was_asked_for(
    stranger: httpx.Client,
) -> None:
    asked = stranger.get("/nights?unit_id=PAN001")
    assert asked.status_code == 401
    assert "/nights?unit_id=PAN001" in unescape(asked.text)
    answer = sign_in(stranger, next="/nights?unit_id=PAN001")
    assert (answer.status_code, answer.headers["location"]) == (303, "/nights?unit_id=PAN001")
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "samesite=strict" in cookie.lower()
    assert SECRET not in cookie
    shown = stranger.get("/nights?unit_id=PAN001")
    assert shown.status_code == 200
    assert "Signed in as Ada" in shown.text
    assert stranger.get("/static/site.css").status_code == 404  # not 401


def test_a_session_ends_by_signing_out_from_its_own_page(stranger: httpx.Client) -> None:
    sign_in(stranger)
    assert stranger.post("/sign-out", data={"form_word": "0" * 64}).status_code == 403
    page = stranger.get("/")
    mine = {"form_word": word(page.text)}
    from_elsewhere = {"Origin": "https://evil.example"}
    assert stranger.post("/sign-out", data=mine, headers=from_elsewhere).status_code == 403
    assert stranger.get("/").status_code == 200
    assert stranger.post("/sign-out", data=mine).status_code == 303
    assert stranger.get("/").status_code == 401


def test_a_copied_cookie_ends_with_its_session_in_every_process(
    site: Site, stranger: httpx.Client
) -> None:
    site.catalog.create("ended_sessions", "old", {"expires": datetime(2020, 1, 1, tzinfo=UTC)})
    sign_in(stranger)
    copied = {"Cookie": f"panoptes-session={stranger.cookies['panoptes-session']}"}
    own = {"form_word": word(stranger.get("/").text)}
    with served(site, token=SECRET) as other:
        assert other.get("/units", headers=copied).status_code == 200
        assert stranger.post("/sign-out", data=own).status_code == 303
        stranger.cookies.clear()
        for client in (stranger, other):
            assert client.get("/units", headers=copied).status_code == 401
            assert client.post("/sign-out", data=own, headers=copied).status_code == 401
        sign_in(other)
        assert other.get("/units").status_code == 200
    kept = [each.fields["expires"] for each in site.catalog.query(Query("ended_sessions"))]
    assert kept
    assert min(kept) > datetime.now(UTC)


def test_while_the_catalogue_is_away_no_cookie_lets_anybody_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def away(*_: str) -> None:
        raise TransientError("the catalogue is away")

    site = small_archive(tmp_path)
    with served(site, token=SECRET) as client:
        client.headers["Accept"] = BROWSER["Accept"]
        sign_in(client)
        monkeypatch.setattr(site.catalog, "get", away)
        for path in ("/units", "/sign-in"):
            answer = client.get(path)
            assert (answer.status_code, answer.headers["retry-after"]) == (503, "30")


def test_the_word_of_one_session_is_not_taken_from_another(stranger: httpx.Client) -> None:
    sign_in(stranger)
    mine = {"form_word": word(stranger.get("/").text)}
    stranger.cookies.clear()
    sign_in(stranger)
    assert stranger.post("/sign-out", data=mine).status_code == 403


@pytest.mark.parametrize("name", ["Zoë <b>", "\N{TELESCOPE}" * 60])
def test_any_name_that_can_be_printed_signs_in(stranger: httpx.Client, name: str) -> None:
    stranger.post("/sign-in", data={"name": name, "token": SECRET})
    assert f"Signed in as {name}" in unescape(stranger.get("/").text)


@pytest.mark.parametrize("change", ["", "x", "a.b", "%ff.00"])
def test_a_cookie_that_we_did_not_sign_lets_nobody_in(stranger: httpx.Client, change: str) -> None:
    sign_in(stranger)
    cookie = stranger.cookies["panoptes-session"]
    stranger.cookies.clear()
    forged = change or cookie[:-1] + ("0" if cookie[-1] != "0" else "1")
    assert stranger.get("/", headers={"Cookie": f"panoptes-session={forged}"}).status_code == 401


def test_a_session_ends_with_its_token_and_with_its_time(site: Site) -> None:
    from deployments.services.pages import sessions

    with served(site, token=SECRET) as client:
        cookie = sign_in(client).cookies["panoptes-session"]
    with served(site, token=f"{SECRET}2") as later:
        headers = {"Cookie": f"panoptes-session={cookie}"}
        assert later.get("/units", headers=headers).status_code == 401
    over = sessions.Sessions(SECRET, site.catalog)
    over.lifetime = -1
    with served(site, token=SECRET) as client:
        headers = {"Cookie": f"panoptes-session={over.begin('Ada')}"}
        assert client.get("/units", headers=headers).status_code == 401


def test_signing_in_is_refused_from_other_sites_and_leads_nowhere_else(
    stranger: httpx.Client,
) -> None:
    data = {"name": "Ada", "token": SECRET}
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        assert stranger.post("/sign-in", data=data, headers=headers).status_code == 403
    for elsewhere in ("//evil.example", "https://evil.example", "/\\evil.example", "x"):
        assert sign_in(stranger, next=elsewhere).headers["location"] == "/"
    assert sign_in(stranger, name="").status_code == 422
    assert stranger.post("/sign-in", json=data).status_code == 415


def test_wrong_tokens_are_counted_and_the_right_one_is_let_in_whoever_tried_before(
    site: Site,
) -> None:
    with served(site, token=SECRET) as client:
        client.headers["Accept"] = BROWSER["Accept"]
        answers = [sign_in(client, token="wrong") for _ in range(11)]
        assert [each.status_code for each in answers] == [401] * 10 + [429]
        assert "That is not the token." in answers[0].text
        assert sign_in(client).status_code == 303
        bearer = {"Authorization": f"Bearer {SECRET}"}
        assert client.get("/", headers=bearer).status_code == 200


def test_behind_https_the_cookie_is_only_sent_there(site: Site) -> None:
    with served(site, token=SECRET, public_url="https://archive.example.org/network") as client:
        answer = sign_in(client, next="/units")
        assert answer.headers["location"] == "/network/units"
        assert "; Secure" in answer.headers["set-cookie"]
        assert "Path=/network" in answer.headers["set-cookie"]
        page = client.get("/sign-in", headers=BROWSER).text
    assert 'href="/network/nights"' in page
    assert 'src="/network/static/' in page


def test_without_a_token_there_is_nothing_to_sign_in_to(client: httpx.Client) -> None:
    assert client.get("/sign-in", headers=BROWSER).status_code == 404


def test_a_browser_of_this_machine_needs_no_token_and_one_elsewhere_is_told(site: Site) -> None:
    with served(site, open=False) as client:
        own = BROWSER | {"Sec-Fetch-Site": "none"}
        assert client.get("/", headers=own).status_code == 200
        refused = client.get("/", headers=own | {"Host": "archive.example.org"})
    assert refused.status_code == 401
    assert "who you are could not be verified" in refused.text
