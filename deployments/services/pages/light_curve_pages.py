"""An observation's stars and their scatter, and one star's light curves, for people."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request
from fastapi.responses import RedirectResponse, Response
from markupsafe import Markup

from deployments.services.pages.drawn import Drawn
from deployments.services.pages.negotiation import HtmlRoute
from deployments.services.pages.pages import Pages
from deployments.services.places import PLOTS
from deployments.services.star_curves import Summaries, Transits
from deployments.services.state import Services
from panoptes.network.light_curves.barycentre import moment_of
from panoptes.network.light_curves.plots import (
    CHANNEL_WORDS,
    COLOURS,
    light_curve_plot,
    scatter_plot,
)
from panoptes.network.light_curves.summaries import by_magnitude
from panoptes.network.processing.star_documents import catalogue_key
from panoptes.network.processing.star_history import star_history
from panoptes.network.processing.stored_curves import open_curves, star_of
from panoptes.network.processing.transit_search import Search
from panoptes.network.site import Site
from panoptes.network.transits.plots import folded_plot

ON_A_PAGE = 100
CANDIDATES_ON_A_PAGE = 20


def _history(site: Site, star_id: str) -> str | None:
    """Where all light curves of a star are listed, if it is known by Gaia's number."""
    key = catalogue_key(star_id)
    return f"/stars/{key}" if site.catalog.get("stars", key) else None


def light_curve_pages_router(
    services: Services, pages: Pages, summaries: Summaries, searches: Transits
) -> APIRouter:
    """In HTML, for who wants that."""
    router = APIRouter(route_class=HtmlRoute, include_in_schema=False)
    site = services.site
    scatters: Drawn[str, tuple[str, int]] = Drawn()
    curves: Drawn[tuple[str, str], tuple[str, int]] = Drawn()

    @router.get("/observations/{sequence_id}/light-curves")
    def stars(
        sequence_id: str,
        request: Request,
        page: Annotated[int, Query(ge=1, le=10_000)] = 1,
        star: Annotated[str | None, Query(max_length=64)] = None,
    ) -> Response:
        stored = open_curves(site, sequence_id)
        if star is not None and star.strip():
            found = star_of(site, sequence_id, star.strip())
            here = pages.url(f"/observations/{sequence_id}/light-curves/{found.star_id}")
            return RedirectResponse(here, 303)
        listed = summaries.of(stored)
        # Nothing in the plot is a text of others.
        plots = scatters.of(
            sequence_id,
            (stored.path, stored.generation),
            lambda: [Markup(scatter_plot(listed))],
        )
        first = (page - 1) * ON_A_PAGE
        return pages.render(
            request,
            "light_curves.html",
            sequence_id=sequence_id,
            fields=stored.observation,
            processed=stored.processed,
            count=len(listed),
            stars=listed[first : first + ON_A_PAGE],
            first=first,
            page=page,
            has_more=first + ON_A_PAGE < len(listed),
            plot=plots[0],
            rows=by_magnitude(listed),
        )

    @router.get("/observations/{sequence_id}/light-curves/{star_id}")
    def star_page(sequence_id: str, star_id: str, request: Request) -> Response:
        found = star_of(site, sequence_id, star_id)
        places = {channel: place for place, channel in enumerate(COLOURS)}
        ordered = sorted(found.curves, key=lambda each: places.get(each.channel, len(places)))
        plots = curves.of(
            (sequence_id, star_id),
            (found.stored.path, found.stored.generation),
            lambda: [Markup(light_curve_plot(each)) for each in ordered],
        )
        return pages.render(
            request,
            "star.html",
            sequence_id=sequence_id,
            star=ordered[0],
            fields=found.stored.observation,
            processed=found.stored.processed,
            curves=list(zip(ordered, plots, strict=True)),
            channel_words=CHANNEL_WORDS,
            history=_history(site, star_id),
            is_simulated=found.is_simulated,
        )

    @router.get("/stars/{star}")
    def history(star: str, request: Request) -> Response:
        return pages.render(request, "star_history.html", history=star_history(site, star))

    @router.get("/observations/{sequence_id}/transits")
    def transits(sequence_id: str, request: Request) -> Response:
        stored = open_curves(site, sequence_id)
        return _transits(
            request,
            searches.of_night(stored),
            title=f"Transits within {sequence_id}",
            back=(f"/observations/{sequence_id}/light-curves", "The observation's stars"),
            curves=f"/observations/{sequence_id}/light-curves/",
        )

    @router.get("/stars/{star}/transits")
    def season(star: str, request: Request) -> Response:
        return _transits(
            request,
            searches.of_star(site, star),
            title=f"Transits of {star}",
            back=(f"/stars/{star}", "The star's light curves"),
            curves=None,
        )

    def _transits(
        request: Request, found: Search, *, title: str, back: tuple[str, str], curves: str | None
    ) -> Response:
        shown = found.found[:CANDIDATES_ON_A_PAGE]
        with PLOTS.taken():
            plots = [
                Markup(folded_plot(each.candidate, f"transit-{n}")) for n, each in enumerate(shown)
            ]
        return pages.render(
            request,
            "transits.html",
            title=title,
            back=back,
            curves=curves,
            search=found,
            shown=list(zip(shown, plots, strict=True)),
            channel_words=CHANNEL_WORDS,
            moment_of=moment_of,
        )

    return router
