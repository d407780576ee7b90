"""The pages that everybody looks at: tonight, units, observations and images."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response

from deployments.services.pages.negotiation import HtmlRoute
from deployments.services.pages.pages import Pages
from deployments.services.pages.tonight import tonight
from deployments.services.state import Services


def main_pages_router(services: Services, pages: Pages) -> APIRouter:
    """In HTML, for who wants that."""
    router = APIRouter(route_class=HtmlRoute, include_in_schema=False)

    @router.get("/")
    def tonight_page(request: Request) -> Response:
        return pages.render(request, "tonight.html", units=tonight(services.site))

    return router
