"""A connection must say what it wants, and soon.

Servers count connections, not requests: a thousand that say nothing, half a header, or one
byte of a body a second, would keep everyone else out.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import uvicorn
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_SECONDS = 10.0
"""From a connection, or the first byte of its next request, to the end of the body."""
SHARE_OF_WAITING = 0.6
"""Of the connections that may be open. With more, those go that have waited for their peer the
longest; the rest is for those that are being answered."""
LINGER_SECONDS = 2.0
"""For the rest of a request that was answered before its end."""
MOST_QUEUED = 1024
"""In the system's queue. What does not fit there comes again only after seconds."""
_TOO_LATE = (
    b"HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Length: 45\r\n"
    b"Content-Type: text/plain\r\n\r\nthe request took longer than it may take here"
)


class PatientServer(uvicorn.Server):
    """Lets callers wait to be connected, more of them than it connects at once."""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or ():
            listener.listen(MOST_QUEUED)


class PunctualProtocol(H11Protocol):
    """uvicorn's HTTP/1.1, which closes connections whose request does not come."""

    _deadline: asyncio.TimerHandle | None = None
    _since = 0.0
    """When the peer was last in debt to us."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._since = self.loop.time()
        self._arm()
        self._make_room()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._has_request():
            self._disarm()
        else:
            self._arm()

    def on_response_complete(self) -> None:
        self._since = self.loop.time()
        super().on_response_complete()
        if self.cycle.more_body:  # of a request that came with the one before
            self._arm()

    def connection_lost(self, exc: Exception | None) -> None:
        self._disarm()
        super().connection_lost(exc)

    def _has_request(self) -> bool:
        """Whether a whole request waits for our answer."""
        cycle = self.cycle
        return cycle is not None and not (cycle.response_complete or cycle.more_body)

    def _arm(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(REQUEST_SECONDS, self._close)

    def _disarm(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _close(self) -> None:
        if self.cycle is not None and not self.cycle.response_started:
            self.transport.write(_TOO_LATE)
        self.transport.close()

    def _make_room(self) -> None:
        """Those at work stay. Those whose peer does not read go after those without a request."""
        assert self.limit_concurrency is not None
        most = int(self.limit_concurrency * SHARE_OF_WAITING)
        if len(self.connections) <= most:
            return
        others = [each for each in self.connections if isinstance(each, PunctualProtocol)]
        staying = [each for each in others if not each.transport.is_closing()]
        for each in set(others).difference(staying):
            each.transport.abort()  # else it is there until its peer has read everything
        owed = [x for x in staying if not x._has_request() or x.flow.write_paused]
        if owed and len(staying) > most:
            min(owed, key=lambda x: (x._has_request(), x._since)).transport.abort()


class LingeringClose:
    """Lets a caller who is refused in the middle of sending read the answer.

    A connection that is closed with bytes unread is reset, and the answer is lost with it.
    So the answer goes out whole, and what still comes is thrown away for a moment before the
    connection is closed (RFC 9112, section 9.6).
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _has_body(Headers(scope=scope)):
            await self._app(scope, receive, send)
            return
        more = True

        async def receive_on() -> Message:
            nonlocal more
            message = await receive()
            more = bool(message.get("more_body"))
            return message

        async def send_and_linger(message: Message) -> None:
            if more and message["type"] == "http.response.body" and not message.get("more_body"):
                await send({**message, "more_body": True})
                with suppress(TimeoutError):
                    async with asyncio.timeout(LINGER_SECONDS):
                        while more:
                            await receive_on()
                message = {"type": "http.response.body"}
            await send(message)

        await self._app(scope, receive_on, send_and_linger)


def _has_body(headers: Headers) -> bool:
    return "transfer-encoding" in headers or headers.get("content-length", "0") != "0"
