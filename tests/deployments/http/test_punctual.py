"""Connections that say nothing are closed; those that are at work are not."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from deployments.http import punctual

WHOLE = b"GET / HTTP/1.1\r\nHost: here\r\n\r\n"


async def answer(request: Request) -> PlainTextResponse:
    return PlainTextResponse((await request.body()).decode() or "here")


@pytest.fixture
def port(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    monkeypatch.setattr(punctual, "HEADER_SECONDS", 1.0)
    app = Starlette(routes=[Route("/", answer, methods=["GET", "POST"])])
    config = uvicorn.Config(
        app, port=0, http=punctual.PunctualProtocol, log_config=None, lifespan="off"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield server.servers[0].sockets[0].getsockname()[1]
    finally:
        server.should_exit = True
        thread.join()


def connect(port: int) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.settimeout(30)
    return connection


@pytest.mark.parametrize("said", [b"", b"POST /ev", b"POST / HTTP/1.1\r\nHost: here\r\n"])
def test_a_connection_without_a_whole_header_is_closed(port: int, said: bytes) -> None:
    with connect(port) as connection:
        connection.sendall(said)
        assert connection.recv(1000) == b""


def test_so_is_one_whose_second_header_does_not_come(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(WHOLE)
        said = b""
        while not said.endswith(b"here"):
            said += connection.recv(1000)
        connection.sendall(WHOLE[:10])
        assert connection.recv(1000) == b""


def test_a_request_under_way_has_the_time_it_needs(port: int) -> None:
    with connect(port) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\n\r\nsl")
        time.sleep(1.5)
        connection.sendall(b"ow")
        said = b""
        while not said.endswith(b"slow"):
            part = connection.recv(1000)
            assert part, said
            said += part
