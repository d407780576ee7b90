"""Who may use the services, from which pages, and how much they may send."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from blocks.network import PanoptesNetwork
from deployments.http.settings import ServiceSettings
from models.errors import ConfigurationError
from tests.archives import SEQUENCE_ID, small_archive
from tests.deployments.http.served import FILE, served

SECRET = "c2VydmljZXMgZm9yIHRlc3Rz"


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> PanoptesNetwork:
    return small_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def client(network: PanoptesNetwork) -> Iterator[httpx.Client]:
    with served(network) as client:
        yield client


# Who may read


READS = [
    "/observations",
    "/units",
    f"/observations/{SEQUENCE_ID}",
    "/lookup-field?search_string=M1",
    FILE,
]


def test_with_a_token_nothing_is_read_without_it(network: PanoptesNetwork) -> None:
    with served(network, token=SECRET, files="images") as client:
        for path in READS:
            for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": SECRET}):
                refused = client.get(path, headers=headers)
                assert refused.status_code == 401, path
                assert refused.headers["www-authenticate"] == "Bearer"
                assert SECRET not in refused.text
            admitted = client.get(path, headers={"Authorization": f"Bearer {SECRET}"})
            assert admitted.status_code == 200, path
        assert client.get("/healthz").status_code == 200


def test_the_secret_is_in_no_log(
    network: PanoptesNetwork, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(0), served(network, token=SECRET) as client:
        client.get("/units", headers={"Authorization": f"Bearer {SECRET}"})
        client.get("/units", headers={"Authorization": f"Bearer {SECRET[:-1]}"})
    assert "refused a request" in caplog.text
    assert SECRET[:-1] not in caplog.text


def test_without_a_word_only_this_machine_is_served(network: PanoptesNetwork) -> None:
    assert ServiceSettings().guard()
    with pytest.raises(ConfigurationError, match="nobody may use"):
        ServiceSettings(host="0.0.0.0").guard()
    with pytest.raises(ConfigurationError, match="not both"):
        ServiceSettings(open=True, token=SECRET).guard()
    with served(network, open=False) as client:
        assert client.get("/units").status_code == 200
        passed_on = client.get("/units", headers={"X-Forwarded-For": "203.0.113.7"})
        assert passed_on.status_code == 401


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PANOPTES_SERVICES_TOKEN", SECRET)
    monkeypatch.setenv("PANOPTES_SERVICES_FILES", "images, previews")
    settings = ServiceSettings()
    assert settings.files == {"images", "previews"}
    assert SECRET not in repr(settings)
    assert "incoming" not in ServiceSettings(files="archive").files


# Pages and bodies


def test_any_page_may_read_as_it_always_could(client: httpx.Client) -> None:
    asked = {"Origin": "https://www.example.org", "Access-Control-Request-Method": "POST"}
    preflight = client.options("/lookup-field", headers=asked)
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "*"
    assert "POST" in preflight.headers["access-control-allow-methods"]
    assert "Content-Type" in preflight.headers["access-control-allow-headers"]
    assert preflight.headers["access-control-max-age"] == "3600"
    for path in ("/lookup-field?search_string=M42", "/lookup-field", "/nothing"):
        assert client.get(path).headers["access-control-allow-origin"] == "*"


def test_pages_can_be_limited_to_some_origins(network: PanoptesNetwork) -> None:
    with served(network, origins="https://a.example,https://b.example") as client:
        mine = client.get("/units", headers={"Origin": "https://b.example"})
        assert mine.headers["access-control-allow-origin"] == "https://b.example"
        assert mine.headers["vary"] == "Origin"
        other = client.get("/units", headers={"Origin": "https://c.example"})
        assert "access-control-allow-origin" not in other.headers


def test_a_body_beyond_the_limit_is_413_however_it_is_sent(client: httpx.Client) -> None:
    parts = (b"x" * 10_000 for _ in range(20))
    for content in (b"x" * 70_000, parts):
        answer = client.post("/lookup-field", content=content)
        assert (answer.status_code, answer.json()["success"]) == (413, False)
