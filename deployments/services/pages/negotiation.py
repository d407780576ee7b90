"""Whether a caller wants a page for people, or an answer for programs."""

from __future__ import annotations

from fastapi.routing import APIRoute
from starlette.datastructures import Headers, MutableHeaders
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_HTML = ("text/html", "application/xhtml+xml")


def wants_html(scope: Scope) -> bool:
    """Whether `Accept` names HTML, and nothing else that we answer above it.

    Browsers do; programs that take anything (``*/*``) get what they always got.
    """
    said = _qualities(",".join(Headers(scope=scope).getlist("accept")))
    html = max(said.get(kind, 0.0) for kind in _HTML)
    others = max(said.get(kind, 0.0) for kind in ("application/json", "text/csv"))
    return html > 0 and html >= others


def wants_csv(scope: Scope) -> bool:
    """Whether `Accept` names CSV above JSON and HTML."""
    said = _qualities(",".join(Headers(scope=scope).getlist("accept")))
    others = ("application/json", *_HTML)
    return said.get("text/csv", 0.0) > max(said.get(kind, 0.0) for kind in others)


def _qualities(accept: str) -> dict[str, float]:
    found: dict[str, float] = {}
    for part in accept.split(","):
        kind, *parameters = (each.strip().lower() for each in part.split(";"))
        quality = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            found[kind] = float(quality)
        except ValueError:
            found[kind] = 0.0
    return found


class HtmlRoute(APIRoute):
    """A route that is only there for who wants HTML: others are answered by the next one.

    Use it as ``APIRouter(route_class=HtmlRoute, include_in_schema=False)``.
    """

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        if scope["type"] == "http" and wants_html(scope):
            return super().matches(scope)
        return Match.NONE, {}


class VaryByAccept:
    """Says to caches that the same address has several answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_vary(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).add_vary_header("Accept")
            await send(message)

        await self._app(scope, receive, send_with_vary)
