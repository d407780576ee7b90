"""What a sender is answered, and what Prefect is told, over real sockets and a real server."""

from __future__ import annotations

import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from deployments.local_stack.stack import LocalStack
from panoptes.network.errors import ConfigurationError
from tests.deployments.receiver.receiving import receiving
from tests.local_http import serving
from tests.network.test_events import cloud_event, push
from tests.patience import PATIENT_SECONDS

if TYPE_CHECKING:
    from prefect.client.schemas.objects import FlowRun

SECRET = "correct horse battery staple"


@pytest.fixture(scope="module")
def lonely() -> Iterator[httpx.Client]:
    """A receiver without a Prefect behind it."""
    with receiving() as client:
        yield client


@pytest.fixture(scope="module")
def receiver(prefect_stack: LocalStack) -> Iterator[httpx.Client]:
    """A receiver whose events go to a real server, whose automation makes the runs."""
    with receiving(prefect_stack.api_url, look_seconds=1) as client:
        yield client


@pytest.fixture
def sequence() -> tuple[str, str]:
    """An observation of the test's own: its id, and the folder of its files."""
    camera = uuid.uuid4().hex[:6]
    return f"PAN001_{camera}_20180216T110623", f"PAN001/{camera}/20180216T110623"


def until(
    found: Callable[[], list[Any]], *, count: int = 1, seconds: float = PATIENT_SECONDS
) -> list[Any]:
    """What is found as soon as there is enough of it, or what there is after `seconds`."""
    deadline = time.monotonic() + seconds
    while len(result := found()) < count and time.monotonic() < deadline:
        time.sleep(0.1)
    return result


def deliver(client: httpx.Client, envelope: dict[str, Any]) -> None:
    """Send as Pub/Sub does: again while Prefect is busy, until it is taken."""
    accepted = until(lambda: [a for a in [client.post("/events", json=envelope)] if a.is_success])
    assert accepted[0].status_code == 204


def events_of(stack: LocalStack, resource: str) -> list[dict[str, Any]]:
    query = {"filter": {"resource": {"id": [resource]}}, "limit": 50}
    with stack.client() as client:
        page = client.request("POST", "/events/filter", json=query).json()
    return list(page["events"])


def runs_of(stack: LocalStack, sequence_id: str) -> list[FlowRun]:
    with stack.client() as client:
        runs = client.read_flow_runs()
    return [run for run in runs if run.parameters.get("sequence_id") == sequence_id]


# -- without Prefect --------------------------------------------------------------------


@pytest.mark.parametrize(
    "document", [{}, {"message": {}}, {"message": {"attributes": {"eventType": "OBJECT_FINALIZE"}}}]
)
def test_a_malformed_envelope_is_refused_with_a_sentence(
    lonely: httpx.Client, document: dict[str, Any]
) -> None:
    answer = lonely.post("/events", json=document)
    assert answer.status_code == 400
    assert answer.json()["error"].startswith("it has no")


@pytest.mark.parametrize("event_type", ["OBJECT_DELETE", "OBJECT_METADATA_UPDATE"])
def test_an_event_that_starts_nothing_is_acknowledged(
    lonely: httpx.Client, event_type: str
) -> None:
    assert lonely.post("/events", json=push(eventType=event_type)).status_code == 204


def test_while_prefect_is_away_the_sender_is_asked_to_come_again(lonely: httpx.Client) -> None:
    answer = lonely.post("/events", json=push())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")


def test_health_is_of_the_process_and_readiness_of_what_it_needs(lonely: httpx.Client) -> None:
    assert lonely.get("/healthz").status_code == 200
    answer = lonely.get("/readyz")
    assert answer.status_code == 503
    assert "cannot be reached" in answer.json()["obstacle"]


def test_a_sender_without_the_secret_is_refused_before_its_body_is_read() -> None:
    with receiving(secret=SECRET) as client:
        address = (client.base_url.host, client.base_url.port or 0)
        with socket.create_connection(address, timeout=60) as connection:
            connection.sendall(
                b"POST /events HTTP/1.1\r\nHost: receiver\r\nContent-Length: 100\r\n\r\n"
            )
            assert connection.recv(100).startswith(b"HTTP/1.1 401")
        wrong = client.post("/events", json=push(), headers={"Authorization": "Bearer wrong"})
        assert wrong.status_code == 401
        assert wrong.headers["WWW-Authenticate"] == "Bearer"
        right = client.post("/events", json=push(), headers={"Authorization": f"Bearer {SECRET}"})
        assert right.status_code == 503


