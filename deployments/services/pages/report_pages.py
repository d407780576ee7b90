"""A report of a problem, for operators who are signed in to download."""

from __future__ import annotations

import io
from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from deployments.problem import report_problem
from deployments.services.pages.forms import Form, posted_form
from deployments.services.pages.negotiation import HtmlRoute
from deployments.services.pages.pages import Pages
from deployments.services.recent_log import RecentLog
from deployments.services.state import Services
from panoptes.network.problem_report.collecting import Log
from panoptes.network.safe_text import safe_log

log = safe_log(__name__)

ADDRESS = "/report-problem"
_PURPOSE = "report-problem"


def report_pages_router(services: Services, pages: Pages, recent: RecentLog) -> APIRouter:
    """``/report-problem``."""
    for_people = APIRouter(route_class=HtmlRoute, include_in_schema=False)
    forms = APIRouter(include_in_schema=False)

    def operator(request: Request) -> str:
        session = pages.sessions.of(request)
        if session is None:
            raise HTTPException(403, "only who is signed in gets a report: sign in first")
        return session.name

    @for_people.get(ADDRESS)
    def page(request: Request) -> Response:
        operator(request)
        return pages.render(request, "report.html", purpose=_PURPOSE)

    @forms.post(ADDRESS)
    def download(request: Request, form: Annotated[Form, Depends(posted_form)]) -> Response:
        name = operator(request)
        pages.check_form(request, form, _PURPOSE)
        log.info("%r downloads a report of a problem", name)
        written = io.BytesIO()
        report_problem(
            written,
            site=services.site,
            logs=[Log("services.log", recent.lines())],
            services=services.settings,
        )
        headers = {
            "Content-Disposition": 'attachment; filename="panoptes-problem.zip"',
            "Cache-Control": "no-store",
        }
        return Response(written.getvalue(), media_type="application/zip", headers=headers)

    both = APIRouter()
    both.include_router(for_people)
    both.include_router(forms)
    return both
