"""The routes of nights, as JSON: a calendar, a night of all units, and a unit's night."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from deployments.services.models import Problem
from deployments.services.state import Services
from panoptes.network import nights
from panoptes.network.nights import (
    UnitNight,
    for_everybody,
    night_json,
    nights_of,
    unit_ids,
    unit_night,
)
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound

NightDate = Annotated[
    str, Path(max_length=10, description="The date of the evening", examples=["2018-02-15"])
]
UnitId = Annotated[str, Path(max_length=100, examples=["PAN001"])]
_NONE_SUCH: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "There is no such night, or no such unit"}
}


class CalendarRow(BaseModel):
    """What a unit's night brought."""

    night: str = Field(description="The date of the evening, YYYY-MM-DD")
    unit_id: str
    observations: int
    images: int = Field(description="Lights in the catalogue")
    exptime: float = Field(description="Seconds that these were exposed for, in all")


class CalendarPage(BaseModel):
    """Nights with observations, the newest first."""

    success: Literal[True] = True
    nights: list[CalendarRow]
    next: str | None = Field(description="`before` of the next page, null at the end")


class NightAnswer(BaseModel):
    """A night of every unit; `panoptes.network.nights.unit_night` says what the fields are."""

    success: Literal[True] = True
    night: str
    units: list[dict[str, Any]]


def calendar_page(
    site: Site, *, unit_id: str | None = None, limit: int = 60, before: str | None = None
) -> CalendarPage:
    """Rows of the calendar. Raises NotFound for what is no night or no unit."""
    try:
        rows = nights_of(site, unit_id, limit=limit, before=before)
    except ValueError as error:
        raise NotFound(str(error)) from None
    following = rows[-1].night if len(rows) >= limit else None
    return CalendarPage(nights=[CalendarRow(**asdict(row)) for row in rows], next=following)


def checked_night(night: str) -> str:
    """YYYY-MM-DD. Raises NotFound for what is no night of a telescope."""
    try:
        return nights.checked_night(night).isoformat()
    except ValueError as error:
        raise NotFound(str(error)) from None


def night_of_unit(services: Services, unit_id: str, night: str) -> UnitNight:
    """A unit's night, as callers may see it. Raises NotFound where there is no such night or
    unit."""
    try:
        found = unit_night(services.site, unit_id, night)
    except ValueError as error:
        raise NotFound(str(error)) from None
    return for_everybody(found) if "quarantine" in services.settings.hidden else found


def night_of_all(services: Services, night: str) -> list[UnitNight]:
    """The night of every unit, by its id. Raises NotFound for what is no night."""
    return [night_of_unit(services, unit_id, night) for unit_id in unit_ids(services.site)]


def night_router(services: Services) -> APIRouter:
    """Nights over the network's catalog."""
    router = APIRouter(tags=["nights"])
    site = services.site

    @router.get("/nights", responses=_NONE_SUCH)
    def calendar(
        unit_id: Annotated[str | None, Query(max_length=100)] = None,
        limit: Annotated[int, Query(ge=1, le=1000)] = 60,
        before: Annotated[str | None, Query(max_length=10)] = None,
    ) -> CalendarPage:
        """The nights with observations, the newest first, a row for each unit.

        A page has whole nights, so perhaps more rows than `limit`.
        """
        return calendar_page(site, unit_id=unit_id, limit=limit, before=before)

    @router.get("/nights/{night}", responses=_NONE_SUCH)
    def night_of_units(night: NightDate) -> NightAnswer:
        """A night of every unit: what was expected, what came, and why nothing did."""
        date = checked_night(night)
        found = night_of_all(services, date)
        return NightAnswer(night=date, units=[night_json(each) for each in found])

    @router.get("/nights/{night}/{unit_id}", responses=_NONE_SUCH)
    def night_report(night: NightDate, unit_id: UnitId) -> dict[str, Any]:
        """A unit's night, from its local noon to the next."""
        return night_json(night_of_unit(services, unit_id, night))

    return router
