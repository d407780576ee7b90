"""Pictures of the archive's images over HTTP: previews, thumbnails, cutouts and timelapses."""

from __future__ import annotations

import threading
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, model_validator
from starlette.exceptions import HTTPException

from deployments.services.conditional import Stand, judge
from deployments.services.file_routes import stored_answer
from deployments.services.models import Problem
from deployments.services.pages.observations import image_stored
from deployments.services.search_routes import SequenceId
from deployments.services.state import Services
from panoptes.network.cutout import (
    MAX_SIDE,
    MAX_ZOOM,
    Cutout,
    NotInImage,
    Pixel,
    Sky,
    cutout,
)
from panoptes.network.documents import Location
from panoptes.network.errors import BadInput, TransientError
from panoptes.network.file_types import content_type_of
from panoptes.network.fits.section import TooMuchToRead
from panoptes.network.object_paths import Hidden
from panoptes.network.pictures import thumbnail
from panoptes.network.storage.store import NotFound, ObjectInfo, ObjectStore, Unreadable
from panoptes.network.stretching import Stretch
from panoptes.network.timelapse import NoEncoder, TooFewImages, kept_timelapse, timelapse

FRESH_SECONDS = 300
"""For which a browser shows a picture again without asking."""
_LOOK = 1
"""To be raised when pictures of the same files come out differently."""
_AT_ONCE = 4
"""Cutouts that are made at the same time, so that other requests find a processor."""
_WAITING = 8
"""More are asked to come again: each that waits holds one of the services' forty threads."""

ImageId = Annotated[
    str,
    Path(
        max_length=200,
        description="UNIT_CAMERA_IMAGETIME",
        examples=["PAN001_14d3bd_20180216T112430"],
    ),
]
_PICTURE: dict[int | str, dict[str, Any]] = {
    200: {"content": {"image/jpeg": {}, "image/png": {}}, "description": "The picture"},
    304: {"description": "It is what you have"},
    403: {"model": Problem, "description": "Only with a token"},
    404: {"model": Problem, "description": "There is no such image, or no picture of it"},
    412: {"description": "It is not what you expect"},
}


class CutoutRequest(BaseModel):
    """A place of an image, and how it is shown."""

    model_config = ConfigDict(extra="forbid")
    x: int | None = Field(
        None, ge=0, le=2**31, description="column of the middle, the first being 0; with y"
    )
    y: int | None = Field(
        None, ge=0, le=2**31, description="row of the middle, as stored, the first being 0; with x"
    )
    ra: float | None = Field(None, ge=0, le=360, description="degrees, ICRS; instead of x and y")
    dec: float | None = Field(None, ge=-90, le=90, description="degrees, ICRS; with ra")
    width: int = Field(256, ge=1, le=MAX_SIDE, description="columns of the image")
    height: int = Field(256, ge=1, le=MAX_SIDE, description="rows of the image")
    zoom: int = Field(1, ge=1, le=MAX_ZOOM, description="pixels of the picture for each of them")
    stretch: Literal["asinh", "linear", "sqrt", "log"] = "asinh"
    low: float | None = Field(
        None, allow_inf_nan=False, description="value that is shown black; below the sky if absent"
    )
    high: float | None = Field(
        None, allow_inf_nan=False, description="value that is shown brightest; of a star if absent"
    )
    colours: Literal["bayer", "grey"] = Field(
        "bayer", description="grey shows every sample of a colour camera as it is"
    )
    format: Literal["jpg", "png"] = "jpg"

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.x is None) != (self.y is None) or (self.ra is None) != (self.dec is None):
            raise ValueError("x and y belong together, and ra and dec: give both, or neither")
        if (self.x is None) == (self.ra is None):
            raise ValueError("give the cutout's middle once: x and y in pixels, or ra and dec")
        if self.low is not None and self.high is not None and self.low >= self.high:
            raise ValueError("low must be below high")
        self.cutout()
        return self

    def cutout(self) -> Cutout:
        """Raises ValueError for sizes beyond the limits."""
        place: Pixel | Sky
        if self.x is not None and self.y is not None:
            place = Pixel(self.x, self.y)
        else:
            place = Sky(self.ra or 0.0, self.dec or 0.0)
        return Cutout(
            place=place,
            width=self.width,
            height=self.height,
            zoom=self.zoom,
            stretch=Stretch(self.stretch, self.low, self.high),
            colours=self.colours,
            kind=self.format,
        )


