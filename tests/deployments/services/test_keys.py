"""`POST /get-upload-key`: each key once, to who knows the unit's secret."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest

from panoptes.network.catalog.catalog import modify
from panoptes.network.site import Site
from panoptes.network.units.keys import COLLECTION, MOST_TRIES, KeyFolder, new_secret
from tests import sites
from tests.deployments.services.served import served

KEY = json.dumps({"type": "service_account", "private_key": "-----BEGIN\n…"}, indent=2).encode()


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return sites.drained(tmp_path)


@pytest.fixture
def keys(tmp_path: Path) -> KeyFolder:
    folder = KeyFolder(tmp_path / "keys")
    folder.put("PAN042", KEY)
    return folder


@pytest.fixture
def client(site: Site, keys: KeyFolder) -> Iterator[httpx.Client]:
    """Of services whose other answers need a token, which no unit has."""
    with served(site, token="a token of thirty characters...", keys=keys.folder) as client:
        yield client


def ask(client: httpx.Client, secret: str, unit_id: str = "PAN042") -> httpx.Response:
    """As `pocs network get-key` does."""
    return client.post("/get-upload-key", json={"pwd": secret, "unit_id": unit_id})


def test_a_unit_gets_its_key_byte_for_byte_and_once(site: Site, client: httpx.Client) -> None:
    secret = new_secret(site.catalog, "PAN042")
    given = ask(client, secret)
    assert (given.status_code, given.content) == (200, KEY)
    assert given.headers["cache-control"] == "no-store"
    again = ask(client, secret)
    assert again.status_code == 409
    assert "given already" in again.json()["message"]
    assert ask(client, new_secret(site.catalog, "PAN042")).content == KEY, "a new secret, once more"
    assert client.get("/units").status_code == 401, "the secret opens nothing else"


def test_of_many_who_come_at_once_one_gets_the_key(site: Site, client: httpx.Client) -> None:
    secret = new_secret(site.catalog, "PAN042")
    with ThreadPoolExecutor(MOST_TRIES) as threads:
        codes = [each.status_code for each in threads.map(ask, [client] * 5, [secret] * 5)]
    assert sorted(codes) == [200, 409, 409, 409, 409]


def test_wrong_secrets_are_refused_alike_and_after_some_nobody_is_heard_for_an_hour(
    site: Site, client: httpx.Client
) -> None:
    secret = new_secret(site.catalog, "PAN042")
    wrong = [ask(client, "x" * 32) for _ in range(MOST_TRIES)]
    unknown = [ask(client, "x", unit_id) for unit_id in ("PAN043", "../PAN042", "PAN042\n")]
    assert {(each.status_code, each.text) for each in wrong + unknown} == {(403, wrong[0].text)}
    locked = ask(client, secret)
    assert locked.status_code == 429
    assert 3500 < int(locked.headers["retry-after"]) <= 3600
    an_hour_ago = datetime.now(UTC) - timedelta(hours=1)
    modify(site.catalog, COLLECTION, "PAN042", lambda before: {"since": an_hour_ago})
    assert ask(client, secret).content == KEY


def test_tries_side_by_side_are_no_way_around_the_limit(site: Site, client: httpx.Client) -> None:
    new_secret(site.catalog, "PAN042")
    with ThreadPoolExecutor(12) as threads:
        codes = [each.status_code for each in threads.map(ask, [client] * 12, ["x" * 32] * 12)]
    assert (codes.count(403), codes.count(429)) == (MOST_TRIES, 12 - MOST_TRIES)


def test_a_key_that_is_not_there_yet_can_be_asked_for_again(
    site: Site, keys: KeyFolder, client: httpx.Client
) -> None:
    secret = new_secret(site.catalog, "PAN044")
    assert ask(client, secret, "PAN044").status_code == 500
    keys.put("PAN044", KEY)
    assert ask(client, secret, "PAN044").content == KEY


def test_the_secret_is_in_no_log_no_answer_and_no_document(
    site: Site, client: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    secret = new_secret(site.catalog, "PAN042")
    with caplog.at_level(logging.DEBUG):
        answers = [
            ask(client, secret + "x"),
            ask(client, secret),
            ask(client, secret),
            client.post("/get-upload-key", json={"pwd": secret * 20, "unit_id": "PAN042"}),
            client.post("/get-upload-key", json={"pwd": [secret], "unit_id": "PAN042"}),
            client.post("/get-upload-key", content=secret.encode()),
        ]
    assert [each.status_code for each in answers] == [403, 200, 409, 422, 422, 422]
    kept = json.dumps(sites.document(site, COLLECTION, "PAN042"), default=str)
    for text in (caplog.text, kept, *(each.text for each in answers)):
        assert secret not in text
    assert "upload key of PAN042 was given to 127.0.0.1" in caplog.text
    assert "BEGIN" not in caplog.text


def test_services_without_a_folder_of_keys_have_none_to_give(site: Site) -> None:
    secret = new_secret(site.catalog, "PAN042")
    with served(site) as client:
        assert ask(client, secret).status_code == 404


def test_a_key_waits_where_only_its_owner_reads(keys: KeyFolder) -> None:
    assert [path.name for path in keys.folder.iterdir()] == ["PAN042.json"]
    assert (keys.folder / "PAN042.json").stat().st_mode & 0o777 == 0o600
