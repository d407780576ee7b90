"""HEAD wherever there is GET: the same headers, and nothing of the body is made or read."""

from __future__ import annotations

import anyio
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class Heads:
    """Answers HEAD as GET up to the body, before which the work at it is broken off."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        is_head = scope["method"] == "HEAD"

        async def send_on(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if headers.get("allow") == "GET":
                    headers["allow"] = "GET, HEAD"
            if working.cancel_called:
                return
            await send(message)
            if is_head:
                await send({"type": "http.response.body"})
                working.cancel()

        asked = {**scope, "method": "GET"} if is_head else scope
        with anyio.CancelScope() as working:
            await self._app(asked, receive, send_on)
