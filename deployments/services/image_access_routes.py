"""The archive's images for programs of the Virtual Observatory: SIA 2.0, with its VOSI resources.

https://www.ivoa.net/documents/SIA/20151223/. Whoever may search the archive may ask here, and a
row's `access_url` leads to the file where the operator opens the archive's files.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Request
from fastapi.responses import Response, StreamingResponse
from starlette.concurrency import run_in_threadpool

from deployments.services.state import Services
from panoptes.network.errors import TransientError
from panoptes.network.image_access.finding import CutOff, Row, find_rows
from panoptes.network.image_access.parameters import BadQuery, ImageQuery, read_query
from panoptes.network.image_access.votable import (
    availability_document,
    capabilities_document,
    error_document,
    table_document,
)
from panoptes.network.safe_text import safe_log
from panoptes.network.search import TooMany

VOTABLE = "application/x-votable+xml"
_XML = "text/xml; charset=utf-8"
_FORM = "application/x-www-form-urlencoded"
_MOST_PARAMETERS = 2_000
_PARTS_AT_ONCE = 200
log = safe_log(__name__)

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {VOTABLE: {}}, "description": "A table of ObsCore"},
    400: {"content": {VOTABLE: {}}, "description": "Why the query cannot be understood"},
    415: {"content": {VOTABLE: {}}, "description": "What was posted is no form"},
    503: {"content": {VOTABLE: {}}, "description": "What is needed is away; try again"},
}


def image_access_router(services: Services) -> APIRouter:
    """``/sia2``."""
    router = APIRouter(prefix="/sia2", tags=["virtual observatory"])

    @router.get("/query", response_class=StreamingResponse, responses=_ANSWERS)
    def query(request: Request) -> Response:
        """Archived images by POS, TIME, EXPTIME and what else SIA 2.0 has, as a VOTable."""
        return answer(request, request.query_params.multi_items())

    @router.post("/query", response_class=StreamingResponse, responses=_ANSWERS)
    async def query_posted(request: Request) -> Response:
        """The same, of a form."""
        kind = request.headers.get("content-type", _FORM).partition(";")[0].strip().lower()
        if kind != _FORM:
            return _refusal(415, f"post the parameters as a form, {_FORM}")
        try:
            posted = parse_qsl(
                (await request.body()).decode("ascii"),
                keep_blank_values=True,
                errors="strict",
                max_num_fields=_MOST_PARAMETERS,
            )
        except ValueError:
            return _refusal(400, "the form cannot be read")
        return await run_in_threadpool(
            answer, request, [*request.query_params.multi_items(), *posted]
        )

    def answer(request: Request, given: list[tuple[str, str]]) -> Response:
        try:
            wanted = read_query(given)
            rows = _begun(
                find_rows(services.site.catalog, wanted, access_url=services.image_urls(request)),
                wanted,
            )
        except (BadQuery, TooMany) as error:
            return _refusal(400, str(error))
        except TransientError as error:
            log.warning("%s", error)
            return _refusal(503, str(error), "TransientFault")
        notes = [f"{name} is no parameter of SIA 2.0, and was ignored" for name in wanted.ignored]
        document = table_document(
            rows, most=wanted.most, failures=(TransientError, TooMany), notes=notes
        )
        return StreamingResponse(_joined(document), media_type=VOTABLE)

    @router.get(
        "/capabilities", response_class=Response, responses={200: {"content": {"text/xml": {}}}}
    )
    def capabilities(request: Request) -> Response:
        """Where the query is (VOSI)."""
        base = services.settings.public_url or str(request.base_url)
        return Response(capabilities_document(f"{base.rstrip('/')}/sia2"), media_type=_XML)

    @router.get(
        "/availability", response_class=Response, responses={200: {"content": {"text/xml": {}}}}
    )
    def availability() -> Response:
        """Whether queries are answered (VOSI)."""
        trouble = None
        try:
            services.site.catalog.check()
        except TransientError as error:
            log.warning("%s", error)
            trouble = "the catalogue is away: try again later"
        return Response(availability_document(trouble), media_type=_XML)

    return router


def _begun(rows: Iterator[Row], wanted: ImageQuery) -> Iterator[Row]:
    """What goes wrong before the first row still gets its own answer."""
    if wanted.most == 0:
        return rows
    try:
        first = next(rows)
    except StopIteration:
        return iter(())
    except CutOff:
        return _cut_off()
    return chain([first], rows)


def _cut_off() -> Iterator[Row]:
    raise CutOff
    yield {}


def _joined(parts: Iterator[str]) -> Iterator[bytes]:
    held: list[str] = []
    for part in parts:
        held.append(part)
        if len(held) == _PARTS_AT_ONCE:
            yield "".join(held).encode()
            held.clear()
    yield "".join(held).encode()


def _refusal(status: int, sentence: str, kind: str = "UsageFault") -> Response:
    headers = {"Retry-After": "30"} if status == 503 else {}
    return Response(error_document(sentence, kind), status, headers, VOTABLE)
