"""The pages that everybody looks at: tonight, units, observations and images."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from deployments.services.pages.negotiation import HtmlRoute
from deployments.services.pages.observations import image_page, observation_page
from deployments.services.pages.pages import Pages
from deployments.services.pages.pictures import Links
from deployments.services.pages.tonight import tonight
from deployments.services.pages.units import unit_page, unit_rows
from deployments.services.state import Services


def main_pages_router(services: Services, pages: Pages) -> APIRouter:
    """In HTML, for who wants that."""
    router = APIRouter(route_class=HtmlRoute, include_in_schema=False)
    site, links = services.site, Links(services, pages)

    @router.get("/")
    def tonight_page(request: Request) -> Response:
        found = tonight(site, datetime.now(UTC))
        return pages.render(request, "tonight.html", tonight=found, links=links)

    @router.get("/units")
    def units(request: Request) -> Response:
        return pages.render(request, "units.html", units=unit_rows(site, datetime.now(UTC)))

    @router.get("/units/{unit_id}")
    def unit(unit_id: str, request: Request) -> Response:
        found = unit_page(site, unit_id, datetime.now(UTC))
        return pages.render(request, "unit.html", unit=found, links=links)

    @router.get("/observations/{sequence_id}")
    def observation(
        sequence_id: str,
        request: Request,
        cursor: Annotated[str | None, Query(max_length=400)] = None,
    ) -> Response:
        found = observation_page(site, sequence_id, cursor)
        film = links.file("timelapse", found.fields.get("timelapse_path"))
        own = film if film and film.startswith("/") else None
        return pages.render(request, "observation.html", page=found, links=links, timelapse=own)

    @router.get("/images/{image_id}")
    def image(image_id: str, request: Request) -> Response:
        return pages.render(request, "image.html", page=image_page(site, image_id), links=links)

    return router
