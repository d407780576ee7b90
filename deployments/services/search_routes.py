"""The routes of the search: observations, images and units, as JSON and as CSV."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Annotated, Any

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
from deployments.services.state import Services
from panoptes.network.catalog.catalog import Stored
from panoptes.network.document_json import (
    IMAGE_COLUMNS,
    OBSERVATION_COLUMNS,
    csv_lines,
    document_json,
    image_row,
    observation_row,
)
from panoptes.network.lookup.resolve import resolve_name
from panoptes.network.names import parse_sequence_id
from panoptes.network.object_paths import ObjectPath, public_url
from panoptes.network.search import (
    Wanted,
    all_images,
    all_observations,
    all_units,
    find_images,
    find_observations,
)
from panoptes.network.storage.store import NotFound

CSV = "text/csv; charset=utf-8"
_LINES_AT_ONCE = 200

SequenceId = Annotated[
    str,
    Path(
        max_length=100,
        description="UNIT_CAMERA_SEQUENCETIME",
        examples=["PAN001_14d3bd_20180216T110623"],
    ),
]
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
        if not isinstance(path, str):
            return None
        files_url = services.files_url(request, "images")
        url = public_url(services.site, ObjectPath("images", path), files_url=files_url)
        return url if "://" in url else None

    @router.get("/observations", responses=_NONE_SUCH)
    def observations(selection: Annotated[PagedSelection, Query()]) -> ObservationsPage:
        """Observations that match everything given, the newest first."""
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

    @router.get("/observations/{sequence_id}/images", responses=_NONE_SUCH)
    def images(
        sequence_id: SequenceId,
        request: Request,
        limit: Annotated[int, Query(ge=1, le=5000)] = 1000,
        cursor: Annotated[str | None, Query(max_length=400)] = None,
        image_type: Annotated[list[ImageTypes], Query(max_length=10)] = ["light"],  # noqa: B006
    ) -> ImagesPage:
        """The images of an observation, the oldest first, each with a URL if it has one.

        Only lights, unless another `image_type`, or `any`, is asked for.
        """
        observation_of(sequence_id)
        page = find_images(
            catalog,
            sequence_id,
            image_types=image_types(image_type),
            limit=limit,
            cursor=cursor,
        )
        found = [
            {**document_json(each, "image_id"), "public_url": image_url(each, request)}
            for each in page.documents
        ]
        return ImagesPage(images=found, next=page.following)

    @router.get("/units")
    def units() -> list[dict[str, Any]]:
        """Every unit."""
        return [document_json(each, "unit_id") for each in all_units(catalog)]

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
