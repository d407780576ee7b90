"""How the network is, as JSON: tonight, a unit, an image."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from fastapi import APIRouter, Path

from deployments.services.models import Problem
from deployments.services.pages.observations import image_stored
from deployments.services.pages.tonight import tonight
from deployments.services.pages.units import unit_stored
from deployments.services.state import Services
from panoptes.network.document_json import document_json, to_json
from panoptes.network.units.report import unit_report

_NONE_SUCH: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "There is none, or this is no name of one"}
}


def network_router(services: Services) -> APIRouter:
    """Each is a page, too, for who wants HTML."""
    router = APIRouter(tags=["network"])
    site = services.site

    @router.get("/")
    def at_a_glance() -> list[dict[str, Any]]:
        """Every unit at a glance, the one that was heard of last first."""
        return [
            {
                "unit_id": each.unit_id,
                "name": to_json(each.name),
                "is_registered": each.is_registered,
                "is_resting": each.is_resting,
                "last_heard": to_json(each.heard),
                "last_image": each.image and each.image.key,
                "lag": each.lag,
                "is_safe": each.safety.is_safe,
                "trouble": list(each.trouble),
            }
            for each in tonight(site, datetime.now(UTC)).units
        ]

    @router.get("/units/{unit_id}", responses=_NONE_SUCH)
    def unit(
        unit_id: Annotated[str, Path(max_length=100, examples=["PAN001"])],
    ) -> dict[str, Any]:
        """One unit, as in the list of all."""
        return unit_report(site, unit_stored(site, unit_id))

    @router.get("/images/{image_id}", responses=_NONE_SUCH)
    def image(
        image_id: Annotated[str, Path(max_length=300, examples=["PAN001_14d3bd_20180216T112430"])],
    ) -> dict[str, Any]:
        """One image."""
        return document_json(image_stored(site, image_id), "image_id")

    return router
