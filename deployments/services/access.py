"""What stands between a caller and the services: who may read, how much, and from which pages."""

from __future__ import annotations

import ipaddress
import os
import struct
from collections.abc import Callable
from pathlib import Path

from starlette.datastructures import MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.web.guards import Guard, Refused, ThisMachine, header_bytes
from panoptes.network.errors import TransientError
from panoptes.network.safe_text import safe_log

MOST_HEADER_BYTES = 16_384
"""With the URL."""
PUBLIC = frozenset({"/healthz", "/docs", "/openapi.json"})
"""What says nothing of the network."""
RETRY_SECONDS = "30"
"""After which what was away may be back."""
PUBLIC_FOLDER = "/static/"
log = safe_log(__name__)


class Everyone:
    """The operator's explicit choice."""

    async def admit(self, request: Request) -> str:
        return "everyone"


class OwnPrograms(ThisMachine):
    """Programs of the user who runs the services, and of the machine's administrator.

    A proxy is another user's, or says that it is one, or has another Host. nginx has none
    of that by default but HTTP/1.0, which other programs no longer send.
    """

    async def admit(self, request: Request) -> str:
        who = await super().admit(request)
        if request.scope["http_version"] != "1.1":
            raise Refused("it was not sent in HTTP/1.1")
        if user_of(request.scope) not in (None, 0, os.getuid()):
            raise Refused("a program of another user sent it")
        return who


def user_of(scope: Scope) -> int | None:
    """Whose program is at the other end of a connection within this machine.

    None where the system does not tell. https://docs.kernel.org/networking/proc_net_tcp.html
    """
    ends = scope["client"], scope["server"]
    table = Path("/proc/net/tcp6" if ":" in ends[0][0] else "/proc/net/tcp")
    try:
        lines = table.read_text().splitlines()[1:]
    except OSError:
        return None
    wanted = [_as_listed(*end) for end in ends]
    rows = (line.split(maxsplit=8) for line in lines)
    return next((int(row[7]) for row in rows if row[1:3] == wanted), None)


def _as_listed(address: str, port: int) -> str:
    packed = ipaddress.ip_address(address).packed
    words = struct.unpack(f"={len(packed) // 4}I", packed)
    return f"{''.join(f'{word:08X}' for word in words)}:{port:04X}"


class Admission:
    """Asks who a caller is before anything of the request's body is read.

    What is announced as longer than `most` bytes is not read either. What is posted to a path
    of `own_secrets` is admitted there, by a secret in its body. `answer` makes an answer of a
    status and a sentence.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        guard: Guard,
        most: int,
        answer: Callable[[Request, int, str], Response],
        own_secrets: frozenset[str] = frozenset(),
    ) -> None:
        self._app, self._guard, self._most, self._answer = app, guard, most, answer
        self._own_secrets = own_secrets

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            request = Request(scope)
            if header_bytes(request) > MOST_HEADER_BYTES:
                too_long = "the URL or the headers are too long"
                await self._refuse(request, 431, too_long)(scope, receive, send)
                return
            if not self._is_open(scope["method"], scope["path"]):
                try:
                    await self._guard.admit(request)
                except TransientError as error:
                    log.warning("%s", error)
                    away = self._refuse(request, 503, "who you are cannot be seen now: try again")
                    away.headers["Retry-After"] = RETRY_SECONDS
                    await away(scope, receive, send)
                    return
                except Refused as refused:
                    address = request.client.host if request.client else "nowhere"
                    log.warning("refused a request from %s: %s", address, refused)
                    answer = self._refuse(request, 401, "who you are could not be verified")
                    answer.headers["WWW-Authenticate"] = "Bearer"
                    await answer(scope, receive, send)
                    return
            if int(request.headers.get("content-length", "0")) > self._most:
                too_much = f"the request's body is larger than {self._most} bytes"
                await self._refuse(request, 413, too_much)(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _refuse(self, request: Request, status: int, message: str) -> Response:
        """An answer after which nothing more of the request is read."""
        answer = self._answer(request, status, message)
        answer.headers["Connection"] = "close"
        return answer

    def _is_open(self, method: str, path: str) -> bool:
        if path in self._own_secrets and method in ("GET", "HEAD", "POST"):
            return True
        return method in ("GET", "HEAD") and (path in PUBLIC or path.startswith(PUBLIC_FOLDER))


class BrowserRules:
    """What browsers must not do with an answer; reading it is CORS's matter.

    `shared` lets other sites' pages show files, such as previews.
    """

    def __init__(self, app: ASGIApp, *, shared: bool) -> None:
        self._app, self._shared = app, shared

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_rules(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers["X-Content-Type-Options"] = "nosniff"
                if not self._shared:
                    headers["Cross-Origin-Resource-Policy"] = "same-origin"
            await send(message)

        await self._app(scope, receive, send_with_rules)
