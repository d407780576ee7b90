"""Whether the network is well, in one sentence: for operators, and programs that watch it.

Looked at when it is asked for, at most every `FRESH_SECONDS`. ``/healthz`` says only that the
process answers.
"""

from __future__ import annotations

import time
from threading import Lock

from fastapi import APIRouter, Request
from fastapi.responses import JSONResponse, Response

from deployments.health import Verdict, look
from deployments.services.pages.negotiation import wants_html
from deployments.services.pages.pages import Pages
from deployments.services.state import Services

FRESH_SECONDS = 10.0


def health_router(services: Services, pages: Pages) -> APIRouter:
    router = APIRouter(tags=["operation"])
    lock, taken = Lock(), -float("inf")
    kept: Verdict | None = None

    @router.get("/health", responses={503: {"description": "Something is wrong"}})
    def health(request: Request) -> Response:
        """What is wrong, in one sentence, and all that was looked at.

        503 for programs where anything is. A page for who wants HTML.
        """
        nonlocal kept, taken
        with lock:
            if kept is None or time.monotonic() - taken >= FRESH_SECONDS:
                kept = look(services.site)
                taken = time.monotonic()
            verdict = kept
        detailed = not services.settings.open
        if wants_html(request.scope):
            return pages.render(request, "health.html", verdict=verdict, detailed=detailed)
        status = 200 if verdict.is_well else 503
        return JSONResponse(verdict.as_json(detailed=detailed), status_code=status)

    return router
