"""The network's HTTP services: lookup-field, get-fits-header, the search, and files.

They only read, but for units' keys, rescues and the ends of sessions, and are an application
of their own beside the receiver: the two have other callers, other secrets and other needs for
Prefect (these need none). Blocking work runs in the framework's threads.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException
from starlette.middleware.body_limit import RequestBodyLimitMiddleware
from starlette.middleware.cors import CORSMiddleware

from deployments.services.access import RETRY_SECONDS, Admission, BrowserRules
from deployments.services.file_routes import file_router
from deployments.services.heads import Heads
from deployments.services.health_routes import health_router
from deployments.services.image_access_routes import image_access_router
from deployments.services.key_routes import KEY_PATH, key_router
from deployments.services.light_curve_routes import light_curve_router
from deployments.services.metrics_routes import metrics_router
from deployments.services.models import (
    HeaderAnswer,
    HeaderRequest,
    LookupAnswer,
    LookupRequest,
    Problem,
)
from deployments.services.network_routes import network_router
from deployments.services.night_routes import night_router
from deployments.services.pages.finding_pages import finding_pages_router
from deployments.services.pages.light_curve_pages import light_curve_pages_router
from deployments.services.pages.main_pages import main_pages_router
from deployments.services.pages.negotiation import VaryByAccept, wants_html
from deployments.services.pages.pages import BadForm, Pages, open_pages
from deployments.services.pages.reference import reference_router
from deployments.services.pages.sessions import Sessions, SignedIn
from deployments.services.pages.sign_in import SIGN_IN, sign_in_page, sign_in_router
from deployments.services.picture_routes import picture_router
from deployments.services.recent_log import RecentLog
from deployments.services.search_routes import search_router
from deployments.services.settings import ServiceSettings
from deployments.services.star_curves import Summaries, Transits
from deployments.services.state import Services
from deployments.web.guards import AnyOf
from panoptes.network.errors import BadInput, ConfigurationError, TransientError
from panoptes.network.header import NoSuchHdu
from panoptes.network.header_answer import stored_header
from panoptes.network.lookup.known_names import KnownNames
from panoptes.network.lookup.resolve import resolve_name
from panoptes.network.lookup.resolved import NoSuchName
from panoptes.network.lookup.sesame import Sesame
from panoptes.network.object_paths import BadPath, Hidden, NotOurs
from panoptes.network.safe_text import safe_log
from panoptes.network.search import BadCursor, TooMany
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound
from panoptes.network.units.keys import AlreadyGiven, KeyFolder, TooManyTries, WrongSecret

log = safe_log(__name__)

_PROBLEMS: dict[int | str, dict[str, Any]] = {
    401: {"model": Problem, "description": "You did not say who you are"},
    413: {"model": Problem, "description": "The request is too large"},
    422: {"model": Problem, "description": "The request cannot be understood"},
    431: {"model": Problem, "description": "The URL or the headers are too long"},
    503: {"model": Problem, "description": "What is needed is away; try again"},
}
_STATUS: dict[type[Exception], int] = {
    NoSuchName: 404,
    NotFound: 404,
    NotOurs: 404,
    Hidden: 403,
    NoSuchHdu: 404,
    WrongSecret: 403,
    AlreadyGiven: 409,
    BadPath: 400,
    BadCursor: 400,
    TooMany: 400,
    BadForm: 403,
}


def create_app(site: Site, settings: ServiceSettings, *, sesame: Sesame | None = None) -> FastAPI:
    """The ASGI application. Raises ConfigurationError where the settings cannot work.

    `sesame` takes the place of the one that the environment names.
    """
    token = settings.token.get_secret_value() if settings.token else None
    sessions = Sessions(token, site.catalog)
    guard = settings.guard()
    if sessions.can_sign_in:
        guard = AnyOf((guard, SignedIn(sessions)))
    pages = open_pages(settings, sessions)
    known, recent = KnownNames(site.catalog), RecentLog()
    summaries = Summaries()
    searches = Transits()
    services = Services(site, settings, sesame or Sesame.from_environment(), known)

    @asynccontextmanager
    async def running(app: FastAPI) -> AsyncIterator[None]:
        ahead = threading.Thread(target=_import_ahead, name="import ahead", daemon=True)
        ahead.start()
        with recent.listening():
            yield
        services.sesame.close()

    app = FastAPI(
        title="PANOPTES network",
        description="Looking up fields, reading FITS headers, and searching the archive.",
        version="1",
        lifespan=running,
        responses=_PROBLEMS,
        redirect_slashes=False,
        docs_url=None,  # FastAPI's own load from another host
        redoc_url=None,
    )
    # The last one added is asked first.
    app.add_middleware(RequestBodyLimitMiddleware, max_body_size=settings.max_body_bytes)
    app.add_middleware(
        Admission,
        guard=guard,
        most=settings.max_body_bytes,
        answer=partial(_refusal, pages),
        own_secrets=frozenset(
            ({KEY_PATH} if settings.keys else set())
            | ({SIGN_IN} if sessions.can_sign_in else set())
        ),
    )
    app.add_middleware(
        CORSMiddleware,
        allow_origins=settings.origins,
        allow_methods=("GET", "HEAD", "POST"),
        allow_headers=("Authorization", "If-None-Match", "Range"),
        expose_headers=("Accept-Ranges", "Content-Range", "ETag", "Retry-After"),
        max_age=3600,
    )
    app.add_middleware(BrowserRules, shared="*" in settings.origins)
    app.add_middleware(VaryByAccept)
    app.add_middleware(Heads)
    _answer_problems(app, pages)
    # Before the others: what wants no HTML passes them by.
    app.include_router(main_pages_router(services, pages))
    app.include_router(light_curve_pages_router(services, pages, summaries, searches))
    app.include_router(reference_router(pages))
    app.include_router(finding_pages_router(services, pages, recent))
    app.include_router(pages.static.router())
    if sessions.can_sign_in:
        app.include_router(sign_in_router(pages))
    app.include_router(search_router(services))
    app.include_router(light_curve_router(services, summaries, searches))
    app.include_router(image_access_router(services))
    app.include_router(night_router(services))
    app.include_router(network_router(services))
    app.include_router(metrics_router(services))
    app.include_router(health_router(services, pages))
    app.include_router(file_router(services))
    app.include_router(picture_router(services))
    if settings.keys is not None:
        app.include_router(key_router(services, KeyFolder(settings.keys)))
    _add_lookup(app, services)
    _add_header(app, services)

    @app.get("/healthz", tags=["operation"])
    async def healthz() -> dict[str, bool]:
        """Whether this process answers."""
        return {"alive": True}

    return app


def _import_ahead() -> None:
    """What pages with plots and places need takes a second to import: not the first visitor's."""
    import matplotlib.figure  # noqa: F401


