"""Search, files, quarantine, sky and report in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from panoptes.network.site import Site
from tests import sites
from tests.deployments.services.pages.browsers import chromium, needs_chromium, opened
from tests.deployments.services.pages.hostile import FIELD, JUNK, NASTY, hostile_network
from tests.deployments.services.served import served
from tests.files import IMAGE, SEQUENCE_ID

pytestmark = needs_chromium
TOKEN = "a-token-of-more-than-16"
LAST = f"{IMAGE.rpartition('/')[2]}.fits"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return hostile_network(tmp_path_factory.mktemp("network"))


@pytest.fixture(scope="module")
def base(site: Site) -> Iterator[str]:
    with served(site, token=TOKEN, files="archive") as client:
        yield str(client.base_url).rstrip("/")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


def sign_in(page: Page) -> None:
    """In place of the page that was asked for; it comes next."""
    page.get_by_label("Your name").fill("Ann")
    page.get_by_label("Token").fill(TOKEN)
    page.get_by_role("button", name="Sign in").click()


def test_an_operator_without_scripts_finds_a_file_and_has_it_judged_again(
    browser: Browser, base: str, site: Site
) -> None:
    with opened(browser, base, java_script_enabled=False) as page:
        page.goto("/quarantine")
        sign_in(page)
        expect(page.get_by_role("heading", level=1)).to_have_text("Quarantine")
        page.get_by_role("link", name=JUNK).click()
        page.get_by_role("button", name="Have it judged again").click()
        expect(page.get_by_text("by Ann. The next run judges it again.")).to_be_visible()
        assert sites.waiting(site) == [JUNK]
        page.get_by_role("link", name="My file").click()
        page.get_by_label("The file's name").fill(JUNK)
        page.get_by_role("button", name="Look").click()
        expect(page.get_by_text("In quarantine.")).to_be_visible()
        expect(page.get_by_text("An operator had it put back")).to_be_visible()


def test_a_place_is_searched_for_in_a_form_and_by_the_sky(browser: Browser, base: str) -> None:
    with opened(browser, base) as page:
        page.goto("/observations")
        sign_in(page)
        page.get_by_label("Around").fill("M42")
        page.get_by_label("Unit").select_option("PAN001")
        page.get_by_role("button", name="Search").click()
        expect(page.get_by_role("row", name=SEQUENCE_ID)).to_contain_text(FIELD)
        expect(page.get_by_label("Around")).to_have_value("M42")
        page.get_by_role("link", name="Sky").click()
        page.locator("svg.sky a").click()
        expect(page.get_by_role("row", name=SEQUENCE_ID)).to_be_visible()


def test_a_report_is_downloaded(browser: Browser, base: str, tmp_path: Path) -> None:
    with opened(browser, base) as page:
        page.goto("/report-problem")
        sign_in(page)
        with page.expect_download() as download:
            page.get_by_role("button", name="Download the report").click()
        assert download.value.suggested_filename == "panoptes-problem.zip"


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_axe_finds_nothing_serious_nothing_runs_and_a_phone_shows_it_all(
    browser: Browser, base: str, scheme: str
) -> None:
    phone = {"width": 360, "height": 740}
    with opened(browser, base, color_scheme=scheme, viewport=phone) as page:
        page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        page.goto("/quarantine")
        sign_in(page)
        expect(page.get_by_role("link", name=NASTY)).to_be_visible()
        case = page.get_by_role("link", name=NASTY).get_attribute("href") or ""
        for address in (
            *("/quarantine", case, "/observations", "/observations?near=M42&start=2018-01-01"),
            *("/observations?radius=wide", f"/files?name={LAST}", f"/files?name={JUNK}"),
            *("/files?name=PAN001/nothing.fits", "/sky", "/report-problem"),
        ):
            page.goto(address)
            found = Axe().run(page).response["violations"]
            serious = [
                f"{each['id']}: {each['nodes'][0]['html']}"
                for each in found
                if each["impact"] in ("serious", "critical")
            ]
            assert not serious, address
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), address
            assert page.locator("main script").count() == 0