def test_neither_secret_nor_token_gets_into_the_log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("DEBUG")
    with receiving(secret=SECRET) as client:
        for credential in (SECRET, "ey.some.token"):
            client.post("/events", json=push(), headers={"Authorization": f"Bearer {credential}"})
    assert "refused" in caplog.text
    assert SECRET not in caplog.text
    assert "ey.some.token" not in caplog.text


def test_a_name_cannot_forge_a_line_of_the_log(
    lonely: httpx.Client, caplog: pytest.LogCaptureFixture
) -> None:
    lonely.post("/events", json=push("x\n2026-01-01 INFO all is well\x1b[2J.fits"))
    lonely.post("/events", json=push(eventType="OBJECT\nFORGED"))
    assert all("\n" not in record.getMessage() for record in caplog.records)
    assert "\x1b" not in caplog.text


def test_a_body_larger_than_a_notification_is_refused(lonely: httpx.Client) -> None:
    big = b" " * 300_000
    assert lonely.post("/events", content=big).status_code == 413

    def chunks() -> Iterator[bytes]:
        for _ in range(30):
            yield b" " * 10_000

    assert lonely.post("/events", content=chunks()).status_code == 413


def test_long_headers_and_packed_bodies_are_refused(lonely: httpx.Client) -> None:
    long = lonely.post("/events", json=push(), headers={"X-Long": "x" * 20_000})
    assert long.status_code == 431
    packed = lonely.post("/events", json=push(), headers={"Content-Encoding": "gzip"})
    assert packed.status_code == 415


def test_a_length_that_is_no_number_is_refused(lonely: httpx.Client) -> None:
    address = (lonely.base_url.host, lonely.base_url.port or 0)
    with socket.create_connection(address, timeout=60) as connection:
        connection.sendall(b"POST /events HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: x\r\n\r\n")
        assert b" 400 " in connection.recv(100)


def test_a_file_of_another_place_is_acknowledged_and_passed_over() -> None:
    with receiving(incoming="gs://incoming/uploads") as client:
        assert client.post("/events", json=push("elsewhere/x.fits")).status_code == 204
        inside = client.post("/events", json=push(f"uploads/{'x'}.fits"))
        assert inside.status_code == 503


def test_a_receiver_that_does_not_know_where_prefect_is_does_not_start() -> None:
    with pytest.raises(ConfigurationError, match="PREFECT_API_URL"), receiving(""):
        pass


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    from deployments.receiver.settings import ReceiverSettings

    monkeypatch.setenv("PANOPTES_RECEIVER_SERVICE_ACCOUNTS", "a@example.org,b@example.org")
    monkeypatch.setenv("PANOPTES_RECEIVER_AUDIENCE", "https://receiver.example.org")
    monkeypatch.setenv("PANOPTES_RECEIVER_SECRET", "")
    settings = ReceiverSettings()
    assert settings.service_accounts == {"a@example.org", "b@example.org"}
    assert settings.secret is None
    assert settings.guard()
    monkeypatch.setenv("PANOPTES_RECEIVER_AUDIENCE", "")
    with pytest.raises(ConfigurationError, match="audience"):
        ReceiverSettings().guard()