def picture_router(services: Services) -> APIRouter:
    """``/images/{image_id}/preview``, ``.../thumbnail`` and ``.../cutout``, and
    ``/observations/{sequence_id}/timelapse.mp4``."""
    router = APIRouter(tags=["pictures"])
    working = threading.BoundedSemaphore(_AT_ONCE)
    waiting = threading.BoundedSemaphore(_AT_ONCE + _WAITING)

    def found(location: Location, path: object) -> tuple[ObjectStore, ObjectInfo] | None:
        """The object, if it is there and may be shown."""
        if not isinstance(path, str):
            return None
        if location in services.settings.hidden:
            raise Hidden(f"{location} is only shown to callers with a token")
        store = services.site.store(location)
        try:
            return store, store.stat(path)
        except (NotFound, Unreadable, BadInput, ValueError):
            return None  # their messages may say where on this machine the store is

    def picture_of(image_id: str) -> tuple[ObjectStore, ObjectInfo]:
        fields = image_stored(services.site, image_id).fields
        for field in ("preview_path", "picture_path"):
            if place := found("previews", fields.get(field)):
                return place
        raise NotFound(f"there is no picture of {image_id}")

    @router.get("/images/{image_id}/preview", response_class=Response, responses=_PICTURE)
    def preview(image_id: ImageId, request: Request) -> Response:
        """The picture of an image, of 1024 pixels at most; its unit's own where we made none."""
        store, info = picture_of(image_id)
        if answer := _known(request, info, str(info.generation)):
            return answer
        data, info = store.read(info.name, generation=info.generation)
        kind = content_type_of(info.name) or "image/jpeg"
        return _answer(data, info, str(info.generation), kind)

    @router.get("/images/{image_id}/thumbnail", response_class=Response, responses=_PICTURE)
    def small(image_id: ImageId, request: Request) -> Response:
        """The same picture, of 320 pixels at most: about 10 KB."""
        store, info = picture_of(image_id)
        tag = f"{info.generation}-small-{_LOOK}"
        if answer := _known(request, info, tag):
            return answer
        data, info = store.read(info.name, generation=info.generation)
        try:
            return _answer(thumbnail(data), info, tag, "image/jpeg")
        except ValueError as error:
            raise HTTPException(422, str(error)) from error

    @router.get(
        "/images/{image_id}/cutout",
        response_class=Response,
        responses={
            **_PICTURE,
            422: {"model": Problem, "description": "The place is not in the image"},
        },
    )
    def part(
        image_id: ImageId, wanted: Annotated[CutoutRequest, Query()], request: Request
    ) -> Response:
        """A part of an image at any stretch, read from the few tiles of its file that show it.

        It is oriented as the preview.
        """
        stored = image_stored(services.site, image_id)
        place = found("images", stored.fields.get("bucket_path"))
        if place is None:
            raise NotFound(f"there is no FITS file of {image_id} in the archive")
        store, info = place
        tag = f"{info.generation}-{_LOOK}"
        if answer := _known(request, info, tag):
            return answer
        if not waiting.acquire(blocking=False):  # who waits holds a thread that pages need
            raise TransientError("too many cutouts are asked for at once: try again")
        try:
            with working:
                data = cutout(store, info.name, wanted.cutout(), info=info)
        except (NotInImage, TooMuchToRead) as error:
            raise HTTPException(422, str(error)) from error
        finally:
            waiting.release()
        kind = "image/png" if wanted.format == "png" else "image/jpeg"
        return _answer(data, info, tag, kind)

    @router.get(
        "/observations/{sequence_id}/timelapse.mp4",
        response_class=StreamingResponse,
        responses={
            200: {"content": {"video/mp4": {}}, "description": "The film"},
            206: {"content": {"video/mp4": {}}, "description": "A part of it"},
            304: {"description": "It is what you have"},
            404: {"model": Problem, "description": "There are too few images"},
            412: {"description": "It is not what you expect"},
            416: {"description": "It does not have this part"},
            501: {"model": Problem, "description": "These services have no encoder"},
        },
    )
    def film(sequence_id: SequenceId, request: Request) -> Response:
        """A film of an observation, of the previews of its images.

        It is made when it is first asked for, which takes some seconds, and kept until there are
        more images.
        """
        site = services.site
        if services.settings.hidden & {"previews", "timelapse"}:
            raise Hidden("timelapses are only shown to callers with a token")
        try:
            kept = kept_timelapse(site, sequence_id)
            made = None if kept else timelapse(site, sequence_id, wait=False)
        except (TooFewImages, ValueError) as error:
            raise NotFound(str(error)) from None
        except NoEncoder as error:
            raise HTTPException(501, str(error)) from error
        if made is not None and made.kept is None:
            return Response(made.data, media_type="video/mp4")
        kept = made.kept if made is not None else kept
        assert kept is not None
        return stored_answer(request, site.store("timelapse"), kept)

    return router


def _headers(info: ObjectInfo, tag: str) -> dict[str, str]:
    stand = Stand(f'"{tag}"', info.updated, 0)
    kept = {name: value for name, value in stand.headers.items() if name != "Accept-Ranges"}
    return {**kept, "Cache-Control": f"private, max-age={FRESH_SECONDS}"}


def _known(request: Request, info: ObjectInfo, tag: str) -> Response | None:
    """The answer to who has this picture already."""
    asked = {name: value for name, value in request.headers.items() if "range" not in name}
    status = judge(asked, Stand(f'"{tag}"', info.updated, 0)).status
    return Response(status_code=status, headers=_headers(info, tag)) if status != 200 else None


def _answer(data: bytes, info: ObjectInfo, tag: str, kind: str) -> Response:
    return Response(data, headers=_headers(info, tag), media_type=kind)
