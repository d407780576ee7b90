"""Connections whose request does not come are closed; those that wait for an answer are not."""

from __future__ import annotations

import asyncio
import resource
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from deployments.web import listening, punctual
from tests.archives import small_archive
from tests.deployments.receiver.receiving import receiving
from tests.deployments.services.served import served
from tests.local_http import serving
from tests.network.test_events import push
from tests.patience import PATIENT_SECONDS

SECRET = "c2VydmljZXMgZm9yIHRlc3Rz"
BEARER = {"Authorization": f"Bearer {SECRET}"}
WHOLE = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"
POST = b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 100\r\n\r\n"
CHUNKED = b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\n"


async def answer(request: Request) -> PlainTextResponse:
    if request.method == "POST":
        await request.body()
    await asyncio.sleep(float(request.query_params.get("seconds", "0")))
    return PlainTextResponse("here")


async def at_once(request: Request) -> PlainTextResponse:
    return PlainTextResponse("here")


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(punctual, "REQUEST_SECONDS", 0.5)
    routes = [
        Route("/", answer, methods=["GET", "POST"]),
        Route("/at-once", at_once, methods=["POST"]),
    ]
    with serving(lambda: Starlette(routes=routes)) as url:
        yield httpx.URL(url).port or 0


def connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.settimeout(30)
    return connection


def everything(connection: socket.socket) -> bytes:
    """Until the other side closes."""
    said = b""
    with suppress(ConnectionResetError):
        while part := connection.recv(10_000):
            said += part
    return said


@pytest.mark.parametrize("said", [b"", b"POST /ev", b"POST / HTTP/1.1\r\nHost: here\r\n"])
def test_a_connection_without_a_whole_header_is_closed(port: int, said: bytes) -> None:
    with connect(port) as connection:
        connection.sendall(said)
        assert everything(connection) == b""


