"""Light curves over HTTP: an observation's stars, and one star as JSON, CSV, FITS and for AAVSO."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from itertools import chain
from typing import Annotated, Any, Literal

import orjson
from fastapi import APIRouter, Path, Query
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from deployments.services.models import Problem
from deployments.services.places import PLOTS
from deployments.services.search_routes import CSV, SequenceId
from deployments.services.star_curves import Summaries, Transits
from deployments.services.state import Services
from panoptes.network.document_json import to_json
from panoptes.network.ingest.ledger import code_version
from panoptes.network.light_curves.aavso import (
    Reporter,
    Transit,
    Unreportable,
    exoplanet_report,
    extended_report,
)
from panoptes.network.light_curves.rows import csv_text, curve_json
from panoptes.network.light_curves.table import COMBINED
from panoptes.network.processing.star_history import star_history
from panoptes.network.processing.stored_curves import Star, open_curves, star_of

STAR = "/observations/{sequence_id}/light-curves/{star_id}"

StarId = Annotated[
    str,
    Path(
        max_length=64,
        description="Gaia DR3's source_id, or the operator's own",
        examples=["3017364032845124352"],
    ),
]
Observer = Annotated[str, Query(max_length=10, description="the observer code that the AAVSO gave")]
Channel = Annotated[str, Query(max_length=10, description="all, R, G or B")]
Name = Annotated[
    str | None, Query(max_length=100, description="what the star is called; Gaia's by default")
]
_NONE_SUCH: dict[int | str, dict[str, Any]] = {
    404: {"model": Problem, "description": "There is no such observation, star or light curve"}
}


StarKey = Annotated[
    str,
    Path(
        max_length=100,
        description="gaia_dr3:SOURCE_ID, hip:NUMBER, or the TIC's number where that is known",
        examples=["gaia_dr3:3017364032845124352"],
    ),
]


class HistoryAnswer(BaseModel):
    """A star, and its newest light curve of each observation, in the order of time."""

    success: Literal[True] = True
    star: dict[str, Any]
    light_curves: list[dict[str, Any]]


class StarsAnswer(BaseModel):
    """The stars of an observation, the brightest first."""

    success: Literal[True] = True
    sequence_id: str
    processed: str | None = Field(description="when the light curves were made, UTC")
    stars: list[dict[str, Any]] = Field(
        description="good points, and median, scatter (1.4826 times the median absolute "
        "deviation) and reported error in magnitudes, of all colours together"
    )


class TransitsAnswer(BaseModel):
    """What dims like a star with a planet. Times are BJD_TDB in days, depths in magnitudes."""

    success: Literal[True] = True
    observations: list[str] = Field(description="that were looked through")
    left_out: list[str] = Field(description="whose light curves cannot be read")
    too_short: list[str] = Field(
        description="in which nothing was looked for: no star to G 10 was seen for 2.4 hours"
    )
    simulated: list[str] = Field(description="observations that no telescope saw")
    stars: int = Field(description="that were bright enough, and seen often enough")
    found: list[dict[str, Any]] = Field(
        description="stars, the clearest first, each with its candidate: period (null for one "
        "night) and others that fit as well, epoch, depth and error with red noise, each transit, "
        "odd and even ones, the secondary, depth by colour, shape, and near stars"
    )


def light_curve_router(services: Services, summaries: Summaries, searches: Transits) -> APIRouter:
    """``/observations/SEQUENCE_ID/light-curves``."""
    router = APIRouter(tags=["light curves"])
    site = services.site
    software = code_version()

    @router.get("/observations/{sequence_id}/light-curves", responses=_NONE_SUCH)
    def stars(sequence_id: SequenceId) -> StarsAnswer:
        """The stars of an observation that have a light curve."""
        stored = open_curves(site, sequence_id)
        found: list[Any] = [to_json(asdict(each)) for each in summaries.of(stored)]
        processed = to_json(stored.processed)
        return StarsAnswer(
            sequence_id=sequence_id,
            processed=processed if isinstance(processed, str) else None,
            stars=found,
        )

    @router.get("/stars/{star}", responses=_NONE_SUCH)
    def history(star: StarKey) -> HistoryAnswer:
        """A star in all observations that were processed."""
        found = star_history(site, star)
        said: Any = to_json(found.star)
        seen: list[Any] = [to_json(asdict(each)) for each in found.seen]
        return HistoryAnswer(star={"star": found.key} | said, light_curves=seen)

    @router.get("/observations/{sequence_id}/transits", responses=_NONE_SUCH)
    def transits(sequence_id: SequenceId) -> TransitsAnswer:
        """Stars of an observation, to G 10, that dim like one with a planet within its night."""
        return TransitsAnswer(**searches.of_night(open_curves(site, sequence_id)).as_json())

    @router.get("/stars/{star}/transits", responses=_NONE_SUCH)
    def season(star: StarKey) -> TransitsAnswer:
        """Whether a star dims like one with a planet that returns, in all its nights."""
        return TransitsAnswer(**searches.of_star(site, star).as_json())

    @router.get(STAR, response_class=Response, responses=_NONE_SUCH | _content("application/json"))
    def star(sequence_id: SequenceId, star_id: StarId) -> Response:
        """A star's light curves, by channel; null is what is not known.

        Times are BJD_TDB, of the middle of the exposure; a `flag` of 0 is a good point.
        """
        found = star_of(site, sequence_id, star_id)
        first = found.curves[0]
        answer = {
            "success": True,
            "sequence_id": sequence_id,
            "star_id": star_id,
            "ra": first.ra,
            "dec": first.dec,
            "g": first.g,
            "processed": to_json(found.stored.processed),
            "channels": [curve_json(each) for each in found.curves],
        }
        return Response(orjson.dumps(answer), media_type="application/json")

    @router.get(
        f"{STAR}/table.csv",
        response_class=StreamingResponse,
        responses=_NONE_SUCH | _content("text/csv"),
    )
    def table(sequence_id: SequenceId, star_id: StarId) -> StreamingResponse:
        """The same as a table, a row a point."""
        found = star_of(site, sequence_id, star_id)
        lines = csv_text(found.curves)
        return StreamingResponse(lines, headers=_attached(found, "csv"), media_type=CSV)

    @router.get(
        f"{STAR}/lightkurve.fits",
        response_class=Response,
        responses=_NONE_SUCH | _content("application/fits"),
    )
    def lightkurve(sequence_id: SequenceId, star_id: StarId) -> Response:
        """The same as FITS, which lightkurve opens."""
        from panoptes.network.light_curves.lightkurve import fits_file

        found = star_of(site, sequence_id, star_id)
        data = fits_file(found.curves, software=software)
        return Response(data, headers=_attached(found, "fits"), media_type="application/fits")

    @router.get(
        f"{STAR}/plot.svg",
        response_class=Response,
        responses=_NONE_SUCH | _content("image/svg+xml"),
    )
    def plot(sequence_id: SequenceId, star_id: StarId, channel: Channel = COMBINED) -> Response:
        """Magnitudes against time, drawn: black on white."""
        from panoptes.network.light_curves.plots import light_curve_plot
        from panoptes.network.svg import as_file

        curve = star_of(site, sequence_id, star_id).curve(channel)
        with PLOTS.taken():
            drawn = light_curve_plot(curve)
        return Response(as_file(drawn), media_type="image/svg+xml")

    @router.get(
        f"{STAR}/aavso-extended.txt",
        response_class=StreamingResponse,
        responses=_NONE_SUCH | _content("text/plain"),
    )
    def extended(
        sequence_id: SequenceId, star_id: StarId, observer: Observer, name: Name = None
    ) -> StreamingResponse:
        """The colours of the star in the AAVSO's extended format, for WebObs."""
        found = star_of(site, sequence_id, star_id)

        def report() -> Iterator[str]:
            reporter = Reporter(observer, software, found.is_simulated)
            return extended_report(found.curves, reporter, name=name or None)

        return _report(report, found, "extended")

    @router.get(
        f"{STAR}/aavso-exoplanet.txt",
        response_class=StreamingResponse,
        responses=_NONE_SUCH | _content("text/plain"),
    )
    def exoplanet(
        sequence_id: SequenceId,
        star_id: StarId,
        observer: Observer,
        planet: Annotated[str, Query(max_length=100, description="for example HD 189733 b")],
        channel: Channel = COMBINED,
        name: Name = None,
        priors: Annotated[str, Query(max_length=1000)] = "",
        notes: Annotated[str, Query(max_length=1000)] = "",
    ) -> StreamingResponse:
        """One channel of the star as a report to the AAVSO's exoplanet section."""
        found = star_of(site, sequence_id, star_id)
        curve = found.curve(channel)

        def report() -> Iterator[str]:
            transit = Transit(
                planet,
                found.exposure_seconds,
                star=name or None,
                priors=priors.strip(),
                notes=notes.strip(),
            )
            reporter = Reporter(observer, software, found.is_simulated)
            return exoplanet_report(curve, reporter, transit)

        return _report(report, found, "exoplanet")

    return router


def _content(kind: str) -> dict[int | str, dict[str, Any]]:
    return {200: {"content": {kind: {}}}}


def _report(make: Any, star: Star, kind: str) -> StreamingResponse:
    """A report of the AAVSO's. Raises HTTPException with what cannot stand in one."""
    try:
        lines = make()
        first = next(lines)
    except Unreportable as error:
        raise HTTPException(422, str(error)) from None
    return StreamingResponse(
        chain([first], lines),
        headers=_attached(star, f"aavso-{kind}.txt"),
        media_type="text/plain; charset=utf-8",
    )


def _attached(star: Star, suffix: str) -> dict[str, str]:
    return {"Content-Disposition": f'attachment; filename="{star.file_name}.{suffix}"'}
