"""The preconditions of Cloud Storage, put in front of fake-gcs-server, which ignores most.

A reverse proxy on 127.0.0.1. ``ifGenerationMatch``, ``ifGenerationNotMatch``, their
``Metageneration`` and ``Source`` forms are held for every upload, copy, read and removal
(https://cloud.google.com/storage/docs/request-preconditions). Whoever writes an object holds
its lock, so create-only and compare-and-set are atomic.

It can also misbehave, for tests: ``POST /faults`` with a JSON list such as
``["lose", "damage", 503]`` makes the next requests about objects, in turn, lose their answer
once done, flip a bit of the body they give back, or fail with a status. Damage is another each
time, as that of the way is; ``"rot"`` is always the same, as that of a disk. ``"drop"`` breaks
the connection off while the request is read, and nothing is done; ``"cut"`` does it half-way
through the answer; ``"hang"`` does nothing and never answers. ``null`` lets one pass.
``GET /requests`` lists the requests about objects since it was last asked.

Uses the standard library alone, so that it starts in a tenth of a second.
"""

from __future__ import annotations

import contextlib
import http.client
import http.server
import itertools
import json
import re
import socket
import struct
import sys
import threading
from collections import defaultdict, deque
from collections.abc import Mapping
from typing import Literal, NamedTuple, TypeAlias
from urllib.parse import parse_qsl, quote, unquote, urlsplit

HOST = "127.0.0.1"
_OBJECT = re.compile(
    r"(?:/download|/upload)?/storage/v1/b/(?P<bucket>[^/]+)/o(?:/(?P<name>[^/]+))?"
    r"(?:/(?:rewriteTo|copyTo)/b/(?P<to_bucket>[^/]+)/o/(?P<to_name>[^/]+)|/compose)?"
)
_LAST_CHUNK = re.compile(r"bytes (?:\d+-(?P<last>\d+)|\*)/(?P<total>\d+)")
_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "host", "date"}
_REMEMBERED = 1000
_HANG_SECONDS = 300.0
_STRIDE = 7919
_damages = itertools.count(1)
"""Counted, so that no two damages near each other hit the same bit."""

Key: TypeAlias = tuple[str, str]
Query: TypeAlias = Mapping[str, str]
Fault: TypeAlias = Literal["lose", "damage", "rot", "drop", "cut", "hang"] | int | None


class State(NamedTuple):
    generation: int
    metageneration: int


ABSENT = State(0, 0)


class Answer(NamedTuple):
    status: int
    headers: list[tuple[str, str]]
    body: bytes


def is_conditional(query: Query) -> bool:
    return any(each.startswith("if") for each in query)


def refusal(state: State, query: Query, kind: str = "", *, is_read: bool = False) -> int | None:
    """The status with which a request is refused, or None if its preconditions hold."""
    for subject, value in (("Generation", state.generation), ("Metageneration", state[1])):
        match = query.get(f"if{kind}{subject}Match")
        if match is not None and int(match) != value:
            return 404 if is_read and state == ABSENT else 412
        other = query.get(f"if{kind}{subject}NotMatch")
        if other is not None and int(other) == value:
            return 304 if is_read else 412
    return None


