"""The emulators: they answer, tell each other, and leave nothing behind."""

from __future__ import annotations

import base64
import json
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from deployments.local_stack import guard
from tests.emulators.preconditions import ABSENT, State, refusal
from tests.emulators.servers import EmulatorError, Emulators, Notify, NotInstalled
from tests.patience import PATIENT_SECONDS

THERE = State(7, 2)


def call(method: str, url: str, document: object = None) -> Any:
    body = None if document is None else json.dumps(document).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"}, method=method)
    with urllib.request.urlopen(request, timeout=PATIENT_SECONDS) as answer:
        return json.load(answer)


def test_emulators_end_with_the_process_that_started_them(
    gcs_emulator: str, tmp_path: Path
) -> None:
    code = (
        "import pathlib, sys, time\n"
        "from tests.emulators.servers import Emulators\n"
        "emulators = Emulators(pathlib.Path(sys.argv[1]))\n"
        "emulators.storage()\n"
        "print(emulators.stack_id, flush=True)\n"
        "time.sleep(600)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE, text=True
    ) as starter:
        assert starter.stdout is not None
        mark = starter.stdout.readline().strip()
        assert len(guard.marked_processes(mark)) == 2
        starter.send_signal(signal.SIGKILL)

    deadline = time.monotonic() + PATIENT_SECONDS
    while guard.marked_processes(mark) and time.monotonic() < deadline:
        pass
    assert guard.marked_processes(mark) == set()


def test_stopping_ends_everything_and_may_be_repeated(gcs_emulator: str, tmp_path: Path) -> None:
    with Emulators(tmp_path) as emulators:
        url = emulators.storage()
        assert emulators.environment == {"STORAGE_EMULATOR_HOST": url}
        mark = emulators.stack_id
    emulators.stop()

    assert guard.marked_processes(mark) == set()
    assert emulators.environment == {}


def test_an_emulator_that_cannot_start_says_why(gcs_emulator: str, tmp_path: Path) -> None:
    taken = int(gcs_emulator.rsplit(":", 1)[1])

    with (
        Emulators(tmp_path) as emulators,
        pytest.raises(EmulatorError, match=f"port {taken} .*in use"),
    ):
        emulators.storage(port=taken)


def test_what_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with Emulators(tmp_path) as emulators:
        for start in (emulators.firestore, emulators.pubsub):
            with pytest.raises(NotInstalled, match="install"):
                start()


def test_a_written_object_is_announced(
    pubsub_emulator: str, gcs_emulator: str, tmp_path: Path
) -> None:
    with Emulators(tmp_path) as emulators:
        pubsub = f"http://{pubsub_emulator}/v1/projects/announced"
        call("PUT", f"{pubsub}/topics/uploads", {})
        topic = {"topic": "projects/announced/topics/uploads"}
        call("PUT", f"{pubsub}/subscriptions/all", topic)
        storage = emulators.storage(notify=Notify(pubsub_emulator, "announced", "uploads"))
        call("POST", f"{storage}/storage/v1/b?project=test", {"name": "incoming"})
        upload = f"{storage}/upload/storage/v1/b/incoming/o?uploadType=media&name=PAN001%2Fa"
        written = call("POST", upload, "bytes")
        pulled = call("POST", f"{pubsub}/subscriptions/all:pull", {"maxMessages": 1})

    message = pulled["receivedMessages"][0]["message"]
    assert message["attributes"]["eventType"] == "OBJECT_FINALIZE"
    assert message["attributes"]["objectId"] == "PAN001/a"
    document = json.loads(base64.b64decode(message["data"]))
    assert str(document["generation"]) == str(written["generation"])


@pytest.mark.parametrize(
    ("state", "query", "expected"),
    [
        (ABSENT, {}, None),
        (ABSENT, {"ifGenerationMatch": "0"}, None),
        (THERE, {"ifGenerationMatch": "0"}, 412),
        (THERE, {"ifGenerationMatch": "7"}, None),
        (THERE, {"ifGenerationMatch": "6"}, 412),
        (THERE, {"ifGenerationNotMatch": "7"}, 412),
        (THERE, {"ifMetagenerationMatch": "2"}, None),
        (THERE, {"ifMetagenerationMatch": "3"}, 412),
    ],
)
def test_a_write_is_refused_unless_its_preconditions_hold(
    state: State, query: dict[str, str], expected: int | None
) -> None:
    assert refusal(state, query) == expected


@pytest.mark.parametrize(
    ("state", "query", "expected"),
    [
        (ABSENT, {"ifGenerationMatch": "7"}, 404),
        (THERE, {"ifGenerationMatch": "6"}, 412),
        (THERE, {"ifGenerationNotMatch": "7"}, 304),
        (THERE, {"ifGenerationNotMatch": "6"}, None),
    ],
)
def test_a_read_is_refused_unless_its_preconditions_hold(
    state: State, query: dict[str, str], expected: int | None
) -> None:
    assert refusal(state, query, is_read=True) == expected
