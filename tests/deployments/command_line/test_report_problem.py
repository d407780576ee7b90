"""`panoptes-network report-problem`: what developers need, and none of many secrets."""

from __future__ import annotations

import base64
import json
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from deployments.command_line.main import app
from tests import sites
from tests.files import LATER, place

PEM = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIB\nMzEfYyjiWA4R4GWbLbQtQ5Zz\nq7=="
HEX = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

IN_ENVIRONMENT = {
    "PREFECT_API_KEY": "pnu_AbCdEfGhIjKlMnOpQrStUvWxYz0123456789",
    "PREFECT_API_AUTH_STRING": "admin:correct-horse",
    "PREFECT_SERVER_DATABASE_CONNECTION_URL": "postgresql+asyncpg://prefect:s3cret%2Fpass@db/prefect",
    "PANOPTES_SERVICES_TOKEN": "mysteriouslylongword",
    "PANOPTES_RECEIVER_SECRET": "anotherplainword",
    "GITHUB_TOKEN": "_".join(["ghp", "16C7e42F292c6912E7710c838347Ae178B4a"]),
    "HTTPS_PROXY": "http://ann:marmalade@proxy.example.org:3128",
    "SLACK_WEBHOOK_URL": "https://hooks.example.org/x?token=gooseberry",
}
"""Some are plain words: only the search for known secrets finds them in a sentence."""

IN_LOGS = {
    "aws": "".join(["AKIA", "IOSFODNN7EXAMPLE"]),
    "aws secret": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "jwt": "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N",
    "google": "ya29.a0AfH6SMBx-Yz9_kQ",
    "api key": "".join(["AIza", "SyA-abcdefghijklmnopqrstuvwxyz12345"]),
    "slack": "-".join(["xoxb", "123456789012", "abcdefGHIJklmnOP"]),
    "hash": HEX,
    "uuid": "8f14e45f-ceea-467f-9c58-0ba1f2a3b4c5",
    "basic": base64.b64encode(b"ann:strawberry").decode(),
    "cookie": "raspberry",
    "password": "blackberry",
    "query": "elderberry",
    "user of a URL": "cloudberry",
    "upload secret": "Zk3vLq9_TtY-4mNc8sPwRx2e",
    "dsn": "bilberry",
}

LINES = [
    "2026-11-27 05:51:37,123 WARNING panoptes.network.ingest: the catalog: database is locked",
    f"ERROR boto: {IN_LOGS['aws']} {IN_LOGS['aws secret']} is not valid",
    f"DEBUG headers {{'authorization': 'Basic {IN_LOGS['basic']}', 'accept': '*/*'}}",
    f"Set-Cookie: panoptes-session={IN_LOGS['cookie']}; HttpOnly",
    f"INFO got {IN_LOGS['jwt']} and {IN_LOGS['google']}, {IN_LOGS['api key']}",
    f"the password of ann is {IN_LOGS['password']}",
    f"GET https://archive.example.org/x?sig={IN_LOGS['query']}#part failed",
    f"amqp://guest:{IN_LOGS['user of a URL']}@queue.example.org:5672/ is away",
    f'{{"unit_id": "PAN001", "secret": "{IN_LOGS["upload secret"]}"}}',
    f"posting to slack with {IN_LOGS['slack']} {IN_LOGS['hash']} {IN_LOGS['uuid']}",
    f"dsn={IN_LOGS['dsn']}",
    "connecting as mysteriouslylongword and anotherplainword with marmalade, gooseberry",
    "prefect said correct-horse and s3cret/pass and s3cret%2Fpass",
    "-----BEGIN PRIVATE KEY-----",
    *PEM.splitlines(),
    "-----END PRIVATE KEY-----",
    "blueberry opens the gate, and figtree, and plumtree",
    f"quarantined {LATER}.fits (not-fits)",
]


@pytest.fixture
def texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """What the zip holds, of a network with a secret everywhere that one may be."""
    site = sites.drained(tmp_path)
    place(sites.incoming(site), f"{LATER}.fits", b"junk")
    sites.run(site)
    account, keys, home = tmp_path / "account.json", tmp_path / "keys", tmp_path / "home"
    for folder in (keys, home, tmp_path / "data" / "prefect" / "logs"):
        folder.mkdir(parents=True)
    whole = f"-----BEGIN PRIVATE KEY-----\n{PEM}\n-----END PRIVATE KEY-----\n"
    account.write_text(json.dumps({"private_key": whole, "private_key_id": "blueberry"}))
    (keys / "PAN001.json").write_text(json.dumps({"private_key": "figtree"}))
    home.joinpath("profiles.toml").write_text('[profiles.x]\nPREFECT_API_KEY = "plumtree"\n')
    for name, value in IN_ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(account))
    monkeypatch.setenv("PANOPTES_SERVICES_KEYS", str(keys))
    monkeypatch.setenv("PREFECT_HOME", str(home))
    log = tmp_path / "data" / "prefect" / "logs" / "worker.log"
    log.write_text("\n".join(LINES))
    output = tmp_path / "problem.zip"
    arguments = ["report-problem", "-o", str(output), "--data", str(tmp_path / "data")]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.output
    with zipfile.ZipFile(output) as archive:
        return {name: archive.read(name).decode() for name in archive.namelist()}


def test_no_planted_secret_is_in_the_report_in_any_spelling(texts: dict[str, str]) -> None:
    secrets = {
        *IN_LOGS.values(),
        *IN_ENVIRONMENT.values(),
        *PEM.splitlines(),
        *("correct-horse", "s3cret/pass", "s3cret%2Fpass", "marmalade", "gooseberry"),
        *("strawberry", "blueberry", "figtree", "plumtree"),
    }
    assert len(secrets) >= 20
    whole = "\n".join(texts.values())
    found = [s for s in secrets if s in whole or base64.b64encode(s.encode()).decode() in whole]
    assert found == []


def test_the_report_tells_what_developers_need(texts: dict[str, str]) -> None:
    report = json.loads(texts["report.json"])
    assert report["versions"]["panoptes-network"].startswith("panoptes-network")
    assert report["settings"]["incoming"] == "a folder"
    assert report["settings"]["failure_limit"] == 10
    assert report["outcomes"]["quarantined: not-fits"] == 1
    assert report["documents"]["files"] == 1
    assert report["environment"]["PREFECT_API_KEY"] == "set"
    log = texts["logs/worker.log"]
    assert LINES[0] in log
    assert LINES[-1] in log
