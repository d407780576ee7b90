"""Signing in and out: the token in a form, and a cookie for some hours."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from deployments.services.pages.forms import Form, is_from_own_page, posted_form
from deployments.services.pages.pages import BadForm, Pages
from deployments.services.pages.sessions import COOKIE, MOST_NAME, Tries
from panoptes.network.safe_text import safe_log
from panoptes.network.units.keys import TooManyTries

SIGN_IN = "/sign-in"
log = safe_log(__name__)


def sign_in_page(
    pages: Pages,
    request: Request,
    *,
    status: int = 200,
    message: str = "",
    name: str = "",
    next_page: str = "/",
) -> HTMLResponse:
    """The form that asks for the token; with 401 in place of a page that wants one."""
    return pages.render(
        request,
        "sign_in.html",
        status,
        {"WWW-Authenticate": "Bearer"} if status == 401 else None,
        message=message,
        name=name,
        most_name=MOST_NAME,
        next=next_page,
    )


def sign_in_router(pages: Pages) -> APIRouter:
    """``/sign-in`` and ``/sign-out``, where there is a token to sign in with."""
    router = APIRouter(include_in_schema=False)
    tries = Tries()

    @router.get(SIGN_IN)
    def ask(request: Request) -> Response:
        return sign_in_page(pages, request)

    @router.post(SIGN_IN)
    def sign_in(request: Request, form: Annotated[Form, Depends(posted_form)]) -> Response:
        if not is_from_own_page(request, pages.settings.public_url):
            raise BadForm
        address = request.client.host if request.client else "nowhere"
        name, following = form.get("name", "").strip(), _own_path(form.get("next", "/"))
        is_token = pages.sessions.is_token(form.get("token", ""))
        # Behind a proxy all people have one address: the right token is let in at any time.
        if not is_token and (seconds := tries.left_seconds(address)):
            raise TooManyTries(seconds)
        if not name or len(name) > MOST_NAME or not name.isprintable():
            why = f"Say your name, in up to {MOST_NAME} characters."
            return sign_in_page(pages, request, status=422, message=why, next_page=following)
        if not is_token:
            tries.count(address)
            log.warning("a wrong token was given at %s by %s", SIGN_IN, address)
            why = "That is not the token."
            return sign_in_page(
                pages, request, status=401, message=why, name=name, next_page=following
            )
        log.info("%r signed in from %s", name, address)
        answer = RedirectResponse(pages.root + following, 303)
        answer.set_cookie(
            COOKIE,
            pages.sessions.begin(name),
            max_age=pages.sessions.lifetime,
            path=pages.root or "/",
            secure=pages.is_secure(request),
            httponly=True,
            samesite="strict",
        )
        return answer

    @router.post("/sign-out")
    def sign_out(request: Request, form: Annotated[Form, Depends(posted_form)]) -> Response:
        pages.check_form(request, form, "sign-out")
        pages.sessions.end(request)
        answer = RedirectResponse(pages.url("/"), 303)
        answer.delete_cookie(
            COOKIE,
            path=pages.root or "/",
            secure=pages.is_secure(request),
            httponly=True,
            samesite="strict",
        )
        return answer

    return router


def _own_path(text: str) -> str:
    """Where to go on: a path of ours, or the first page."""
    is_path = text.startswith("/") and not text.startswith("//") and "\\" not in text
    return text if is_path and text.isascii() and text.isprintable() else "/"
