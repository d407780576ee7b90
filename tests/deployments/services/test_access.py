"""Who may use the services, from which pages, and how much they may send."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from deployments.services.settings import ServiceSettings
from panoptes.network.documents import Location
from panoptes.network.errors import ConfigurationError
from panoptes.network.site import Site
from tests.archives import SEQUENCE_ID, small_archive
from tests.deployments.services.served import FILE, served
from tests.files import place as write
from tests.files import tiny_fits
from tests.patience import PATIENT_SECONDS

SECRET = "c2VydmljZXMgZm9yIHRlc3Rz"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return small_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def client(site: Site) -> Iterator[httpx.Client]:
    with served(site) as client:
        yield client


# Who may read


READS = [
    "/observations",
    "/units",
    f"/observations/{SEQUENCE_ID}",
    "/lookup-field?search_string=M1",
    FILE,
]


def test_with_a_token_nothing_is_read_without_it(site: Site) -> None:
    with served(site, token=SECRET, files="images") as client:
        for path in READS:
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": SECRET}):
                refused = client.get(path, headers=headers)
                assert refused.status_code == 401, path
                assert refused.headers["www-authenticate"] == "Bearer"
                assert SECRET not in refused.text
            admitted = client.get(path, headers={"Authorization": f"Bearer {SECRET}"})
            assert admitted.status_code == 200, path
        assert client.get("/healthz").status_code == 200


def test_the_secret_is_in_no_log(site: Site, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(0), served(site, token=SECRET) as client:
        client.get("/units", headers={"Authorization": f"Bearer {SECRET}"})
        client.get("/units", headers={"Authorization": f"Bearer {SECRET[:-1]}"})
    assert "refused a request" in caplog.text
    assert SECRET[:-1] not in caplog.text


@pytest.fixture(scope="module")
def local(site: Site) -> Iterator[httpx.Client]:
    """Services that nobody said anything about."""
    with served(site, open=False) as client:
        yield client


def test_settings_that_let_in_nobody_or_everyone_by_mistake_are_refused() -> None:
    assert ServiceSettings().guard()
    with pytest.raises(ConfigurationError, match="nobody may use"):
        ServiceSettings(host="0.0.0.0").guard()
    with pytest.raises(ConfigurationError, match="not both"):
        ServiceSettings(open=True, token=SECRET).guard()
    with pytest.raises(ConfigurationError, match="behind a proxy"):
        ServiceSettings(public_url="https://archive.example.org/panoptes").guard()
    with pytest.raises(ValueError, match="only served to callers with a token"):
        ServiceSettings(files="images,quarantine")
    assert ServiceSettings(files="images,quarantine", token=SECRET).files


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Forwarded-For": "203.0.113.7"},
        {"X-Forwarded-Proto": "https"},
        {"X-Real-IP": "203.0.113.7"},
        {"Client-IP": "203.0.113.7"},
        {"X_Forwarded_For": "203.0.113.7"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Forwarded": "for=203.0.113.7"},
        {"Via": "1.1 proxy"},
        {"Host": "archive.example.org"},
        {"Host": "rebound.example.org:8500"},
        {"Host": "127.0.0.1.example.org"},
        {"Host": "localhost.example.org:80"},
        {"Host": "127.0.0.1@example.org"},
        {"Host": "0.0.0.0"},
        {"Host": "192.168.0.7:8500"},
        {"Host": ""},
        {"Origin": "https://www.example.org"},
        {"Origin": "http://localhost:3000"},
        {"Origin": "null"},
    ],
)
@pytest.mark.parametrize("path", ["/units", "/lookup-field?search_string=M1", "/nothing"])
def test_without_a_word_nothing_is_read_from_elsewhere(
    local: httpx.Client, path: str, headers: dict[str, str]
) -> None:
    refused = local.get(path, headers=headers)
    assert (refused.status_code, refused.json()["success"]) == (401, False)
    assert "access-control-allow-origin" not in refused.headers


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8500", "127.0.0.1", "[::1]", "[::1]:80"])
def test_programs_of_this_machine_are_answered_by_any_of_its_names(
    local: httpx.Client, host: str
) -> None:
    assert local.get("/units", headers={"Host": host}).status_code == 200
    own = {"Host": host, "Origin": f"http://{host}"}
    assert local.get("/units", headers=own).status_code == 200


def test_a_request_in_http_1_0_is_taken_for_a_proxys(local: httpx.Client) -> None:
    with socket.create_connection((local.base_url.host, local.base_url.port)) as connection:
        connection.sendall(b"GET /units HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 401 ")


OTHERS = """
import encodings.idna, os, socket, sys
os.setgid(65534); os.setuid(int(sys.argv[2]))
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as connection:
    connection.sendall(b"GET /units HTTP/1.1\\r\\nHost: 127.0.0.1\\r\\n\\r\\n")
    print(connection.recv(1000).decode().split(" ")[1])
