"""The pages on which people find something: search, files, quarantine, sky, and the report."""

from __future__ import annotations

from fastapi import APIRouter

from deployments.services.pages.file_pages import file_pages_router
from deployments.services.pages.pages import Pages
from deployments.services.pages.quarantine_pages import quarantine_pages_router
from deployments.services.pages.report_pages import report_pages_router
from deployments.services.pages.search_pages import search_pages_router
from deployments.services.pages.sky_pages import sky_pages_router
from deployments.services.recent_log import RecentLog
from deployments.services.state import Services


def finding_pages_router(services: Services, pages: Pages, recent: RecentLog) -> APIRouter:
    """In HTML for who wants that, and what is new among them as JSON."""
    router = APIRouter()
    for each in (
        search_pages_router(services, pages),
        file_pages_router(services, pages),
        quarantine_pages_router(services, pages),
        sky_pages_router(services, pages),
        report_pages_router(services, pages, recent),
    ):
        router.include_router(each)
    return router
