"""The files that could not be taken, in words, and putting them back."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path as FilePath
from shlex import quote
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request
from fastapi.responses import RedirectResponse, Response
from pydantic import BaseModel, BeforeValidator, Field
from starlette.exceptions import HTTPException

from deployments.services.models import Id, Moment, Problem
from deployments.services.pages.forms import Form, posted_form
from deployments.services.pages.negotiation import HtmlRoute
from deployments.services.pages.pages import Pages
from deployments.services.state import Services
from panoptes.network.addresses import place_of
from panoptes.network.errors import ADVICE
from panoptes.network.ingest.at_rest import patience
from panoptes.network.ingest.case_pages import CasePage, case_page
from panoptes.network.ingest.cases import CaseReport, Found, NoSuchCase, find_case, kept_at
from panoptes.network.ingest.rescue import CannotRescue, rescue_case
from panoptes.network.object_paths import Hidden
from panoptes.network.safe_text import one_line, safe_log
from panoptes.network.search import all_units
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound

log = safe_log(__name__)

RESCUE = "rescue"
"""What the word in the form is for."""
_NOT_SHOWN = (
    "what is in quarantine is only shown to people who are signed in, and this site has no "
    "token to sign in with: its operator starts it with `panoptes-network up --sign-in`, or sets "
    "PANOPTES_SERVICES_TOKEN. What became of one file, and why, is told at /files"
)
_ALL: dict[int | str, dict[str, Any]] = {
    403: {"model": Problem, "description": "Only with a token"},
    404: {"model": Problem, "description": "There is no such case"},
}

CaseId = Annotated[str, Path(max_length=100, examples=["Q1f0c29ab03de"])]


def _blank_is_none(value: object) -> object:
    return None if isinstance(value, str) and not value.strip() else value


class Asked(BaseModel):
    """Which cases; in a form, what was left empty was not asked for."""

    unit: Annotated[Id | None, BeforeValidator(_blank_is_none)] = Field(
        None, description="of this unit"
    )
    code: Annotated[Id | None, BeforeValidator(_blank_is_none)] = Field(
        None, description="with this reason, such as truncated-file"
    )
    start: Annotated[Moment | None, BeforeValidator(_blank_is_none)] = Field(
        None, description="arrived at this time or later"
    )
    end: Annotated[Moment | None, BeforeValidator(_blank_is_none)] = Field(
        None, description="arrived at this time or earlier"
    )
    page: int = Field(1, ge=1, le=10_000)


class Cases(BaseModel):
    """A page of the cases that wait, the newest first."""

    cases: list[CaseReport]
    total: int
    page: int
    pages: int
    is_all: bool = Field(description="false where more wait than were looked at")


def quarantine_pages_router(services: Services, pages: Pages) -> APIRouter:
    """``/quarantine``, for people and as JSON, and the form that puts files back."""
    site = services.site
    for_people = APIRouter(route_class=HtmlRoute, include_in_schema=False)
    for_programs = APIRouter(tags=["quarantine"])
    forms = APIRouter(include_in_schema=False)

    def require_shown() -> None:
        if "quarantine" in services.settings.hidden:
            raise Hidden(_NOT_SHOWN)

    def found_by(asked: Asked) -> CasePage:
        require_shown()
        return case_page(
            site,
            unit=asked.unit,
            code=asked.code,
            start=asked.start,
            end=asked.end,
            number=asked.page,
        )

    def case_of(case_id: str) -> Found:
        require_shown()
        try:
            return find_case(site, case_id)
        except NoSuchCase as error:
            raise NotFound(str(error)) from None

    def show_case(
        request: Request, case: CaseReport, status: int = 200, problem: str = ""
    ) -> Response:
        return pages.render(
            request,
            "case.html",
            status,
            case=case,
            problem=problem,
            kept_at=kept_at(site, case),
            copy_line=_copy_line(site, case) if case.is_misnamed else "",
            may_rescue=pages.sessions.of(request) is not None and case.kind != "closed",
        )

    @for_people.get("/quarantine")
    def list_page(request: Request, asked: Annotated[Asked, Query()]) -> Response:
        return pages.render(
            request,
            "quarantine.html",
            found=found_by(asked),
            asked=asked,
            codes=ADVICE,
            units=[each.key for each in all_units(site.catalog)],
            patience=patience(site),
        )

    @for_programs.get("/quarantine", responses=_ALL)
    def list_cases(asked: Annotated[Asked, Query()]) -> Cases:
        """The files that could not be taken, why, and what to do; the newest first."""
        found = found_by(asked)
        return Cases(
            cases=found.cases,
            total=found.total,
            page=found.number,
            pages=found.pages,
            is_all=found.is_all,
        )

    @for_people.get("/quarantine/{case_id}")
    def case_shown(request: Request, case_id: CaseId) -> Response:
        return show_case(request, case_of(case_id).report)

    @for_programs.get("/quarantine/{case_id}", responses=_ALL)
    def case(case_id: CaseId) -> CaseReport:
        """One case, with how it was judged before."""
        return case_of(case_id).report

    @forms.post("/quarantine/{case_id}/rescue")
    def rescue(
        request: Request, case_id: CaseId, form: Annotated[Form, Depends(posted_form)]
    ) -> Response:
        """Put a file back to be judged again; sent twice, the second changes nothing."""
        session = pages.sessions.of(request)
        if session is None:
            raise HTTPException(403, "only who is signed in puts files back: sign in first")
        pages.check_form(request, form, RESCUE)
        found = case_of(case_id)
        if _judged(found.report.closed) != form.get("judged", ""):
            why = "It has been judged again since you saw it: look at what is said now."
            return show_case(request, found.report, 409, why)
        if not _is_put_back(services, found):
            try:
                _require_incoming(services)
                done = rescue_case(site, found, by=session.name)
            except CannotRescue as error:
                return show_case(request, found.report, 409, str(error))
            log.info("%r rescued %s, %r: %s", session.name, done.id, done.file, done.sentence)
        return RedirectResponse(pages.url(f"/quarantine/{found.report.id}"), 303)

    both = APIRouter()
    for each in (for_people, for_programs, forms):
        both.include_router(each)
    return both


def _copy_line(site: Site, case: CaseReport) -> str:
    """The shell's line that uploads a misnamed file again, under the name that it should have."""
    place, incoming = kept_at(site, case), place_of(site.settings.incoming)
    if place is None:
        return ""
    folder = quote(f"{incoming}/UNIT/CAMERA/SEQUENCE")
    if incoming.startswith("gs://"):
        return f"gcloud storage cp {quote(place)} {folder}/IMAGE.suffix"
    return f"mkdir -p {folder} && cp {quote(place)} {folder}/IMAGE.suffix"


def _judged(moment: datetime | None) -> str:
    return moment.isoformat() if moment else ""


def _is_put_back(services: Services, found: Found) -> bool:
    """Whether an earlier rescue of this judgement has been done to its end."""
    if found.report.kind == "closed":
        return True  # a run has it, or has had it
    if found.entry.rescue is None:
        return False
    try:
        return services.site.stat("incoming", found.entry.name) is not None
    except ValueError:
        return False


def _require_incoming(services: Services) -> None:
    """Raises CannotRescue where nothing would ever take up what is put back."""
    incoming = services.site.settings.incoming
    if not incoming.startswith("gs:") and not FilePath(incoming).is_dir():
        raise CannotRescue(
            "these files came from a folder of somebody's own: there, use `panoptes-network "
            f"quarantine rescue --incoming FOLDER`, since {one_line(incoming)} is none"
        )