"""


@pytest.mark.skipif(os.getuid() != 0, reason="only root may become another user")
@pytest.mark.parametrize(("user", "status"), [(0, 200), (65534, 401)])
def test_a_program_of_another_user_needs_the_token(
    local: httpx.Client, user: int, status: int
) -> None:
    command = [sys.executable, "-I", "-c", OTHERS, str(local.base_url.port), str(user)]
    asked = subprocess.run(command, capture_output=True, text=True, check=True)
    assert asked.stdout.strip() == str(status)


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANOPTES_SERVICES_TOKEN", SECRET)
    monkeypatch.setenv("PANOPTES_SERVICES_FILES", "images, previews")
    settings = ServiceSettings()
    assert settings.files == {"images", "previews"}
    assert SECRET not in repr(settings)
    assert "incoming" not in ServiceSettings(files="archive").files


# Pages and bodies


def test_no_page_may_read_unless_it_was_opened(client: httpx.Client) -> None:
    asked = {"Origin": "https://www.example.org", "Access-Control-Request-Method": "POST"}
    for answer in (
        client.options("/lookup-field", headers=asked),
        client.get("/lookup-field?search_string=M42", headers=asked),
    ):
        assert "access-control-allow-origin" not in answer.headers
        assert answer.headers["cross-origin-resource-policy"] == "same-origin"
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_any_page_may_read_as_it_always_could_where_that_is_set(site: Site) -> None:
    asked = {"Origin": "https://www.example.org", "Access-Control-Request-Method": "POST"}
    wanted = {"Access-Control-Request-Headers": "content-type,authorization"}
    with served(site, origins="*") as client:
        preflight = client.options("/lookup-field", headers=asked | wanted)
        assert preflight.is_success
        assert preflight.headers["access-control-allow-origin"] == "*"
        assert "POST" in preflight.headers["access-control-allow-methods"]
        assert "Content-Type" in preflight.headers["access-control-allow-headers"]
        assert preflight.headers["access-control-max-age"] == "3600"
        for path in ("/lookup-field?search_string=M42", "/lookup-field", "/nothing"):
            answer = client.get(path, headers=asked)
            assert answer.headers["access-control-allow-origin"] == "*"
            assert "cross-origin-resource-policy" not in answer.headers


def test_a_page_may_learn_that_a_token_is_wanted(site: Site) -> None:
    asked = {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
    with served(site, origins="https://a.example", token=SECRET) as client:
        assert client.options("/units", headers=asked).is_success
        refused = client.get("/units", headers=asked)
        assert refused.status_code == 401
        assert refused.headers["access-control-allow-origin"] == "https://a.example"


def test_a_page_that_was_opened_reads_without_a_token_on_this_machine(
    site: Site,
) -> None:
    with served(site, open=False, origins="https://a.example") as client:
        for origin, status in (("https://a.example", 200), ("https://b.example", 401)):
            assert client.get("/units", headers={"Origin": origin}).status_code == status


def test_pages_can_be_limited_to_some_origins(site: Site) -> None:
    with served(site, origins="https://a.example,https://b.example") as client:
        mine = client.get("/units", headers={"Origin": "https://b.example"})
        assert mine.headers["access-control-allow-origin"] == "https://b.example"
        assert "Origin" in mine.headers["vary"]
        other = client.get("/units", headers={"Origin": "https://c.example"})
        assert "access-control-allow-origin" not in other.headers


def test_a_body_beyond_the_limit_is_413_however_it_is_sent(client: httpx.Client) -> None:
    parts = (b"x" * 10_000 for _ in range(20))
    for content in (b"x" * 70_000, parts):
        answer = client.post("/lookup-field", content=content)
        assert (answer.status_code, answer.json()["success"]) == (413, False)


def test_who_one_is_is_asked_before_a_body_is_read(site: Site) -> None:
    with served(site, token=SECRET) as client:
        address = (client.base_url.host, client.base_url.port)
        with socket.create_connection(address, timeout=PATIENT_SECONDS) as connection:
            connection.sendall(
                b"POST /lookup-field HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\n"
            )
            said = connection.recv(1000)
            assert said.startswith(b"HTTP/1.1 401 ")


# What is not for everyone


@pytest.mark.parametrize("place", ["incoming", "quarantine"])
@pytest.mark.parametrize("name", ["PAN001/secret.fits", "no/such.fits"])
def test_headers_of_what_nobody_has_looked_at_are_only_for_the_token(
    site: Site, client: httpx.Client, local: httpx.Client, place: Location, name: str
) -> None:
    write(
        Path(getattr(site.settings, place)),
        "PAN001/secret.fits",
        tiny_fits({"OBSERVER": "whispered"}),
    )
    for asked in (
        {"bucket_path": f"{place}/{name}"},
        {"bucket_path": name, "bucket_name": place},
    ):
        for reader in (client, local):
            for refused in (
                reader.get("/get-fits-header", params=asked),
                reader.post("/get-fits-header", json=asked),
            ):
                assert refused.status_code == 403
                assert "only shown to callers with a token" in refused.json()["message"]
    nowhere = client.get("/get-fits-header", params={"bucket_path": name})
    assert nowhere.status_code == 404
    assert "incoming" not in nowhere.text
    with served(site, token=SECRET) as admitted:
        bearer = {"Authorization": f"Bearer {SECRET}"}
        shown = admitted.get(
            "/get-fits-header", params={"bucket_path": f"{place}/{name}"}, headers=bearer
        )
    assert ("whispered" in shown.text) == (shown.status_code == 200) == ("secret" in name)


@pytest.mark.parametrize(
    "data", [b"password=hunter2 and more", b"SIMPLE =hunter2", b"\x01hunter2", b"<hunter2"]
)
def test_of_what_is_no_fits_file_nothing_is_shown(
    site: Site, client: httpx.Client, data: bytes
) -> None:
    site.store("images").put("PAN001/other.fits", data.ljust(2880))
    for hdu in ("all", "0", "hunter"):
        question = {"bucket_path": "images/PAN001/other.fits", "hdu": hdu}
        answer = client.get("/get-fits-header", params=question)
        assert (answer.status_code, answer.json()["code"]) == (422, "not-fits")
        assert "hunter2" not in answer.text
        assert "password" not in answer.text


# What is too long


@pytest.mark.parametrize(
    ("path", "headers"),
    [
        ("/units?" + "x" * 64_000, {}),
        ("/files/images/" + "x/" * 32_000, {}),
        ("/observations?" + "&".join(f"k{n}=v" for n in range(5000)), {}),
        ("/units", {f"X-{n}": "v" * 100 for n in range(250)}),
        ("/units", {"Authorization": f"Bearer {'x' * 30_000}"}),
        ("/units", {"x" * 20_000: "v"}),
    ],
    ids=["query", "path", "parameters", "headers", "value", "name"],
)
def test_long_urls_and_headers_are_refused_in_a_short_answer(
    client: httpx.Client, path: str, headers: dict[str, str]
) -> None:
    refused = client.get(path, headers=headers)
    assert refused.status_code in (400, 431)
    assert len(refused.content) < 1000


@pytest.mark.parametrize(
    "path",
    [
        f"/observations?{'x' * 9000}=1",
        f"/observations?near={'1' * 9000}",
        f"/observations?field_name={'*a' * 4000}",
        f"/observations?cursor={'x' * 9000}",
        f"/observations?unit_id={'x' * 9000}",
        f"/observations/{'x' * 9000}",
        f"/observations/{'x' * 9000}/images",
        f"/get-observation-info?sequence_id={'x' * 9000}",
        f"/lookup-field?search_string={'x' * 9000}",
        f"/lookup-field?search_string=M42&time={'1' * 9000}",
        f"/get-fits-header?bucket_path={'x' * 9000}",
        f"/get-fits-header?bucket_path=x&hdu={'1' * 9000}",
        f"/get-fits-header?bucket_path=x&bucket_name={'x' * 9000}",
        f"/files/{'x' * 9000}/x",
        f"/files/images/{'x' * 9000}",
    ],
    ids=lambda path: path[:40],
)
def test_what_is_longer_than_it_can_be_is_refused_and_not_repeated(site: Site, path: str) -> None:
    with served(site, files="images") as client:
        refused = client.get(path)
    assert 400 <= refused.status_code < 500
    assert len(refused.content) < 1000
