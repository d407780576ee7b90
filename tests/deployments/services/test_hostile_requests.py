"""Requests that no client sends: what is asked of the services stays theirs to decide."""

from __future__ import annotations

import os
import resource
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest

from panoptes.network.site import Site
from tests.archives import small_archive
from tests.deployments.services.served import FILE, NOWHERE, served
from tests.patience import PATIENT_SECONDS

SECRET = "c2VydmljZXMgZm9yIHRlc3Rz"
HOST = b"Host: here\r\n"
BEARER = f"Authorization: Bearer {SECRET}\r\n".encode()


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return small_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def guarded(site: Site) -> Iterator[httpx.Client]:
    with served(site, token=SECRET, files="images") as client:
        yield client


def said_to(client: httpx.Client, request: bytes, *, until: bytes = b"") -> bytes:
    """Everything that is answered until the services close, or `until` has come."""
    address = (client.base_url.host, client.base_url.port)
    with socket.create_connection(address, timeout=PATIENT_SECONDS) as connection:
        connection.sendall(request)
        said = b""
        try:
            while part := connection.recv(65_536):
                said += part
                if until and until in said:
                    break
        except ConnectionResetError:
            pass
    return said


def statuses(said: bytes) -> list[int]:
    return [int(part[:3]) for part in said.split(b"HTTP/1.1 ")[1:]]


@pytest.mark.parametrize(
    "lines",
    [
        b"GET /units HTTP/1.1\r\nHost: here\r\nHost: there\r\n",
        b"GET /units HTTP/1.1\r\n",
        b"POST /lookup-field HTTP/1.1\r\nHost: here\r\nContent-Length: 4\r\nContent-Length: 5\r\n",
        b"POST /lookup-field HTTP/1.1\r\nHost: here\r\nContent-Length: 4x\r\n",
        b"POST /lookup-field HTTP/1.1\r\nHost: here\r\nContent-Length: -1\r\n",
        b"POST /lookup-field HTTP/1.1\r\nHost: here\r\nContent-Length: " + b"9" * 5000 + b"\r\n",
        b"POST /lookup-field HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: gzip, chunked\r\n",
        b"GET /units HTTP/1.1\r\nHost: here\r\nX: a\r\n b\x00\r\n",
        b"GET /un its HTTP/1.1\r\nHost: here\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n",
    ],
)
def test_what_is_no_http_is_refused(guarded: httpx.Client, lines: bytes) -> None:
    said = said_to(guarded, lines + BEARER + b"\r\n")
    assert statuses(said)[0] >= 400
    assert b"PAN001" not in said


@pytest.mark.parametrize(
    "first",
    [
        b"GET http://127.0.0.1/units HTTP/1.1\r\n",
        b"GET http://127.0.0.1/healthz/../units HTTP/1.1\r\n",
        b"GET //units HTTP/1.1\r\n",
        b"GET /healthz/../units HTTP/1.1\r\n",
        b"GET /healthz%2f..%2funits HTTP/1.1\r\n",
        b"GET /%75nits HTTP/1.1\r\n",
        b"GET /docs/../units HTTP/1.1\r\n",
        b"GET /units?/healthz HTTP/1.1\r\n",
        b"GET /units#/healthz HTTP/1.1\r\n",
        b"GET * HTTP/1.1\r\n",
        b"CONNECT 127.0.0.1:22 HTTP/1.1\r\n",
        b"OPTIONS /units HTTP/1.1\r\n",
        b"HEAD /units HTTP/1.1\r\n",
        b"TRACE /units HTTP/1.1\r\n",
        b"POST /healthz HTTP/1.1\r\nContent-Length: 0\r\n",
        b"GET /units HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
        b"GET /units HTTP/1.1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n",
        b"GET /units HTTP/1.1\r\nX-HTTP-Method-Override: OPTIONS\r\n",
        b"GET /units HTTP/1.1\r\nAuthorization: Bearer\r\n",
        b"GET /units HTTP/1.1\r\n" + BEARER + BEARER,
    ],
)
def test_no_form_of_a_request_goes_around_the_token(guarded: httpx.Client, first: bytes) -> None:
    said = said_to(guarded, first + HOST + b"\r\n", until=b"\r\n\r\n")
    assert statuses(said)[0] in (400, 401)
    assert b"PAN001" not in said


def test_each_of_several_requests_at_once_needs_the_token(guarded: httpx.Client) -> None:
    plain, admitted = (b"GET /units HTTP/1.1\r\n" + HOST + x + b"\r\n" for x in (b"", BEARER))
    said = said_to(guarded, admitted + admitted + plain + admitted)
    assert statuses(said) == [200, 200, 401]