def _add_lookup(app: FastAPI, services: Services) -> None:
    options: dict[str, Any] = {
        "tags": ["lookup"],
        "responses": {404: {"model": Problem, "description": "Nothing is known by this name"}},
        "response_model_exclude_none": True,
    }

    @app.get("/lookup-field", **options)
    def lookup(wanted: Annotated[LookupRequest, Query()]) -> LookupAnswer:
        """Where something is: a name, or coordinates in any notation."""
        found = resolve_name(
            wanted.search_string, moment=wanted.time, sesame=services.sesame, known=services.known
        )
        return LookupAnswer(**found.model_dump())

    @app.post("/lookup-field", **options)
    def lookup_posted(wanted: LookupRequest) -> LookupAnswer:
        """The same, of a JSON body."""
        return lookup(wanted)


def _add_header(app: FastAPI, services: Services) -> None:
    options: dict[str, Any] = {
        "tags": ["header"],
        "responses": {
            400: {"model": Problem, "description": "This names no file"},
            403: {"model": Problem, "description": "Only with a token"},
            404: {"model": Problem, "description": "There is no such file in this network"},
            422: {"model": Problem, "description": "The file is no FITS file, or damaged"},
        },
        "response_model": HeaderAnswer,
        "response_model_exclude_unset": True,
    }

    @app.get("/get-fits-header", **options)
    def header(wanted: Annotated[HeaderRequest, Query()], request: Request) -> dict[str, Any]:
        """The header of a stored FITS file, read without its pixels."""
        return stored_header(
            services.site,
            wanted.bucket_path,
            wanted.hdu,
            wanted.bucket_name,
            services.files_url(request),
            services.settings.hidden,
        )

    @app.post("/get-fits-header", **options)
    def header_posted(wanted: HeaderRequest, request: Request) -> dict[str, Any]:
        """The same, of a JSON body."""
        return header(wanted, request)


def _answer_problems(app: FastAPI, pages: Pages) -> None:
    """Every refusal is a `Problem` with a true status code; for people, a page that says it."""

    async def answer(request: Request, error: Exception) -> Response:
        problem = partial(_answer, pages, request)
        match error:
            case BadInput():
                return problem(422, error.reason, code=error.code, next_step=error.next_step)
            case TransientError():
                log.warning("%s", error)
                return problem(503, str(error), {"Retry-After": RETRY_SECONDS})
            case TooManyTries():
                return problem(429, str(error), {"Retry-After": str(error.seconds)})
            case ConfigurationError():
                log.error("%s", error)
                return problem(
                    500, "the network is not set up rightly; its operator sees why in the log"
                )
            case RequestValidationError():
                sentences = [
                    f"{'.'.join(str(x)[:80] for x in each['loc'][1:]) or 'the request'}: "
                    f"{each['msg'][:200]}"
                    for each in error.errors()[:5]
                ]
                return problem(422, "; ".join(sentences))
            case HTTPException():
                return problem(error.status_code, error.detail, dict(error.headers or {}))
        for kind, status in _STATUS.items():
            if isinstance(error, kind):
                return problem(status, str(error))
        # The server closes the connection behind what it does not expect.
        why = "an unexpected error; the operator sees it in the log"
        return problem(500, why, {"Connection": "close"})

    others = (BadInput, TransientError, ConfigurationError, RequestValidationError, HTTPException)
    for kind in (*_STATUS, *others, TooManyTries, Exception):
        app.add_exception_handler(kind, answer)


def _answer(
    pages: Pages,
    request: Request,
    status: int,
    message: str,
    headers: dict[str, str] | None = None,
    **more: str,
) -> Response:
    if wants_html(request.scope):
        return pages.problem(request, status, message, headers, **more)
    problem = {"success": False, "message": message, **more}
    return JSONResponse(problem, status_code=status, headers=headers)


def _refusal(pages: Pages, request: Request, status: int, message: str) -> Response:
    """Of who is not admitted: people may sign in, where there is a token."""
    if status == 401 and pages.sessions.can_sign_in and wants_html(request.scope):
        asked = request.url.query
        here = f"{request.url.path}?{asked}" if asked else request.url.path
        following = here if request.method == "GET" else "/"
        return sign_in_page(pages, request, status=401, next_page=following)
    return _answer(pages, request, status, message)
