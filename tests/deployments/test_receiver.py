"""What a sender is answered, and what Prefect is told, over real sockets and a real server."""

from __future__ import annotations

import json
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from deployments.local import LocalStack
from models.errors import ConfigurationError
from tests.deployments.events.receiving import receiving
from tests.models.test_events import cloud_event, push
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

    with suppress(httpx.WriteError):  # hanging up on us in the middle is as good
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
    from deployments.events.settings import ReceiverSettings

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


def test_a_receiver_that_makes_the_runs_makes_one_a_window_and_leaves_the_automation_out(
    prefect_stack: LocalStack, sequence: tuple[str, str]
) -> None:
    sequence_id, folder = sequence
    envelopes = [push(f"{folder}/20180216T1124{number:02}.fits.fz") for number in range(20)]
    with receiving(prefect_stack.api_url, starter="receiver", window=3600) as client:
        with ThreadPoolExecutor(20) as pool:
            list(pool.map(lambda envelope: deliver(client, envelope), envelopes))
        (run,) = until(lambda: runs_of(prefect_stack, sequence_id))
        assert run.state_name == "Scheduled"
        assert run.idempotency_key is not None
        assert run.idempotency_key.startswith(f"arrived-{sequence_id}-")
        due = run.expected_start_time
        assert due is not None
        assert due.timestamp() % 3600 == 10
        resource = f"panoptes.observation.{sequence_id}"
        assert len(until(lambda: events_of(prefect_stack, resource), count=20)) == 20
        assert len(runs_of(prefect_stack, sequence_id)) == 1


@pytest.mark.parametrize("starter", ["automation", "receiver"])
def test_an_old_nights_file_makes_no_run_by_itself(
    prefect_stack: LocalStack, sequence: tuple[str, str], starter: str
) -> None:
    sequence_id, folder = sequence
    with receiving(prefect_stack.api_url, starter=starter, live_nights=3) as client:
        deliver(client, push(f"{folder}/20180216T112430.fits.fz"))
        resource = f"panoptes.observation.{sequence_id}"
        (event,) = until(lambda: events_of(prefect_stack, resource))
    assert event["resource"]["panoptes.starter"] == "sweep"
    assert runs_of(prefect_stack, sequence_id) == []


def test_files_that_come_after_the_windows_run_has_ended_get_another_run(
    prefect_stack: LocalStack, sequence: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from prefect.states import Cancelled

    sequence_id, folder = sequence
    monkeypatch.setattr("deployments.events.run_starter.KNOWN_SECONDS", 0.0)
    with receiving(prefect_stack.api_url, starter="receiver", window=86400) as client:
        for number in range(3):
            deliver(client, push(f"{folder}/20180216T11243{number}.fits.fz"))
            (waiting,) = until(
                lambda: [r for r in runs_of(prefect_stack, sequence_id) if not _is_over(r)]
            )
            with prefect_stack.client() as prefect:
                prefect.set_flow_run_state(waiting.id, Cancelled(), force=True)
    assert len(runs_of(prefect_stack, sequence_id)) == 3


def _is_over(run: FlowRun) -> bool:
    return run.state is not None and run.state.is_final()


def test_a_receiver_that_is_told_to_stop_makes_the_runs_it_owes(
    prefect_stack: LocalStack, sequence: tuple[str, str]
) -> None:
    sequence_id, folder = sequence
    with receiving(prefect_stack.api_url, starter="receiver", window=3600) as client:
        deliver(client, push(f"{folder}/20180216T112430.fits.fz"))
    assert len(runs_of(prefect_stack, sequence_id)) == 1


def test_a_run_that_cannot_be_made_is_tried_until_it_can(
    prefect_stack: LocalStack, sequence: tuple[str, str]
) -> None:
    """Events are taken while the deployment is being made anew."""
    sequence_id, folder = sequence
    name = f"late-{uuid.uuid4().hex}"
    deployment = f"ingest-observation/{name}"
    with receiving(prefect_stack.api_url, starter="receiver", deployment=deployment) as client:
        deliver(client, push(f"{folder}/20180216T112430.fits.fz"))
        assert "404" in client.get("/readyz").json()["obstacle"]
        with prefect_stack.client() as prefect:
            usual = prefect.read_deployment_by_name("ingest-observation/local")
            deployment_id = prefect.create_deployment(
                usual.flow_id, name, parameter_openapi_schema=usual.parameter_openapi_schema
            )
        try:
            (run,) = until(lambda: runs_of(prefect_stack, sequence_id))
            assert run.deployment_id == deployment_id
        finally:
            with prefect_stack.client() as prefect:
                prefect.delete_deployment(deployment_id)


def test_a_receiver_that_owes_too_many_runs_asks_to_come_again(
    prefect_stack: LocalStack, sequence: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    sequence_id, folder = sequence
    monkeypatch.setattr("deployments.events.run_starter.MOST_OBSERVATIONS", 0)
    with receiving(prefect_stack.api_url, starter="receiver") as client:
        answer = client.post("/events", json=push(f"{folder}/20180216T112430.fits.fz"))
    assert answer.status_code == 503
    assert events_of(prefect_stack, f"panoptes.observation.{sequence_id}") == []


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