def test_settings_that_are_none_are_named_and_ignored(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("PANOPTES_RECEIVER_STARTER", "receiver")
    monkeypatch.setenv("PANOPTES_RECEIVER_WINDOW", "60")
    with receiving() as client:
        assert client.get("/healthz").status_code == 200
    (line,) = [each for each in caplog.messages if "ignored" in each]
    assert line.endswith(": PANOPTES_RECEIVER_STARTER, PANOPTES_RECEIVER_WINDOW")


def test_a_page_in_prefects_place_is_a_prefect_that_is_away() -> None:
    async def page(request: Request) -> HTMLResponse:
        return HTMLResponse("<h1>Back soon</h1>")

    def make() -> Starlette:
        return Starlette(routes=[Route("/{path:path}", page, methods=["GET", "POST"])])

    with serving(make) as url, receiving(f"{url}/api", look_seconds=1) as client:
        assert client.post("/events", json=push()).status_code == 503
        for _ in range(2):
            answer = client.get("/readyz")
            assert answer.status_code == 503
            assert "speaks no JSON" in answer.json()["obstacle"]
            time.sleep(1.2)


# -- with Prefect -----------------------------------------------------------------------


def test_files_of_an_observation_become_one_run_that_is_due_after_the_window(
    receiver: httpx.Client, prefect_stack: LocalStack, sequence: tuple[str, str]
) -> None:
    sequence_id, folder = sequence
    for number in range(5):
        envelope = push(f"{folder}/20180216T11243{number}.fits.fz")
        for _ in range(2):  # at least once is what Pub/Sub promises
            assert receiver.post("/events", json=envelope).status_code == 204
    events = until(lambda: events_of(prefect_stack, f"panoptes.observation.{sequence_id}"), count=5)
    assert len({event["id"] for event in events}) == 5
    (run,) = until(lambda: runs_of(prefect_stack, sequence_id))
    assert run.parameters == {"sequence_id": sequence_id, "network": "default"}
    assert run.created is not None
    assert run.expected_start_time is not None
    assert 280 < (run.expected_start_time - run.created).total_seconds() <= 310
    assert len(runs_of(prefect_stack, sequence_id)) == 1


def test_the_event_says_what_arrived_by_our_own_clock(
    receiver: httpx.Client, prefect_stack: LocalStack, sequence: tuple[str, str]
) -> None:
    sequence_id, folder = sequence
    name = f"{folder}/20180216T112430.cr2"
    data = cloud_event()["data"] | {"name": name}
    answer = receiver.post(
        "/events",
        json=cloud_event(data=data, time="1999-01-01T00:00:00Z"),
        headers={"Content-Type": "application/cloudevents+json"},
    )
    assert answer.status_code == 204
    (event,) = until(lambda: events_of(prefect_stack, f"panoptes.observation.{sequence_id}"))
    assert event["event"] == "panoptes.file.arrived"
    assert event["occurred"] > "2020"
    assert event["payload"] == {
        "bucket": "incoming",
        "name": name,
        "generation": "1700000000000001",
        "size": 20971520,
        "file_type": "cr2",
        "image_id": f"{sequence_id.rsplit('_', 1)[0]}_20180216T112430",
        "stored": "1999-01-01T00:00:00+00:00",
        "delivery": "18",
    }


@pytest.mark.parametrize(
    "name",
    [
        "PAN001/../../etc/passwd",
        "PAN001/%2e%2e/x.fits",
        "/PAN001/14d3bd/20180216T110623/20180216T112430.fits",
        "PAN001/14d3bd/20180216T110623/20180216T112430.fits\0.cr2",
        "x" * 1024,
        "é" * 512,
        "{{ event.resource }}.fits",
        "caf\udce9.fits",
    ],
)
def test_a_hostile_name_is_acknowledged_and_announced_as_unroutable(
    receiver: httpx.Client, prefect_stack: LocalStack, name: str
) -> None:
    envelope = push(name, bucketId=(bucket := uuid.uuid4().hex))
    del envelope["message"]["data"]
    body = json.dumps(envelope)  # in ASCII, unlike the client's own
    answer = receiver.post("/events", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 204

    def announced() -> list[dict[str, Any]]:
        query = {"filter": {"event": {"name": ["panoptes.file.unroutable"]}}, "limit": 50}
        with prefect_stack.client() as client:
            events = client.request("POST", "/events/filter", json=query).json()["events"]
        return [event for event in events if event["payload"]["bucket"] == bucket]

    (event,) = until(announced)
    assert event["payload"]["code"] in ("unroutable-name", "unknown-suffix")
    assert event["payload"]["name"].isprintable()


def test_an_old_nights_file_makes_no_run_by_itself(
    prefect_stack: LocalStack, sequence: tuple[str, str]
) -> None:
    sequence_id, folder = sequence
    with receiving(prefect_stack.api_url, live_nights=3) as client:
        deliver(client, push(f"{folder}/20180216T112430.fits.fz"))
        resource = f"panoptes.observation.{sequence_id}"
        (event,) = until(lambda: events_of(prefect_stack, resource))
    assert event["resource"]["panoptes.queue"] == "backfill"
    assert runs_of(prefect_stack, sequence_id) == []


def test_it_is_ready_only_while_the_automation_is_switched_on(
    receiver: httpx.Client, prefect_stack: LocalStack
) -> None:
    def readiness() -> int:
        return receiver.get("/readyz").status_code

    assert readiness() == 200
    with prefect_stack.client() as client:
        deployment = client.read_deployment_by_name("ingest-observation/local")
        resource = f"prefect.deployment.{deployment.id}"
        (automation,) = client.read_resource_related_automations(resource)
        path = f"/automations/{automation.id}"
        client._client.patch(path, json={"enabled": False})
        try:
            until(lambda: [1] if readiness() == 503 else [])
            assert "switched off" in receiver.get("/readyz").json()["obstacle"]
        finally:
            client._client.patch(path, json={"enabled": True})
    assert until(lambda: [1] if readiness() == 200 else [])


def test_an_automation_of_another_version_that_asks_for_labels_we_lack_is_an_obstacle(
    receiver: httpx.Client, prefect_stack: LocalStack
) -> None:
    from prefect.events.schemas.automations import AutomationCore, EventTrigger

    with prefect_stack.client() as client:
        deployment = client.read_deployment_by_name("ingest-observation/local")
        resource = f"prefect.deployment.{deployment.id}"
        (found,) = client.read_resource_related_automations(resource)
        usual = AutomationCore.model_validate(found.model_dump(exclude={"id", "owner_resource"}))
        other = usual.model_copy(deep=True)
        assert isinstance(other.trigger, EventTrigger)
        match = {**other.trigger.model_dump()["match"], "panoptes.other": "yes"}
        other.trigger = EventTrigger.model_validate(other.trigger.model_dump() | {"match": match})
        client.update_automation(found.id, other)
        try:
            assert until(lambda: [1] if receiver.get("/readyz").status_code == 503 else [])
        finally:
            client.update_automation(found.id, usual)
    assert until(lambda: [1] if receiver.get("/readyz").status_code == 200 else [])


def test_a_deployment_that_is_not_there_is_an_obstacle(prefect_stack: LocalStack) -> None:
    with receiving(prefect_stack.api_url, deployment="ingest-observation/absent") as client:
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert "404" in answer.json()["obstacle"]


def test_a_prefect_that_comes_later_is_found(prefect_stack: LocalStack) -> None:
    """The receiver starts first; the server's address answers only afterwards."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with receiving(f"http://127.0.0.1:{port}/api") as client:
        assert client.post("/events", json=push()).status_code == 503
        with forwarding(port, prefect_stack.api_url):
            answers = until(
                lambda: [a for a in [client.post("/events", json=push())] if a.status_code == 204]
            )
            assert answers
        assert client.post("/events", json=push()).status_code == 503


class forwarding:  # noqa: N801  reads as what it does
    """Passes connections to a port on to a server, until it is left."""

    def __init__(self, port: int, url: str) -> None:
        self._target = (httpx.URL(url).host, httpx.URL(url).port or 80)
        self._listener = socket.create_server(("127.0.0.1", port))
        self._sockets: list[socket.socket] = []
        self._thread = threading.Thread(target=self._accept)

    def __enter__(self) -> None:
        self._thread.start()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            far = socket.create_connection(self._target)
            self._sockets += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._pump, args=[source, sink], daemon=True).start()

    @staticmethod
    def _pump(source: socket.socket, sink: socket.socket) -> None:
        try:
            while data := source.recv(65536):
                sink.sendall(data)
        except OSError:
            pass
        finally:
            sink.close()

    def __exit__(self, *_: object) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for each in self._sockets:
            each.close()
        self._thread.join()
