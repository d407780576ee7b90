"""What became of a file, by its name."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import Response

from deployments.services.models import Problem
from deployments.services.pages.negotiation import HtmlRoute
from deployments.services.pages.pages import Pages
from deployments.services.pages.pictures import Links
from deployments.services.state import Services
from panoptes.network.object_paths import BadPath, NotOurs
from panoptes.network.whereabouts import FileReports, what_became_of

MOST_NAME = 4096
_ADDRESS = "/files"


def file_pages_router(services: Services, pages: Pages) -> APIRouter:
    """``/files?name=``, for people and as JSON."""
    router = APIRouter()
    for_people = APIRouter(route_class=HtmlRoute, include_in_schema=False)

    def answer(request: Request, name: str) -> FileReports:
        return what_became_of(
            services.site,
            name,
            hidden=services.settings.hidden,
            files_url=services.files_url(request),
        )

    @for_people.get(_ADDRESS)
    def page(request: Request, name: Annotated[str, Query(max_length=MOST_NAME)] = "") -> Response:
        found, problem = None, ""
        if name.strip():
            try:
                found = answer(request, name)
            except (BadPath, NotOurs) as error:
                problem = str(error)
        unknown = found is not None and found.files[0].state == "unknown"
        return pages.render(
            request,
            "file.html",
            400 if problem else 404 if unknown else 200,
            name=name,
            found=found,
            problem=problem,
            links=Links(services, pages),
        )

    @router.get(
        _ADDRESS,
        tags=["files"],
        responses={
            400: {"model": Problem, "description": "This names no file"},
            404: {"model": Problem, "description": "The address is none of this network"},
        },
    )
    def what_became(
        request: Request,
        name: Annotated[
            str,
            Query(
                min_length=1,
                max_length=MOST_NAME,
                description="as it was uploaded, as it is archived, or its address; its last part",
                examples=["PAN001/14d3bd/20180216T110623/20180216T112430.fits"],
            ),
        ],
    ) -> FileReports:
        """What became of a file: archived, quarantined and why, still waiting, or not known."""
        return answer(request, name)

    both = APIRouter()
    both.include_router(for_people)  # first: what wants no HTML passes it by
    both.include_router(router)
    return both
