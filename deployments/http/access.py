"""What stands between a caller and the services: who may read, how much, and from which pages."""

from __future__ import annotations

from collections.abc import Collection

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from deployments.events.authentication import Refused, is_loopback

_FORWARDED = ("forwarded", "x-forwarded-for", "x-forwarded-host", "via")


class Everyone:
    """The operator's explicit choice."""

    async def admit(self, request: Request) -> str:
        return "everyone"


class LocalPrograms:
    """Programs on this machine, and pages that its user looks at; nothing that is passed on
    from elsewhere."""

    async def admit(self, request: Request) -> str:
        if request.client is None or not is_loopback(request.client.host):
            raise Refused("it does not come from this machine")
        if forwarded := [name for name in _FORWARDED if name in request.headers]:
            raise Refused(f"it was passed on for somebody else ({forwarded[0]})")
        return "this machine"


class BodyLimit:
    """Reads the whole body of a request before the application does, up to a limit."""

    def __init__(self, app: ASGIApp, *, most: int) -> None:
        self._app, self._most = app, most

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = Headers(scope=scope).get("content-length", "0")
        if not (declared.isascii() and declared.isdigit() and len(declared) < 12):
            await _too_much(self._most)(scope, receive, send)
            return
        body = bytearray()
        more = int(declared) <= self._most
        if not more:
            await _too_much(self._most)(scope, receive, send)
            return
        while more:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > self._most:
                await _too_much(self._most)(scope, receive, send)
                return
        given = False

        async def again() -> Message:
            nonlocal given
            if given:
                return await receive()
            given = True
            return {"type": "http.request", "body": bytes(body), "more_body": False}

        await self._app(scope, again, send)


def _too_much(most: int) -> Response:
    message = f"the request's body is larger than {most} bytes"
    return JSONResponse(
        {"success": False, "message": message}, status_code=413, headers={"Connection": "close"}
    )


class Pages:
    """CORS as the network's services always had it: any page may read, unless told otherwise.

    https://fetch.spec.whatwg.org/#http-cors-protocol
    """

    def __init__(self, app: ASGIApp, *, origins: Collection[str]) -> None:
        self._app, self._origins = app, frozenset(origins)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = Headers(scope=scope)
        allowed = self._allowed(request.get("origin"))
        if scope["method"] == "OPTIONS" and "access-control-request-method" in request:
            headers = self._headers(allowed) | {
                "Access-Control-Allow-Methods": "GET, HEAD, POST",
                "Access-Control-Allow-Headers": "Authorization, Content-Type, If-None-Match, Range",
                "Access-Control-Max-Age": "3600",
            }
            await Response(status_code=204, headers=headers)(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in self._headers(allowed).items():
                    headers.append(name, value)
                headers["X-Content-Type-Options"] = "nosniff"
            await send(message)

        await self._app(scope, receive, send_with_headers)

    def _allowed(self, origin: str | None) -> str | None:
        if "*" in self._origins:
            return "*"
        return origin if origin in self._origins else None

    def _headers(self, allowed: str | None) -> dict[str, str]:
        headers = {} if "*" in self._origins else {"Vary": "Origin"}
        if allowed is not None:
            headers["Access-Control-Allow-Origin"] = allowed
            headers["Access-Control-Expose-Headers"] = (
                "Accept-Ranges, Content-Length, Content-Range, ETag, Last-Modified, Retry-After"
            )
        return headers
