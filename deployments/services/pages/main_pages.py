"""The pages that everybody looks at: tonight, units, observations and images."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from deployments.services.night_routes import checked_night, night_of_unit
from deployments.services.pages.negotiation import HtmlRoute
from deployments.services.pages.nights import Plots, neighbours, night_page, nights_page
from deployments.services.pages.observations import CoursePlots, image_page, observation_page
from deployments.services.pages.pages import Pages
from deployments.services.pages.pictures import Links
from deployments.services.pages.tonight import tonight
from deployments.services.pages.units import unit_page, unit_rows
from deployments.services.state import Services
from panoptes.network.nights.words import STAGE_WORDS, summary
from panoptes.network.storage.store import NotFound


def main_pages_router(services: Services, pages: Pages) -> APIRouter:
    """In HTML, for who wants that."""
    router = APIRouter(route_class=HtmlRoute, include_in_schema=False)
    site, links = services.site, Links(services, pages)
    plots, courses = Plots(), CoursePlots()
    quiet_hours = site.settings.quiet_hours

    @router.get("/")
    def tonight_page(request: Request) -> Response:
        found = tonight(site, datetime.now(UTC))
        return pages.render(request, "tonight.html", tonight=found, links=links)

    @router.get("/units")
    def units(request: Request) -> Response:
        return pages.render(request, "units.html", units=unit_rows(site, datetime.now(UTC)))

    @router.get("/units/{unit_id}")
    def unit(unit_id: str, request: Request) -> Response:
        found = unit_page(site, unit_id, datetime.now(UTC), hidden=services.settings.hidden)
        return pages.render(request, "unit.html", unit=found, links=links, quiet_hours=quiet_hours)

    @router.get("/observations/{sequence_id}")
    def observation(
        sequence_id: str,
        request: Request,
        cursor: Annotated[str | None, Query(max_length=400)] = None,
    ) -> Response:
        found = observation_page(site, sequence_id, cursor, hidden=services.settings.hidden)
        return pages.render(
            request,
            "observation.html",
            page=found,
            quiet_hours=quiet_hours,
            cursor=cursor,
            links=links,
            film=links.film(sequence_id, found.images),
            own_film=links.file("timelapse", found.fields.get("timelapse_path")),
            plots=courses.of(found),
        )

    @router.get("/images/{image_id}")
    def image(image_id: str, request: Request) -> Response:
        return pages.render(request, "image.html", page=image_page(site, image_id), links=links)

    @router.get("/nights")
    def nights(
        request: Request,
        unit_id: Annotated[str | None, Query(max_length=100)] = None,
        before: Annotated[str | None, Query(max_length=40)] = None,
    ) -> Response:
        try:
            found = nights_page(site, unit_id or None, before or None)
        except ValueError as error:
            raise NotFound(str(error)) from None
        return pages.render(
            request, "nights.html", page=found, unit_id=unit_id or None, before=before or None
        )

    @router.get("/nights/{night}")
    def night(night: str, request: Request) -> Response:
        found = night_page(site, night)
        return pages.render(request, "night.html", page=found, links=links)

    @router.get("/nights/{night}/{unit_id}")
    def unit_night_page(night: str, unit_id: str, request: Request) -> Response:
        found = night_of_unit(services, unit_id, checked_night(night))
        before, after = neighbours(site, found.night, unit_id)
        return pages.render(
            request,
            "unit_night.html",
            night=found,
            before=before,
            after=after,
            summary=summary(found),
            stage_words=STAGE_WORDS,
            plots=plots.of(found),
        )

    return router