def test_so_is_one_whose_second_header_does_not_come(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(WHOLE)
        said = b""
        while not said.endswith(b"here"):
            said += connection.recv(1000)
        connection.sendall(WHOLE[:10])
        assert everything(connection) == b""


def test_who_is_refused_in_the_middle_of_sending_reads_the_answer(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(punctual, "LINGER_SECONDS", 60)

    async def refuse(request: Request) -> PlainTextResponse:
        return PlainTextResponse("no", status_code=413, headers={"Connection": "close"})

    routes = [Route("/", refuse, methods=["POST"])]
    with (
        serving(lambda: Starlette(routes=routes)) as url,
        connect(httpx.URL(url).port or 0) as connection,
    ):
        connection.sendall(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 300000\r\n\r\n")
        for _ in range(30):
            connection.sendall(b"x" * 10_000)
            time.sleep(0.02)
        said = everything(connection)
    assert said.startswith(b"HTTP/1.1 413 ")
    assert said.endswith(b"\r\n\r\nno")


@contextmanager
def dribbling(connection: socket.socket, part: bytes) -> Iterator[None]:
    """Something comes all the time, but never the end."""
    stop = threading.Event()

    def send() -> None:
        with suppress(OSError):
            while not stop.wait(0.05):
                connection.sendall(part)

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize(
    ("begin", "part"),
    [
        (POST, b"x"),
        (CHUNKED, b"1\r\nx\r\n"),
        (CHUNKED + b"1;", b"x"),
        (CHUNKED + b"0\r\n", b"X: x\r\n"),
    ],
)
def test_a_body_that_does_not_end_is_told_so_and_closed(
    port: int, begin: bytes, part: bytes
) -> None:
    with connect(port) as connection:
        connection.sendall(begin)
        with dribbling(connection, part):
            assert everything(connection).startswith(b"HTTP/1.1 408 ")


def test_so_is_one_that_came_with_the_request_before(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(WHOLE + POST + b"x")
        said = everything(connection)
        assert said.startswith(b"HTTP/1.1 200 ")
        assert b"HTTP/1.1 408 " in said


def test_so_is_one_whose_body_goes_on_after_its_answer(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(POST.replace(b"/ ", b"/at-once ").replace(b"100", b"100000"))
        with dribbling(connection, b"x"):
            assert everything(connection).startswith(b"HTTP/1.1 200 ")


def test_an_answer_has_the_time_it_needs(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(WHOLE.replace(b"/ ", b"/?seconds=1.5 ", 1))
        said = b""
        while not said.endswith(b"here"):
            part = connection.recv(1000)
            assert part, said
            said += part


def test_who_does_not_take_its_answers_is_let_go(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Requests are sent one behind the other, and nothing of what comes is read."""
    monkeypatch.setattr(listening, "_STALL_SECONDS", 1)
    with served(small_archive(tmp_path), token=SECRET) as client, socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connection.settimeout(0.2)
        connection.connect((client.base_url.host, client.base_url.port))
        ask = b"GET /openapi.json HTTP/1.1\r\nHost: here\r\n\r\n" * 100
        deadline = time.monotonic() + PATIENT_SECONDS
        while not is_cut(connection, ask):
            assert time.monotonic() < deadline


def is_cut(connection: socket.socket, data: bytes) -> bool:
    try:
        connection.sendall(data)
    except (ConnectionResetError, BrokenPipeError):
        return True
    except OSError as error:  # TimeoutError is both ours and the kernel's
        return error.errno is not None
    return False


# Crowds


def crowd_of(wished: int) -> int:
    """As many as this process may have open, with their other ends."""
    return min(wished, resource.getrlimit(resource.RLIMIT_NOFILE)[0] // 2 - 200)


def patiently(url: str, **options: Any) -> httpx.Response:
    return httpx.get(url, timeout=PATIENT_SECONDS, **options)


@contextmanager
def crowd(url: httpx.URL, head: bytes) -> Iterator[list[socket.socket]]:
    """Connections that send a body, a byte now and then, for as long as they can."""
    with ExitStack() as stack:
        connections = []
        for _ in range(crowd_of(1000)):
            connection = stack.enter_context(connect(url.port or 0))
            with suppress(OSError):
                connection.sendall(head)
            connections.append(connection)
        stop = threading.Event()

        def dribble() -> None:
            while not stop.wait(0.2):
                for connection in connections:
                    with suppress(OSError):
                        connection.send(b"x")

        thread = threading.Thread(target=dribble)
        thread.start()
        try:
            yield connections
        finally:
            stop.set()
            thread.join()


@pytest.fixture
def endless(monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow bodies may go on: who waits for their end gives up before."""
    monkeypatch.setattr(punctual, "REQUEST_SECONDS", 2 * PATIENT_SECONDS)


def slow_post(path: str) -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: 9000\r\n\r\n".encode()


@pytest.mark.usefixtures("endless")
def test_a_thousand_slow_bodies_do_not_keep_out_who_has_the_token(tmp_path: Path) -> None:
    with served(small_archive(tmp_path), token=SECRET) as client:
        for head in (
            slow_post("/lookup-field"),  # refused at once
            slow_post("/lookup-field").replace(
                b"\r\n\r\n", f"\r\nAuthorization: Bearer {SECRET}\r\n\r\n".encode()
            ),
            b"GET /healthz HTTP/1.1\r\nHost: here\r\nContent-Length: 9000\r\n\r\n",
            b"GET /units HTTP/1.1\r\nHost: ",
        ):
            with crowd(client.base_url, head):
                for _ in range(3):
                    fresh = patiently(f"{client.base_url}/units", headers=BEARER)
                    assert fresh.status_code == 200, head
                assert patiently(f"{client.base_url}/healthz").status_code == 200


@pytest.mark.usefixtures("endless")
@pytest.mark.parametrize("settings", [{"secret": SECRET}, {}], ids=["secret", "open"])
def test_nor_do_they_keep_out_a_sender_of_events(settings: dict[str, Any]) -> None:
    with (
        receiving(**settings) as client,
        crowd(client.base_url, slow_post("/events")),
    ):
        heard = httpx.post(
            f"{client.base_url}/events",
            json=push(eventType="OBJECT_DELETE"),
            headers=BEARER,
            timeout=PATIENT_SECONDS,
        )
        assert heard.status_code == 204


@pytest.mark.usefixtures("endless")
def test_where_no_more_can_be_open_the_slowest_go_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "MOST_FILES", 512)
    with (
        served(small_archive(tmp_path)) as client,
        crowd(client.base_url, slow_post("/lookup-field")) as slow,
    ):
        assert patiently(f"{client.base_url}/units").status_code == 200
        gone = len(slow) - 512 * 3 // 4
        assert gone > 100
        assert all(everything(connection) == b"" for connection in slow[:gone])
