"""What was observed of the sky, and how often."""

from __future__ import annotations

from dataclasses import dataclass

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import AwareDatetime, BaseModel, Field

from deployments.services.kept import Kept
from deployments.services.pages.negotiation import HtmlRoute
from deployments.services.pages.pages import Pages
from deployments.services.state import Services
from panoptes.network.catalog.catalog import Catalog
from panoptes.network.documents import Declination, RightAscension
from panoptes.network.sky import chart
from panoptes.network.sky.counts import SkyCounts, count_sky

COUNTED_EVERY_SECONDS = 300.0


class SkyCell(BaseModel):
    """A nested HEALPix cell that was observed."""

    cell: int
    ra: RightAscension
    dec: Declination
    observations: int


class Sky(BaseModel):
    """Observations of lights by cell of the sky."""

    nside: int = Field(description="of the cells, https://healpix.sourceforge.io")
    counted: AwareDatetime
    observations: int
    cells: list[SkyCell]


@dataclass(frozen=True)
class _Drawn:
    """What was counted, and where it is drawn."""

    counts: SkyCounts
    cells: list[chart.Cell]
    bands: list[chart.Band]


def _draw(catalog: Catalog) -> _Drawn:
    counts = count_sky(catalog)
    return _Drawn(counts, chart.cells_drawn(counts), chart.bands(counts))


def sky_pages_router(services: Services, pages: Pages) -> APIRouter:
    """``/sky``, for people and as JSON."""
    kept = Kept(lambda: _draw(services.site.catalog), COUNTED_EVERY_SECONDS)
    for_people = APIRouter(route_class=HtmlRoute, include_in_schema=False)
    for_programs = APIRouter(tags=["search"])

    @for_people.get("/sky")
    def page(request: Request) -> Response:
        drawn = kept.get()
        return pages.render(
            request,
            "sky.html",
            counts=drawn.counts,
            cells=drawn.cells,
            bands=drawn.bands,
            # What a cell's corners are away from its centre, and a bit more.
            radius=round(60.0 / drawn.counts.nside),
            galactic_plane=chart.galactic_plane(),
            ecliptic=chart.ecliptic(),
            graticule=chart.graticule(),
        )

    @for_programs.get("/sky")
    def sky() -> Sky:
        """How many observations there are of each part of the sky; counted every few minutes."""
        counted = kept.get().counts
        return Sky(
            nside=counted.nside,
            counted=counted.counted,
            observations=counted.total,
            cells=[
                SkyCell(cell=cell, ra=ra, dec=dec, observations=counted.cells[cell])
                for cell, (ra, dec) in counted.centres().items()
            ],
        )

    both = APIRouter()
    both.include_router(for_people)
    both.include_router(for_programs)
    return both
