"""The routes of the search: observations, images and units, as JSON and as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Annotated, Any

import orjson
from fastapi import APIRouter, Path, Query, Request
from fastapi.responses import StreamingResponse

from deployments.services.models import (
    ImagesPage,
    ImageTypes,
    ObservationsPage,
    PagedSelection,
    Problem,
    Selection,
    image_types,
)
from deployments.services.pages.negotiation import wants_csv
from deployments.services.state import Services
from panoptes.network.catalog.catalog import Stored
from panoptes.network.document_json import (
    IMAGE_COLUMNS,
    OBSERVATION_COLUMNS,
    csv_lines,
    document_json,
    image_row,
    observation_row,
    to_json,
)
from panoptes.network.lookup.resolve import resolve_name
from panoptes.network.names import parse_sequence_id
from panoptes.network.search import (
    Wanted,
    all_images,
    all_observations,
    find_images,
    find_observations,
)
from panoptes.network.storage.store import NotFound
from panoptes.network.units.report import NOT_SHOWN, unit_reports
from panoptes.network.units.telemetry import NoHistory, history

CSV = "text/csv; charset=utf-8"
_LINES_AT_ONCE = 200
_IMAGES_AT_ONCE = 200

SequenceId = Annotated[
    str,
    Path(
        max_length=100,
        description="UNIT_CAMERA_SEQUENCETIME",
        examples=["PAN001_14d3bd_20180216T110623"],
    ),
]
UnitId = Annotated[str, Path(max_length=100, examples=["PAN001"])]
_NONE_SUCH: dict[int | str, dict[str, Any]] = {
    400: {"model": Problem, "description": "The cursor is none, or the search finds too much"},
    404: {"model": Problem, "description": "There is none, or nothing is known as `near`"},
}


def search_router(services: Services) -> APIRouter:
    """The search over the network's catalog."""
    router = APIRouter(tags=["search"])
    catalog = services.site.catalog

    def wanted(selection: Selection) -> Wanted:
        if selection.near is None:
            return selection.wanted(None)
        found = resolve_name(selection.near, sesame=services.sesame, known=services.known)
        return selection.wanted((found.ra, found.dec))

    def observation_of(sequence_id: str) -> Stored:
        try:
            parse_sequence_id(sequence_id)
        except ValueError as error:
            raise NotFound(str(error)) from None
        stored = catalog.get("observations", sequence_id)
        if stored is None:
            raise NotFound(f"there is no observation {sequence_id}")
        return stored

    def image_url(stored: Stored, request: Request) -> str | None:
        path = stored.fields.get("bucket_path")
        return services.image_urls(request)(path) if isinstance(path, str) else None

    @router.get(
        "/observations",
        response_model=ObservationsPage,
        responses={**_NONE_SUCH, 200: {"content": {"text/csv": {}}}},
    )
    def observations(
        request: Request, selection: Annotated[PagedSelection, Query()]
    ) -> ObservationsPage | StreamingResponse:
        """Observations that match everything given, the newest first.

        As text/csv, if that is what `Accept` asks for, it is all of them: `/observations.csv`.
        """
        if wants_csv(request.scope):
            return observations_csv(selection)
        page = find_observations(
            catalog, wanted(selection), limit=selection.limit, cursor=selection.cursor
        )
        found = [document_json(each, "sequence_id") for each in page.documents]
        return ObservationsPage(observations=found, next=page.following)

    @router.get(
        "/observations.csv",
        response_class=StreamingResponse,
        responses={**_NONE_SUCH, 200: {"content": {"text/csv": {}}}},
    )
    def observations_csv(selection: Annotated[Selection, Query()]) -> StreamingResponse:
        """Every observation that matches, the oldest first, as the published client reads it."""
        rows = (observation_row(each) for each in all_observations(catalog, wanted(selection)))
        return _table(csv_lines(OBSERVATION_COLUMNS, rows))

    @router.get("/observations/recent")
    def recent(limit: Annotated[int, Query(ge=1, le=1000)] = 100) -> list[dict[str, Any]]:
        """The newest observations."""
        page = find_observations(catalog, Wanted(), limit=limit)
        return [document_json(each, "sequence_id") for each in page.documents]

    @router.get("/observations/{sequence_id}", responses=_NONE_SUCH)
    def observation(sequence_id: SequenceId) -> dict[str, Any]:
        """One observation."""
        return document_json(observation_of(sequence_id), "sequence_id")

    @router.get(
        "/observations/{sequence_id}/images", response_model=ImagesPage, responses=_NONE_SUCH
    )
    def images(
        sequence_id: SequenceId,
        request: Request,
        limit: Annotated[int, Query(ge=1, le=5000)] = 1000,
        cursor: Annotated[str | None, Query(max_length=400)] = None,
        image_type: Annotated[list[ImageTypes], Query(max_length=10)] = ["light"],  # noqa: B006
    ) -> StreamingResponse:
        """The images of an observation, the oldest first, each with a URL if it has one.

        Only lights, unless another `image_type`, or `any`, is asked for.
        """
        observation_of(sequence_id)
        wanted_types = image_types(image_type)

        def parts() -> Iterator[bytes]:
            left, at, before = limit, cursor, b'{"success":true,"images":['
            while left > 0:
                most = min(left, _IMAGES_AT_ONCE)
                page = find_images(
                    catalog, sequence_id, image_types=wanted_types, limit=most, cursor=at
                )
                found = [
                    orjson.dumps(
                        {**document_json(each, "image_id"), "public_url": image_url(each, request)}
                    )
                    for each in page.documents
                ]
                yield before + b",".join(found) if found or before != b"," else b""
                before = b"," if found or before == b"," else b""
                left, at = left - most, page.following
                if at is None:
                    break
            yield b'],"next":' + orjson.dumps(at) + b"}"

        sent = parts()
        first = next(sent)  # what goes wrong at once still gets its own answer
        return StreamingResponse(chain([first], sent), media_type="application/json")

    @router.get("/units")
    def units() -> list[dict[str, Any]]:
        """Every unit: when it was last heard of, its last image, whether it is safe."""
        return list(unit_reports(services.site))

    @router.get("/units/{unit_id}/history", responses=_NONE_SUCH)
    def unit_history(
        unit_id: UnitId, limit: Annotated[int, Query(ge=1, le=1000)] = 100
    ) -> list[dict[str, Any]]:
        """What a unit said of itself, the newest first; where the catalogue keeps it."""
        try:
            found = history(catalog, unit_id, limit=limit)
        except (NoHistory, ValueError) as error:
            raise NotFound(str(error)) from None
        shown = [each for each in found if each.get("record_type") not in NOT_SHOWN]
        return [{name: to_json(value) for name, value in each.items()} for each in shown]

    @router.get(
        "/get-observation-info",
        response_class=StreamingResponse,
        responses={**_NONE_SUCH, 200: {"content": {"text/csv": {}}}},
    )
    def observation_info(
        sequence_id: Annotated[str, Query(max_length=100)], request: Request
    ) -> StreamingResponse:
        """The archived images of an observation, as the published client reads them.

        Images of which only the camera raw is there are left out: the client takes every
        row for a frame in the archive.
        """
        observation_of(sequence_id)
        rows = (
            image_row(each, image_url(each, request))
            for each in all_images(catalog, sequence_id)
            if each.fields.get("bucket_path")
        )
        return _table(csv_lines(IMAGE_COLUMNS, rows))

    return router


def _table(lines: Iterator[str]) -> StreamingResponse:
    """Sent as it is read; what goes wrong at once still gets its own answer."""
    first = "".join(islice(lines, _LINES_AT_ONCE))
    return StreamingResponse(chain([first], _joined(lines)), media_type=CSV)


def _joined(lines: Iterator[str]) -> Iterator[str]:
    while part := "".join(islice(lines, _LINES_AT_ONCE)):
        yield part
