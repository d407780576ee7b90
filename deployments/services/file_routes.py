"""The archive's files over HTTP, where the operator opens them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

from fastapi import APIRouter, Path, Request, Response
from fastapi.responses import StreamingResponse

from deployments.services.conditional import Stand, judge
from deployments.services.models import Problem
from deployments.services.state import Services
from panoptes.network.documents import Location
from panoptes.network.errors import BadInput, TransientError
from panoptes.network.file_types import FILE_TYPES, content_type_of
from panoptes.network.object_paths import BadPath, checked_name
from panoptes.network.storage.store import NotFound, ObjectInfo, ObjectStore, Unreadable

CHUNK = 1 << 20
"""Bytes read and sent at once."""

_OTHER = "application/octet-stream"
"""Of what is none of our types: it might be something that a browser would run."""
_CONTENT: dict[str, dict[str, str]] = {
    kind: {} for kind in (*(row.content_type for row in FILE_TYPES.values()), _OTHER)
}


def file_router(services: Services) -> APIRouter:
    """``/files/{location}/{path}``."""
    router = APIRouter(tags=["files"])

    # panoptes-data joins base and bucket by nothing, where the base has a path and no slash.
    @router.get("/files{location}/{path:path}", include_in_schema=False)
    @router.get(
        "/files/{location}/{path:path}",
        response_class=StreamingResponse,
        responses={
            200: {"content": _CONTENT, "description": "The file"},
            206: {"content": _CONTENT, "description": "A part of it"},
            304: {"description": "It is what you have"},
            400: {"model": Problem, "description": "No path of a file"},
            404: {"model": Problem, "description": "There is no such file, or it is not open"},
            412: {"description": "It is not what you expect"},
            416: {"description": "It does not have this part"},
        },
    )
    def file(
        location: Annotated[str, Path(examples=["images"])],
        path: Annotated[
            str, Path(examples=["PAN001/14d3bd/20180216T110623/20180216T112430.fits.fz"])
        ],
        request: Request,
    ) -> Response:
        """A file, or a part of it (Range), if it changed (If-None-Match and its kin)."""
        opened: Location | None = next((x for x in services.settings.files if x == location), None)
        if opened is None:
            raise NotFound(f"there are no open files in {location[:80]!r}")
        store = services.site.store(opened)
        name = checked_name(path)
        try:
            info = store.stat(name)
            store.read_range(name, 0, 0)  # refuses what is no plain file
        except (NotFound, Unreadable, BadInput) as error:
            # Their messages may say where on this machine the store is.
            raise NotFound(f"there is no {name!r} in {opened} that can be read") from error
        except ValueError as error:
            raise BadPath(f"{name!r} is no name of a file") from error
        return stored_answer(request, store, info)

    return router


def stored_answer(request: Request, store: ObjectStore, info: ObjectInfo) -> Response:
    """An object, or what of it is asked for, as far as the caller does not have it already."""
    stand = Stand(f'"{info.generation}"', info.updated, info.size)
    verdict = judge(request.headers, stand)
    headers = stand.headers
    if verdict.status == 416:
        return Response(
            status_code=416, headers=headers | {"Content-Range": f"bytes */{info.size}"}
        )
    if verdict.status in (304, 412):
        return Response(status_code=verdict.status, headers=headers)
    if verdict.status == 206:
        headers["Content-Range"] = f"bytes {verdict.start}-{verdict.end - 1}/{info.size}"
    headers["Content-Length"] = str(verdict.end - verdict.start)
    kind = content_type_of(info.name) or _OTHER
    parts = _parts(store, info, verdict.start, verdict.end)
    return StreamingResponse(parts, verdict.status, headers, kind)


def _parts(store: ObjectStore, info: ObjectInfo, start: int, end: int) -> Iterator[bytes]:
    """The bytes, of one generation: an answer that got mixed up breaks off before its end."""
    while start < end:
        part = store.read_range(info.name, start, min(start + CHUNK, end))
        if start + len(part) >= end and store.stat(info.name).generation != info.generation:
            raise TransientError(f"{info.name} changed while it was sent")
        if not part:
            raise TransientError(f"{info.name} became shorter while it was sent")
        yield part
        start += len(part)
