"""Small HTTP servers on free ports of this machine, in threads, on real sockets."""

from __future__ import annotations

import contextvars
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import unquote

from tests.patience import PATIENT_SECONDS

if TYPE_CHECKING:
    from starlette.types import ASGIApp

DONE = "#====Done (2026-Nov-22,08:00:00z)====\n"
NOTHING = "#! *** Nothing found *** \n\n"


def sesame_answer(name: str, *blocks: str) -> str:
    """A whole plain answer, in the layout of CDS's server."""
    return f"# {name}\t#Q1\n" + "".join(f"{block}\n" for block in blocks) + DONE


def simbad(identifier: str, ra: str, dec: str) -> str:
    """What Sesame says of one object in SIMBAD."""
    return (
        "#=S=Simbad (via url):    1\n"
        "%@ 1575544\n"
        f"%I.0 {identifier}\n"
        "%C.0 *\n"
        f"%J {ra} {dec} = 05:35:17.3 -05:23:28\n"
        "%J.E [10000.00 10000.00 0] E 2003A&A...397..177B\n"
    )


@dataclass
class SesameServer:
    """What a server knows, how it behaves, and what it was asked."""

    url: str = ""
    known: dict[str, str] = field(default_factory=dict)
    status: int = 200
    answer: str | None = None
    """Given to every question, whatever is known."""
    asked: list[str] = field(default_factory=list)

    def answer_to(self, name: str) -> str:
        if self.answer is not None:
            return self.answer
        return sesame_answer(name, self.known.get(name, NOTHING))


@contextmanager
def sesame_server(**known: str) -> Iterator[SesameServer]:
    """A server that speaks Sesame's plain format; further names by its `known`."""
    state = SesameServer(known=dict(known))

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path, _, query = self.path.partition("?")
            assert path.endswith("/nph-sesame/SNV"), path
            state.asked.append(unquote(query))
            body = state.answer_to(unquote(query)).encode()
            self.send_response(state.status)
            self.send_header("Content-Type", "text/plain")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state.url = f"http://127.0.0.1:{server.server_address[1]}/cgi-bin/nph-sesame"
    thread = threading.Thread(target=server.serve_forever, args=[0.01])
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def free_port() -> int:
    """Of this machine; another program may take it meanwhile."""
    return free_ports(1)[0]


def free_ports(count: int) -> list[int]:
    """As many, each another."""
    with ExitStack() as opened:
        listeners = [opened.enter_context(socket.socket()) for _ in range(count)]
        for listener in listeners:
            listener.bind(("127.0.0.1", 0))
        return [listener.getsockname()[1] for listener in listeners]


@contextmanager
def serving(make: Callable[[], ASGIApp]) -> Iterator[str]:
    """Where an ASGI application is served, as the commands serve it."""
    from deployments.web import listening

    listener = listening.listen("127.0.0.1", 0)
    server = listening.server(make())
    # Prefect's settings are of a context, and a new thread has one of its own.
    run = contextvars.copy_context().run
    thread = threading.Thread(target=run, args=[server.run], kwargs={"sockets": [listener]})
    thread.start()
    try:
        deadline = time.monotonic() + PATIENT_SECONDS
        while not server.started:
            assert thread.is_alive(), "the application has ended at its start"
            assert time.monotonic() < deadline, "the application did not start"
            time.sleep(0.01)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
