"""Upload keys, each given once to the unit that knows its secret, as POCS asks for them."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response
from pydantic import BaseModel, Field, SecretStr

from deployments.services.models import Id, Problem
from deployments.services.state import Services
from panoptes.network.safe_text import safe_log
from panoptes.network.units.keys import AlreadyGiven, KeyFolder, TooManyTries, WrongSecret, claim

KEY_PATH = "/get-upload-key"
log = safe_log(__name__)

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {}}, "description": "The key, to be kept as it is"},
    403: {"model": Problem, "description": "No key waits for this unit with this secret"},
    409: {"model": Problem, "description": "The key was given already"},
    429: {"model": Problem, "description": "Too many wrong secrets"},
}


class KeyRequest(BaseModel):
    """What `pocs network get-key` sends."""

    unit_id: Id
    pwd: Annotated[SecretStr, Field(max_length=200, description="the unit's own secret")]


def key_router(services: Services, folder: KeyFolder) -> APIRouter:
    """``POST /get-upload-key``."""
    router = APIRouter(tags=["units"])

    @router.post(KEY_PATH, response_class=Response, responses=_ANSWERS)
    def get_upload_key(wanted: KeyRequest, request: Request) -> Response:
        """The upload key of a unit: once, to who knows its secret."""
        address = request.client.host if request.client else "nowhere"
        secret = wanted.pwd.get_secret_value()
        try:
            key = claim(services.site.catalog, folder, wanted.unit_id, secret)
        except (WrongSecret, TooManyTries, AlreadyGiven) as refused:
            why = type(refused).__name__
            log.warning("no upload key of %s for %s: %s", wanted.unit_id, address, why)
            raise
        log.info("the upload key of %s was given to %s", wanted.unit_id, address)
        return Response(key, media_type="application/json", headers={"Cache-Control": "no-store"})

    return router
