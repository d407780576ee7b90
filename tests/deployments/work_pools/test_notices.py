"""Automations that tell people are there, switched off, and tell once switched on."""

from __future__ import annotations

import json
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from prefect.blocks.notifications import CustomWebhookNotificationBlock

from deployments.local_stack.stack import LocalStack
from deployments.receiver import health_monitor
from deployments.work_pools.notices import NOTICES, make_notices, send_notices
from panoptes.network.ingest.backlog import SWEPT
from tests.patience import PATIENT_SECONDS


@contextmanager
def chat() -> Iterator[tuple[str, list[dict[str, str]]]]:
    """A chat's webhook: its URL, and what was written."""
    written: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            written.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/", written
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def written(prefect_stack: LocalStack) -> Iterator[list[dict[str, str]]]:
    """What people read, once all notices are switched on; they are off again afterwards."""
    with chat() as (url, said), prefect_stack.settings():
        CustomWebhookNotificationBlock(
            name="chat", url=url, json_data={"subject": "{{subject}}", "body": "{{body}}"}
        ).save("chat", overwrite=True)
        with prefect_stack.client() as client:
            send_notices(client, "custom-webhook/chat")
            yield said
            for notice in NOTICES:
                for found in client.read_automations_by_name(notice.name):
                    client.delete_automation(found.id)
            make_notices(client)


def states(stack: LocalStack) -> dict[str, list[bool]]:
    with stack.client() as client:
        return {
            notice.name: [each.enabled for each in client.read_automations_by_name(notice.name)]
            for notice in NOTICES
        }


def told(stack: LocalStack, written: list[dict[str, str]], event: dict[str, Any]) -> bool:
    """Whether people read of what happens again and again.

    An automation is known to the server's triggers only after a moment.
    """
    deadline = time.monotonic() + PATIENT_SECONDS
    while time.monotonic() < deadline:
        document = event | {"id": str(uuid.uuid4()), "occurred": datetime.now(UTC).isoformat()}
        with stack.client() as client:
            client.request("POST", "/events", json=[document])
        if written:
            return True
        time.sleep(0.5)
    return False


def test_each_is_deployed_once_and_switched_off(prefect_stack: LocalStack) -> None:
    with prefect_stack.client() as client:
        make_notices(client)
    assert states(prefect_stack) == {notice.name: [False] for notice in NOTICES}


def test_what_an_operator_switched_on_stays_on_when_it_is_deployed_again(
    prefect_stack: LocalStack, written: list[dict[str, str]]
) -> None:
    with prefect_stack.client() as client:
        make_notices(client)
    assert states(prefect_stack) == {notice.name: [True] for notice in NOTICES}


def test_a_unit_that_fell_silent_is_told_of_in_words(
    prefect_stack: LocalStack, written: list[dict[str, str]]
) -> None:
    sentence = "PAN042 was last heard of 2026-06-10 04:00 UTC, 2.2 days ago"
    kind = f"{health_monitor.SILENT}PAN042"
    event = health_monitor._event(health_monitor.CONCERN, health_monitor.Concern(kind, sentence))
    assert told(prefect_stack, written, event)
    assert written[0] == {"subject": "PANOPTES: a unit fell silent", "body": sentence}


def test_notices_wait_for_events_that_are_sent() -> None:
    expected = {name for notice in NOTICES for name in notice.trigger["expect"]}
    from panoptes.network.ingest.cases import QUARANTINED

    assert expected == {health_monitor.CONCERN, SWEPT, QUARANTINED}
    matched = {
        name
        for notice in NOTICES
        for name in notice.trigger.get("match", {}).get("prefect.resource.id", ())
    }
    kinds = {health_monitor.SILENT + "*", health_monitor.NEARLY_FULL}
    assert {f"panoptes.concern.{kind}" for kind in kinds} <= matched
