"""Searching for observations, in a form that needs no script."""

from __future__ import annotations

from datetime import datetime
from typing import Any, get_args

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import ValidationError

from deployments.services.models import ImageTypes, PagedSelection
from deployments.services.pages.negotiation import HtmlRoute
from deployments.services.pages.pages import Pages
from deployments.services.pages.pictures import Links
from deployments.services.state import Services
from panoptes.network.catalog.catalog import Fields, Query, Stored
from panoptes.network.errors import TransientError, first_fault
from panoptes.network.lookup.resolve import resolve_name
from panoptes.network.lookup.resolved import NoSuchName
from panoptes.network.search import (
    BadCursor,
    Page,
    TooMany,
    all_units,
    find_observations,
    read_cursor,
)

ON_A_PAGE = 25
_MANY = {"unit_id", "camera_id", "status", "tag", "image_type"}
_OF_A_PAGE = {"cursor", "limit"}


def search_pages_router(services: Services, pages: Pages) -> APIRouter:
    """``/observations`` for people."""
    router = APIRouter(route_class=HtmlRoute, include_in_schema=False)

    @router.get("/observations")
    def search(request: Request) -> Response:
        asked = _asked(request)
        selection, found, place, problem, status = None, None, None, "", 200
        try:
            selection = PagedSelection.model_validate({"limit": ON_A_PAGE, **asked})
            if selection.near is not None:
                place = resolve_name(selection.near, sesame=services.sesame, known=services.known)
            wanted = selection.wanted(None if place is None else (place.ra, place.dec))
            found = find_observations(
                services.site.catalog, wanted, limit=selection.limit, cursor=selection.cursor
            )
        except ValidationError as error:
            problem, status = first_fault(error), 422
        except NoSuchName as error:
            problem, status = str(error), 404
        except (BadCursor, TooMany) as error:
            problem, status = str(error), 400
        except TransientError as error:
            problem, status = str(error), 503
        filters = {name: value for name, value in asked.items() if name not in _OF_A_PAGE}
        return pages.render(
            request,
            "search.html",
            status,
            links=Links(services, pages),
            asked=asked,
            start=selection and _of_the_form(selection.start),
            end=selection and _of_the_form(selection.end),
            filters=filters,
            problem=problem,
            place=place,
            rows=[] if found is None else _rows(services, found),
            found=found,
            looked_back_to=None if found is None else _looked_back_to(found),
            units=[each.key for each in all_units(services.site.catalog)],
            image_types=get_args(ImageTypes),
        )

    return router


def _asked(request: Request) -> dict[str, Any]:
    """What the form says: what was left empty was not asked for."""
    found: dict[str, Any] = {}
    for name, value in request.query_params.multi_items():
        if not value.strip():
            continue
        if name in _MANY:
            found.setdefault(name, []).append(value.strip())
        else:
            found[name] = value.strip()
    return found


def _of_the_form(moment: datetime | None) -> str | None:
    """As an input of type datetime-local holds it."""
    return moment.strftime("%Y-%m-%dT%H:%M") if moment else None


def _rows(services: Services, found: Page) -> list[dict[str, Any]]:
    return [
        {**each.fields, "sequence_id": each.key, "image": _first_image(services, each)}
        for each in found.documents
    ]


def _first_image(services: Services, observation: Stored) -> Fields:
    """That an observation is recognised by; empty where it has none."""
    query = Query("images", [("sequence_id", "==", observation.key)], [("time", "asc")], limit=1)
    return next((image.fields for image in services.site.catalog.query(query)), {})


def _looked_back_to(found: Page) -> datetime | None:
    """Where a short page stopped looking, if more may follow."""
    if found.following is None:
        return None
    moment: datetime = read_cursor(found.following, "observations").fields["time"]
    return moment