class Proxy(http.server.ThreadingHTTPServer):
    """Forwards to fake-gcs-server on `backend`, a port of this machine."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, backend: int, port: int = 0) -> None:
        super().__init__((HOST, port), Handler)
        self.backend = backend
        self.uploads: dict[str, tuple[Key, Query]] = {}
        """Resumable uploads that have begun: their object and preconditions, by upload id."""
        self.faults: deque[Fault] = deque()
        self._locks: defaultdict[Key, threading.RLock] = defaultdict(threading.RLock)
        self._requests: deque[str] = deque(maxlen=_REMEMBERED)
        self._guard = threading.Lock()

    def lock(self, key: Key) -> threading.RLock:
        with self._guard:
            return self._locks[key]

    def begin(self, request: str) -> Fault:
        """Note a request about an object; gives what is to become of it."""
        with self._guard:
            self._requests.append(request)
            return self.faults.popleft() if self.faults else None

    def take_requests(self) -> list[str]:
        with self._guard:
            taken, self._requests = list(self._requests), deque(maxlen=_REMEMBERED)
            return taken


class Handler(http.server.BaseHTTPRequestHandler):
    """One connection of a client, and one to the server behind."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Proxy

    def setup(self) -> None:
        super().setup()
        self._backend = http.client.HTTPConnection(HOST, self.server.backend, timeout=120)

    def finish(self) -> None:
        self._backend.close()
        super().finish()

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing of requests."""

    def handle_any(self) -> None:
        url = urlsplit(self.path)
        found = _OBJECT.fullmatch(url.path)
        fault = self.server.begin(f"{self.command} {self.path}") if found else None
        if fault == "drop":
            self.rfile.read(int(self.headers.get("Content-Length") or 0) // 2)
            self._break_off()
            return
        body = self._read_body()
        if url.path == "/faults":
            self.server.faults = deque(json.loads(body))
            self._answer(Answer(204, [], b""))
            return
        if url.path == "/requests":
            self._answer(Answer(200, [], json.dumps(self.server.take_requests()).encode()))
            return
        if found is None:
            self._answer(self._forward(body))
            return
        if fault == "hang":
            self._await_hang_up()
            return
        if isinstance(fault, int):
            self._answer(_failure(fault))
            return
        query = dict(parse_qsl(url.query, keep_blank_values=True))
        keys = {part: unquote(text) for part, text in found.groupdict().items() if text}
        answer = self._guarded(url.path, query, keys, body)
        if fault == "lose":
            self.close_connection = True
            return
        if fault in ("damage", "rot") and answer.body:
            answer = _damaged(answer, always_alike=fault == "rot")
        if fault == "cut":
            self._answer(answer, most=len(answer.body) // 2)
            self._break_off()
            return
        self._answer(answer)

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = handle_any  # noqa: N815

    def _guarded(self, path: str, query: Query, keys: dict[str, str], body: bytes) -> Answer:
        """Do what is asked for if its preconditions hold."""
        if path.startswith("/upload/"):
            return self._upload(keys["bucket"], query, body)
        if "name" not in keys:
            return self._forward(body)
        source = (keys["bucket"], keys["name"])
        if "to_name" in keys:
            target = (keys["to_bucket"], keys["to_name"])
            with self.server.lock(target):
                refused = refusal(self._state(source), query, "Source")
                refused = refused or refusal(self._state(target), query)
                return _failure(refused) if refused else self._forward(body)
        is_read = self.command in ("GET", "HEAD")
        if is_read and not is_conditional(query):
            return self._forward(body)
        with self.server.lock(source):
            refused = refusal(self._state(source), query, is_read=is_read)
            return _failure(refused) if refused else self._forward(body)

    def _upload(self, bucket: str, query: Query, body: bytes) -> Answer:
        if upload := query.get("upload_id"):
            begun = self.server.uploads.get(upload)
            if begun is None or not self._is_last_chunk():
                return self._forward(body)
            return self._write(*begun, body)
        resumable = query.get("uploadType") == "resumable"
        name = query.get("name")
        if name is None:
            # A multipart body is the metadata, then the bytes (RFC 2387).
            document = body if resumable else body.split(b"\r\n\r\n", 1)[1].split(b"\r\n--", 1)[0]
            name = json.loads(document)["name"]
        answer = self._write((bucket, name), query, body)
        if resumable:
            place = {each.lower(): value for each, value in answer.headers}.get("location", "")
            upload = dict(parse_qsl(urlsplit(place).query)).get("upload_id")
            if upload:
                self.server.uploads[upload] = ((bucket, name), query)
        return answer

    def _write(self, key: Key, query: Query, body: bytes) -> Answer:
        with self.server.lock(key):
            refused = refusal(self._state(key), query) if is_conditional(query) else None
            return _failure(refused) if refused else self._forward(body)

    def _is_last_chunk(self) -> bool:
        text = self.headers.get("Content-Range")
        if text is None:
            return True
        found = _LAST_CHUNK.fullmatch(text)
        return found is not None and (
            found["last"] is None or int(found["last"]) + 1 == int(found["total"])
        )

    def _state(self, key: Key) -> State:
        bucket, name = (quote(part, safe="") for part in key)
        answer = self._ask("GET", f"/storage/v1/b/{bucket}/o/{name}", b"", {})
        if answer.status != 200:
            return ABSENT
        document = json.loads(answer.body)
        return State(int(document["generation"]), int(document.get("metageneration", 1)))

    def _forward(self, body: bytes) -> Answer:
        headers = {k: v for k, v in self.headers.items() if k.lower() not in _HOP_BY_HOP}
        headers["Host"] = self.headers.get("Host", HOST)
        if body or self.command in ("POST", "PUT", "PATCH"):
            headers["Content-Length"] = str(len(body))
        return self._ask(self.command, self.path, body, headers)

    def _ask(self, command: str, path: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        try:
            self._backend.request(command, path, body=body, headers=dict(headers))
            response = self._backend.getresponse()
            kept = [(k, v) for k, v in response.getheaders() if k.lower() not in _HOP_BY_HOP]
            return Answer(response.status, kept, response.read())
        except (OSError, http.client.HTTPException):
            self._backend.close()
            return _failure(502)

    def _read_body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        body = bytearray()
        while size := int(self.rfile.readline().split(b";")[0], 16):
            body += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return bytes(body)

    def _break_off(self) -> None:
        """End the connection as a broken network does: by a reset."""
        self.wfile.flush()
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    def _await_hang_up(self) -> None:
        """Say nothing until the client gives up."""
        self.connection.settimeout(_HANG_SECONDS)
        with contextlib.suppress(OSError):
            self.rfile.read(1)
        self.close_connection = True

    def _answer(self, answer: Answer, *, most: int | None = None) -> None:
        self.send_response(answer.status)
        for key, value in answer.headers:
            self.send_header(key, value)
        if answer.status not in (204, 304):
            self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD" and answer.status not in (204, 304):
            self.wfile.write(answer.body[:most])


def _damaged(answer: Answer, *, always_alike: bool) -> Answer:
    """An answer with one bit flipped; of JSON the last one, so that it is none any more."""
    kinds = {key.lower(): value for key, value in answer.headers}
    is_json = kinds.get("content-type", "").startswith("application/json")
    body = bytearray(answer.body)
    bit = 0 if always_alike or is_json else next(_damages) * _STRIDE % (8 * len(body))
    body[-1 - bit // 8] ^= 1 << bit % 8
    return answer._replace(body=bytes(body))


def _failure(status: int) -> Answer:
    message = {412: "At least one of the pre-conditions you specified did not hold."}.get(
        status, http.client.responses.get(status, "")
    )
    error = {"domain": "global", "reason": "conditionNotMet", "message": message}
    body = {"error": {"code": status, "message": message, "errors": [error]}}
    return Answer(status, [("Content-Type", "application/json")], json.dumps(body).encode())


def main() -> None:
    """``preconditions.py BACKEND_PORT PORT``."""
    Proxy(int(sys.argv[1]), int(sys.argv[2])).serve_forever()


if __name__ == "__main__":
    main()
