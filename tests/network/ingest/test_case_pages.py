"""The cases that wait, a page at a time."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

from panoptes.network.catalog.catalog import modify
from panoptes.network.ingest.case_pages import case_page
from panoptes.network.names import document_key
from panoptes.network.site import Site
from tests import sites
from tests.files import LATER, SEQUENCE, UPLOADED, place

NAMES = [f"{SEQUENCE}/20180216T11{minute:02d}00.fits" for minute in range(5)]


def fail(site: Site, name: str, failures: int) -> None:
    became = {"outcome": "failed", "failures": failures, "reason": "ours", "code": None}
    modify(site.catalog, "files", document_key(name), lambda _: became)


def test_the_newest_come_first_page_by_page_and_what_failed_too_often_is_among_them(
    tmp_path: Path,
) -> None:
    site = sites.drained(tmp_path, failure_limit=3)
    for hours, name in enumerate([*NAMES, f"{LATER}.fits"]):
        moment = UPLOADED + timedelta(hours=hours)
        place(sites.incoming(site), name, b"junk", moment=moment)
    sites.run(site)
    fail(site, NAMES[0], 3)
    fail(site, NAMES[1], 2)
    pages = [case_page(site, number=number, size=2) for number in (1, 2, 3, 9)]
    files = [[case.file for case in page.cases] for page in pages]
    assert files == [[f"{LATER}.fits", NAMES[4]], [NAMES[3], NAMES[2]], [NAMES[0]], [NAMES[0]]]
    assert [(page.number, page.pages, page.total) for page in pages[2:]] == [(3, 3, 5)] * 2
    assert pages[2].cases[0].kind == "given-up"
    late = case_page(site, start=datetime(2018, 2, 17, 7, 30, tzinfo=UTC), code="not-fits")
    assert [case.file for case in late.cases] == [f"{LATER}.fits"]
    assert case_page(site, unit="PAN002").total == 0
