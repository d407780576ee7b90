"""`panoptes-network up --sign-in`, whole; `make faults` runs it."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import httpx
import pytest

from tests.deployments.command_line.test_up import left_of, up_in_the_background
from tests.faults.conftest import IS_LONG
from tests.local_http import free_ports
from tests.patience import PATIENT_SECONDS


@pytest.mark.skipif(not IS_LONG, reason="`make faults` runs it")
def test_its_operator_signs_in_with_a_token_that_only_its_file_holds(tmp_path: Path) -> None:
    ports = list(map(str, free_ports(3)))
    options = ["--port", ports[0], "--receiver-port", ports[1], "--site-port", ports[2]]
    with up_in_the_background(tmp_path, "--sign-in", "--json", *options) as process:
        assert process.stdout is not None
        shown = json.loads(process.stdout.readline())
        token = Path(shown["token_file"]).read_text().strip()
        transport = httpx.HTTPTransport(retries=7)  # the site begins to listen meanwhile
        with httpx.Client(
            base_url=shown["site"], transport=transport, timeout=PATIENT_SECONDS
        ) as client:
            assert client.get("/quarantine").status_code == 401
            client.post("/sign-in", data={"name": "Ann", "token": token})
            assert client.get("/quarantine", headers={"Accept": "text/html"}).status_code == 200
        process.send_signal(signal.SIGTERM)
        _, told = process.communicate()
    assert process.returncode == 0
    assert "/sign-in with the token in" in told
    assert token not in told
    assert not left_of(tmp_path)
    holding = [
        each.name
        for each in tmp_path.rglob("*")
        if each.is_file() and token in each.read_text("utf-8", "replace")
    ]
    assert holding == ["sign-in-token"]