def test_a_request_hidden_in_a_body_is_not_read_as_one(guarded: httpx.Client) -> None:
    hidden = b"GET /units HTTP/1.1\r\n" + HOST + BEARER + b"\r\n"
    both = b"Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n"
    for head in (b"POST /lookup-field HTTP/1.1\r\n", b"POST /healthz HTTP/1.1\r\n"):
        said = said_to(guarded, head + HOST + both + hidden)
        assert statuses(said)[0] in (400, 401)
        assert b"PAN001" not in said


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("bytes=" + "0-0," * 2000 + "0-0", 200),
        ("bytes=" + "9" * 5000 + "-", 200),
        ("bytes=" + " " * 9000 + "0-1", 206),
        ("bytes=-0", 416),
        ("bytes=5-1", 200),
        ("bits=0-1", 200),
    ],
    ids=["many", "beyond", "blanks", "nothing", "backwards", "other unit"],
)
def test_ranges_cost_no_more_than_the_file(guarded: httpx.Client, value: str, status: int) -> None:
    bearer = {"Authorization": f"Bearer {SECRET}"}
    assert guarded.get(FILE, headers=bearer | {"Range": value}).status_code == status


# A lookup that is made to be slow

HOSTILE = [
    "1" * 50 + "!",
    "12:" * 60 + "x",
    "12d" * 60 + "1x",
    "1 " * 90 + "!",
    "1.1" * 60 + "!",
    "J" + "1" * 190 + "!",
    "hms" * 60 + "1!",
    "+1" * 90 + "°!",
    "1" * 200,
]


@pytest.fixture
def serving_process(site: Site, repository: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    command = [sys.executable, "-m", "deployments.command_line.main", "serve", "--port", "0"]
    process = subprocess.Popen(
        [*command, "--data", str(Path(site.settings.images).parent)], cwd=repository,
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        env=os.environ | {"PANOPTES_SESAME": NOWHERE},
    )  # fmt: skip
    assert process.stdout is not None
    try:
        yield process.stdout.readline().split(" ")[0], process
    finally:
        process.kill()
        process.communicate()


def test_hostile_names_neither_hang_the_services_nor_keep_them_from_stopping(
    serving_process: tuple[str, subprocess.Popen[str]],
) -> None:
    url, process = serving_process
    answers: list[int] = []

    def ask(path: str, name: str, text: str) -> None:
        answers.append(httpx.get(url + path, params={name: text}, timeout=60).status_code)

    def ask_in_vain(path: str, name: str, text: str) -> None:
        with suppress(httpx.TransportError):  # the service may be gone before it is asked
            ask(path, name, text)

    threads = [
        threading.Thread(target=ask, args=(path, name, text))
        for text in HOSTILE
        for path, name in (
            ("/lookup-field", "search_string"),
            ("/observations", "near"),
            ("/observations.csv", "near"),
        )
    ]
    for thread in threads:
        thread.start()
    assert httpx.get(f"{url}/healthz", timeout=60).status_code == 200
    for thread in threads:
        thread.join()
    assert set(answers) <= {400, 404, 422, 503}
    assert len(answers) == len(threads)
    stopping = threading.Thread(
        target=ask_in_vain, args=("/lookup-field", "search_string", HOSTILE[0])
    )
    stopping.start()
    process.send_signal(signal.SIGTERM)
    process.wait(timeout=60)
    stopping.join()


@pytest.mark.parametrize("text", ["1" * 50 + "!", "12d" * 60 + "1x"])
@pytest.mark.parametrize("command", [["lookup"], ["search", "--near"]])
def test_hostile_names_do_not_hang_the_commands(
    site: Site, repository: Path, command: list[str], text: str
) -> None:
    """By CPU time, of which starting takes some seconds."""
    data = str(Path(site.settings.images).parent)
    if command == ["lookup"]:
        command = ["lookup", "--"]
    typed = [
        sys.executable,
        "-m",
        "deployments.command_line.main",
        command[0],
        "--data",
        data,
        *command[1:],
        text,
    ]
    done = subprocess.run(
        typed, cwd=repository, capture_output=True, text=True,
        env=os.environ | {"PANOPTES_SESAME": NOWHERE},
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_CPU, (20, 21)),
    )  # fmt: skip
    assert done.returncode in (1, 3), done.stderr
    assert done.stderr.startswith(f"panoptes-network {command[0]}: ")


def test_what_nobody_expected_is_answered_whole_and_says_that_the_connection_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(*_: str) -> None:
        raise ZeroDivisionError

    site = small_archive(tmp_path)
    monkeypatch.setattr(type(site.catalog), "get", fault)
    request = b"GET /units/PAN001 HTTP/1.1\r\n" + HOST + b"Accept: text/html\r\n\r\n"
    with served(site) as client:
        said = said_to(client, 2 * request)
        assert statuses(said) == [500]
        assert b"connection: close" in said.lower()
        assert said.endswith(b"</html>")
        assert client.get("/healthz").status_code == 200
