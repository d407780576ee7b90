"""What people do with the pages, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from panoptes.network.catalog.catalog import modify
from panoptes.network.site import Site
from tests.archives import OTHER, SEQUENCE_ID
from tests.deployments.services.pages.browsers import chromium, needs_chromium, opened
from tests.deployments.services.served import served
from tests.light_curve_archive import LIGHT_CURVES, STAR, STAR_KEY, measured_archive

pytestmark = [needs_chromium, pytest.mark.xdist_group("chromium")]
IMAGE_ID = "PAN001_14d3bd_20180216T112430"
MARKUP = '<script>document.title="taken over"</script><img src="x" onerror="alert(1)"><b>bold'


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """One unit as it should be, and one of which everything is written to do harm."""
    site = measured_archive(tmp_path_factory.mktemp("archive"))
    said = {"weather": {"safe": False, "wind_safe": False, "wind_condition": MARKUP[:30]}}
    modify(site.catalog, "units", "PAN012", lambda _: {"name": MARKUP, "metadata": said})
    modify(
        site.catalog,
        "observations",
        OTHER,
        lambda _: {"field_name": MARKUP, "tags": [MARKUP], "status": MARKUP},
    )
    modify(site.catalog, "cameras", "PAN012_358d0f", lambda _: {"name": MARKUP, "model": MARKUP})
    return site


@pytest.fixture(scope="module")
def client(site: Site) -> Iterator[httpx.Client]:
    with served(site, files="archive") as client:
        yield client


@pytest.fixture(scope="module")
def base(client: httpx.Client) -> str:
    return str(client.base_url).rstrip("/")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as browser:
        yield browser


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_people_come_from_the_first_page_to_an_images_header(
    browser: Browser, base: str, scripts: bool
) -> None:
    with opened(browser, base, java_script_enabled=scripts) as page:
        page.goto("/")
        expect(page.get_by_role("heading", level=1)).to_have_text("Tonight")
        page.get_by_role("link", name="PAN001", exact=True).click()
        page.get_by_role("link", name="2018-02-16 11:06").click()
        expect(page.get_by_role("heading", level=1)).to_have_text("M42")
        pictures = page.locator(".sheet a")
        expect(pictures).to_have_count(2)
        pictures.first.click()
        expect(page.get_by_role("heading", level=1)).to_have_text(IMAGE_ID)
        card = page.get_by_role("row", name="EXPTIME")
        expect(card.get_by_role("cell")).to_have_text("120.125")
        page.get_by_role("link", name="Next image").click()
        expect(page.get_by_role("row", name="CAMTEMP").get_by_role("cell")).to_have_text("11 C")
        shown = page.get_by_role("img", name="The image, stretched")
        assert page.request.get(shown.get_attribute("src") or "").ok


def test_a_night_is_found_in_the_calendar_and_shows_its_plots(browser: Browser, base: str) -> None:
    with opened(browser, base) as page:
        page.goto("/nights")
        page.get_by_role("link", name="2018-02-15, 2 images").click()
        page.get_by_role("link", name="PAN001", exact=True).click()
        expect(page.get_by_role("heading", level=1)).to_have_text("PAN001, night of 2018-02-15")
        expect(page.locator("svg[role=img]")).to_have_count(3)
        page.get_by_role("link", name="11:06").click()
        expect(page).to_have_url(f"{base}/observations/{SEQUENCE_ID}")


def test_everything_is_reached_by_the_keyboard(browser: Browser, base: str) -> None:
    with opened(browser, base) as page:
        page.goto("/")
        page.keyboard.press("Tab")
        expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
        expect(page.get_by_role("link", name="Skip to the content")).to_be_in_viewport()
        page.keyboard.press("Enter")
        press_until(page, "Tab", "PAN001")
        page.keyboard.press("Enter")
        expect(page.get_by_role("heading", level=1)).to_contain_text("PAN001")
        page.goto(f"/images/{IMAGE_ID}")
        page.keyboard.press("ArrowRight")
        expect(page.get_by_role("heading", level=1)).to_have_text("PAN001_14d3bd_20180216T112630")
        page.keyboard.press("ArrowLeft")
        expect(page.get_by_role("heading", level=1)).to_have_text(IMAGE_ID)


def press_until(page: Page, key: str, text: str) -> None:
    """Press a key until what has the focus has this text."""
    for _ in range(60):
        page.keyboard.press(key)
        if page.locator(":focus").inner_text() == text:
            return
    pytest.fail(f"the focus never came to {text}")


def test_the_first_page_renews_itself(browser: Browser, base: str, site: Site) -> None:
    with opened(browser, base) as page:
        page.clock.install()
        page.goto("/")
        site.catalog.create("units", "PAN077", {"name": "Just entered"})
        page.clock.fast_forward(31_000)
        expect(page.get_by_role("link", name="PAN077", exact=True)).to_be_visible()
    with opened(browser, base, java_script_enabled=False) as page:
        page.goto("/")
        assert page.locator("meta[http-equiv=refresh]").get_attribute("content") == "60"


PAGES = [
    "/", "/nights", "/nights/2018-02-15", "/nights/2018-02-15/PAN001",
    "/nights/2018-08-21/PAN012", "/units", "/units/PAN001", "/units/PAN012",
    f"/observations/{SEQUENCE_ID}", f"/observations/{OTHER}", f"/images/{IMAGE_ID}",
    "/images/PAN012_358d0f_20180822T040013", "/units/PAN999", "/nothing", "/docs", "/sky",
    "/observations", "/observations?near=M42&radius=5", "/files?name=14d3bd",
    "/quarantine", "/sign-in", "/health",
    LIGHT_CURVES, f"{LIGHT_CURVES}/{STAR}", f"/stars/{STAR_KEY}",
    f"/stars/{STAR_KEY}/transits",
]  # fmt: skip


SMALLEST_TEXT = """Math.min(99, ...[...document.querySelectorAll("svg text")].map(
    each => parseFloat(getComputedStyle(each).fontSize) * each.getScreenCTM().a).filter(Boolean))"""
"""Of plots and maps, in pixels of the screen."""


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_axe_finds_nothing_and_a_phone_shows_it_all(
    browser: Browser, base: str, scheme: str
) -> None:
    phone = {"width": 360, "height": 740}
    rules = {} if scheme == "dark" else {"runOnly": ["color-contrast"]}
    with opened(browser, base, color_scheme=scheme, viewport=phone) as page:
        for address in PAGES:
            page.goto(address)
            found = Axe().run(page, options=rules).response["violations"]
            assert not [f"{each['id']}: {each['nodes'][0]['html']}" for each in found], address
            assert page.evaluate("document.documentElement.scrollWidth") <= 360, address
            assert page.evaluate(SMALLEST_TEXT) >= 8, address


@pytest.mark.parametrize(
    "address",
    ["/", "/units", "/units/PAN012", f"/observations/{OTHER}",
     "/images/PAN012_358d0f_20180822T040013", "/nights/2018-08-21/PAN012"],
)  # fmt: skip
def test_what_others_wrote_stays_text(browser: Browser, base: str, address: str) -> None:
    with opened(browser, base) as page:
        page.on("dialog", lambda dialog: pytest.fail(dialog.message))
        page.goto(address)
        expect(page.get_by_text("<script>").first).to_be_attached()
        assert page.title() != "taken over"
        assert page.locator("main script, main b, main img[onerror]").count() == 0
