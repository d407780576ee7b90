"""The copy of the pages that needs no server."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path
from urllib.parse import unquote

from deployments.services.app import create_app
from deployments.services.pages.copying import copy_pages
from deployments.services.settings import ServiceSettings
from tests.archives import SEQUENCE_ID, small_archive
from tests.light_curve_archive import STAR, measured_archive


def test_a_copy_holds_every_page_and_picture_that_it_leads_to(tmp_path: Path) -> None:
    site = small_archive(tmp_path / "network")
    app = create_app(site, ServiceSettings(open=True, files="archive"))
    first = copy_pages(app, tmp_path / "pages", wanted=lambda path: not path.startswith("/nights"))
    assert first == tmp_path / "pages" / "index.html"
    image = tmp_path / "pages/images/PAN001_14d3bd_20180216T112430/index.html"
    assert "EXPTIME" in image.read_text()
    assert (tmp_path / "pages/observations" / SEQUENCE_ID / "index.html").exists()
    assert not (tmp_path / "pages/nights").exists()
    pictures = 0
    for page in (tmp_path / "pages").rglob("*.html"):
        for address in re.findall(r'(?:href|src)="([^"]*)"', page.read_text()):
            plain = unquote(unescape(address).partition("#")[0])
            assert not plain.startswith("/")
            assert "://" in plain or (page.parent / plain).exists(), (page, address)
            pictures += plain.endswith(".jpg")
    assert pictures


def test_stars_without_a_page_in_the_copy_are_said_to_be_no_links(tmp_path: Path) -> None:
    app = create_app(measured_archive(tmp_path / "network"), ServiceSettings(open=True))
    stars = f"/observations/{SEQUENCE_ID}/light-curves"

    def wanted(path: str) -> bool:
        return path in (stars, f"{stars}/{STAR}")

    page = copy_pages(app, tmp_path / "pages", start=stars, wanted=wanted).read_text()
    assert f'href="{STAR}/index.html"' in page
    (lost,) = re.findall(r"(\d+) links of this page to other pages: plain text", page)
    assert int(lost) >= 99  # of a hundred stars
    assert len(re.findall(r'href="[^"#]', page.partition("</header>")[2])) == 1
