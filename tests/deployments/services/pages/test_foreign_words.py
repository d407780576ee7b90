"""Documents that other programs wrote, or a bad disk spoiled, take no page down."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from panoptes.network.names import document_key
from panoptes.network.site import Site
from tests.archives import small_archive
from tests.deployments.services.served import served

SECRET = "c2VydmljZXMgZm9yIHRlc3Rz"
HTML = {"Accept": "text/html", "Authorization": f"Bearer {SECRET}"}
NAME = "PAN001/14d3bd/20180216T110623/20180216T120000.fits"
IMAGE_ID = "PAN001_14d3bd_20180216T112430"


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return small_archive(tmp_path)


@pytest.fixture
def client(site: Site) -> Iterator[httpx.Client]:
    with served(site, token=SECRET) as client:
        client.headers.update(HTML)
        yield client


@pytest.mark.parametrize("unit_id", ["", "/etc/passwd", "x" * 5000, "PAN00é"])
def test_an_impossible_unit_is_listed_in_quarantine(
    site: Site, client: httpx.Client, unit_id: str
) -> None:
    entry = {
        "schema_version": 2, "name": NAME, "generation": 1, "size": 1, "unit_id": unit_id,
        "arrived": site.catalog.get("images", IMAGE_ID).fields["time"],  # type: ignore[union-attr]
        "outcome": "quarantined", "code": "empty-file", "case_id": "Q0123456789ab",
    }  # fmt: skip
    site.catalog.create("files", document_key(NAME), entry)
    answer = client.get("/quarantine")
    assert (answer.status_code, "20180216T120000.fits" in answer.text) == (200, True)


def test_an_entry_that_cannot_be_read_is_said_to_be_there(site: Site, client: httpx.Client) -> None:
    site.catalog.create("files", document_key(NAME), {"name": NAME, "size": "big"})
    answer = client.get("/files", params={"name": NAME})
    assert (answer.status_code, "another program wrote" in answer.text) == (404, True)


@pytest.mark.parametrize("sequence_id", ["", "a/b", "..", "x" * 2000])
def test_an_image_of_an_impossible_observation_is_shown(
    site: Site, client: httpx.Client, sequence_id: str
) -> None:
    stored = site.catalog.get("images", IMAGE_ID)
    assert stored is not None
    site.catalog.update("images", IMAGE_ID, {"sequence_id": sequence_id}, version=stored.version)
    assert client.get(f"/images/{IMAGE_ID}").status_code == 200


@pytest.mark.parametrize(
    ("solution", "shown"),
    [
        ({"reason": "only <b>3</b> stars are seen"}, "only &lt;b&gt;3&lt;/b&gt; stars are seen"),
        ({"matched": 90, "expected": 123, "median": 0.72, "pointing_error": 1.5}, "90 of 123 are"),
        ({"matched": "many", "reason": 3, "median": [1]}, "By its stars: –"),
        ("solved, they say", "Its place on the sky"),
    ],
)
def test_what_an_images_stars_say_is_shown(
    site: Site, client: httpx.Client, solution: object, shown: str
) -> None:
    stored = site.catalog.get("images", IMAGE_ID)
    assert stored is not None
    said = {"solution": solution, "measured": {"stars": 200, "fwhm": 2.345, "elongation": "x"}}
    site.catalog.update("images", IMAGE_ID, said, version=stored.version)
    answer = client.get(f"/images/{IMAGE_ID}", headers={"Accept": "text/html"})
    assert answer.status_code == 200
    assert shown in answer.text
    assert "200 found, 2.3 pixels wide" in answer.text


def test_the_calendar_has_an_end(client: httpx.Client) -> None:
    assert client.get("/nights", params={"before": "9999-12-31"}).status_code < 500
