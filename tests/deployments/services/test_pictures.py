"""Pictures over HTTP: previews, thumbnails and cutouts of a real archive."""

from __future__ import annotations

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event
from typing import Any

import httpx
import numpy as np
import pytest
from PIL import Image

from deployments.services import picture_routes
from panoptes.network.cutout import cutout
from panoptes.network.fits import section
from panoptes.network.fits.plain import FitsImage, fits_bytes
from panoptes.network.site import Site
from tests import sites
from tests.deployments.services.served import served
from tests.files import IMAGE, LATER, SEQUENCE, SEQUENCE_ID, jpeg, place, tiny_fits

ID, LATER_ID = "PAN001_14d3bd_20180216T112430", "PAN001_14d3bd_20180216T112630"
WIDTH, HEIGHT = 700, 500
NORTH_IS_RIGHT = (
    ("CTYPE1", "RA---TAN", ""), ("CTYPE2", "DEC--TAN", ""), ("CRVAL1", 83.8, ""),
    ("CRVAL2", -5.4, ""), ("CRPIX1", 350.5, ""), ("CRPIX2", 250.5, ""), ("CD1_1", 0.0, ""),
    ("CD1_2", 0.003, ""), ("CD2_1", 0.003, ""), ("CD2_2", 0.0, ""),
)  # fmt: skip


def frame() -> np.ndarray:
    pixels = np.random.default_rng(2).normal(2200, 12, (HEIGHT, WIDTH)).astype(np.uint16)
    pixels[100:104, 600:604] = 9000
    return pixels


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = sites.kept(tmp_path_factory.mktemp("archive"))
    incoming = sites.incoming(site)
    place(incoming, f"{IMAGE}.fits", fits_bytes([FitsImage(NORTH_IS_RIGHT, frame())]))
    place(incoming, f"{LATER}.fits", tiny_fits())
    place(incoming, f"{LATER}.jpg", jpeg())
    sites.run(site)
    site.store("previews").delete(f"{LATER}.preview-1024.jpg")
    site.store("images").delete(f"{LATER}.fits.fz")
    return site


@pytest.fixture(scope="module")
def client(site: Site) -> Iterator[httpx.Client]:
    with served(site) as client:
        yield client


def seen(answer: httpx.Response) -> Image.Image:
    assert answer.status_code == 200, answer.text
    picture = Image.open(io.BytesIO(answer.content))
    assert answer.headers["content-type"] == f"image/{str(picture.format).lower()}"
    return picture


def brightest(picture: Image.Image) -> tuple[int, int]:
    """Row and column."""
    values = np.asarray(picture.convert("L"))
    row, column = divmod(int(values.argmax()), values.shape[1])
    return row, column


def test_a_preview_and_its_thumbnail_are_shown_with_north_up(client: httpx.Client) -> None:
    preview = seen(client.get(f"/images/{ID}/preview"))
    assert preview.size == (HEIGHT, WIDTH)
    small = seen(client.get(f"/images/{ID}/thumbnail"))
    assert small.size == (229, 320)
    # A star at the right of the frame is in the north.
    assert brightest(preview) == pytest.approx((98, 398), abs=4)


@pytest.mark.parametrize("what", ["preview", "thumbnail", "cutout?x=10&y=10"])
def test_what_has_not_changed_is_not_sent_again(client: httpx.Client, what: str) -> None:
    first = client.get(f"/images/{ID}/{what}")
    again = client.get(f"/images/{ID}/{what}", headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.head(f"/images/{ID}/{what}").status_code == 200


def test_a_cutout_shows_the_frames_own_pixels(client: httpx.Client) -> None:
    place = "x=600&y=100&width=20&height=30&format=png&colours=grey"
    levels = "stretch=linear&low=2100&high=2300"
    shown = seen(client.get(f"/images/{ID}/cutout?{place}&{levels}"))
    assert shown.size == (30, 20)
    values = np.rot90(np.asarray(shown), -1)[::-1].astype(float)
    part = frame()[85:115, 590:610].astype(float)
    expected = np.clip((part - 2100) / 200, 0, None)
    below = expected < 0.87
    assert below.mean() > 0.9
    assert np.abs(values / 255 - expected)[below].max() < 0.005
    assert (values[part == 9000] == 255).all()


def test_a_cutout_of_a_place_on_the_sky_has_it_in_the_middle(client: httpx.Client) -> None:
    dec = -5.4 + 0.003 * (601.5 - 349.5)
    ra = 83.8 + 0.003 * (101.5 - 249.5) / np.cos(np.radians(dec))
    wanted = {"ra": ra, "dec": dec, "width": 64, "height": 64, "zoom": 2}
    shown = seen(client.get(f"/images/{ID}/cutout", params=wanted))
    assert shown.size == (128, 128)
    assert brightest(shown) == pytest.approx((64, 64), abs=6)


def test_at_the_edge_a_cutout_is_what_there_is(client: httpx.Client) -> None:
    assert seen(client.get(f"/images/{ID}/cutout?x=0&y=499&width=101&height=21")).size == (11, 51)


def test_the_units_own_picture_stands_in_where_there_is_no_other(client: httpx.Client) -> None:
    assert seen(client.get(f"/images/{LATER_ID}/preview")).format == "JPEG"
    assert client.get(f"/images/{LATER_ID}/cutout?x=1&y=1").status_code == 404


@pytest.mark.parametrize(
    ("path", "status", "sentence"),
    [
        (f"{ID}/cutout?x=700&y=3", 422, "x from 0 to 699 and y from 0 to 499"),
        (f"{ID}/cutout?ra=10&dec=80", 422, "not in the image"),
        (f"{ID}/cutout?ra=263.8&dec=5.4", 422, "not in the image"),
        (f"{ID}/cutout?x=1", 422, "x and y belong together"),
        (f"{ID}/cutout", 422, "give the cutout's middle once"),
        (f"{ID}/cutout?x=1&y=1&width=5000", 422, "width"),
        (f"{ID}/cutout?x=1&y=1&width=1000&zoom=16", 422, "2048 pixels"),
        (f"{ID}/cutout?x=1&y=1&low=5&high=5", 422, "low must be below high"),
        (f"{ID}/cutout?x=1&y=1&stretch=gamma", 422, "stretch"),
        ("PAN001_14d3bd_20200101T000000/preview", 404, "there is no image"),
        ("..%2F..%2Fetc/thumbnail", 404, ""),
        ("nonsense/preview", 404, "is no image"),
    ],
)
def test_what_cannot_be_shown_says_why(
    client: httpx.Client, path: str, status: int, sentence: str
) -> None:
    answer = client.get(f"/images/{path}")
    assert answer.status_code == status
    assert sentence in answer.text


def test_without_a_word_nothing_is_shown(site: Site, tmp_path: Path) -> None:
    with served(site, token="a token of 32 characters or more!") as guarded:
        assert guarded.get(f"/images/{ID}/preview").status_code == 401


def test_a_pointing_frame_whose_name_has_no_time_is_shown_as_any(tmp_path: Path) -> None:
    site = sites.kept(tmp_path)
    place(sites.incoming(site), f"{SEQUENCE}/pointing00.fits", tiny_fits())
    sites.run(site)
    with served(site) as client:
        address = f"/images/{SEQUENCE_ID}-pointing00"
        assert seen(client.get(f"{address}/thumbnail")).size[0] > 0
        assert client.get(address, headers={"Accept": "text/html"}).status_code == 200


def test_a_part_that_takes_too_much_of_its_file_is_refused_in_words(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(section, "MAX_AT_ONCE", 64)
    answer = client.get(f"/images/{ID}/cutout", params={"x": 8, "y": 6})
    assert answer.status_code == 422
    assert "Download the file instead" in answer.json()["message"]
    page = client.get(f"/images/{ID}", headers={"Accept": "text/html"})
    assert "Download the file instead" in page.text
    assert "/cutout" not in page.text


def test_while_enough_wait_for_a_cutout_others_are_told_to_come_again(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = Event(), Event()

    def held(*asked: Any, **more: Any) -> bytes:
        begun.set()
        assert go_on.wait(30)
        return cutout(*asked, **more)

    monkeypatch.setattr(picture_routes, "_AT_ONCE", 1)
    monkeypatch.setattr(picture_routes, "_WAITING", 0)
    monkeypatch.setattr(picture_routes, "cutout", held)
    address = f"/images/{ID}/cutout?x=8&y=6"
    with served(site) as client, ThreadPoolExecutor(1) as elsewhere:
        first = elsewhere.submit(client.get, address)
        assert begun.wait(30)
        refused = client.get(address)
        go_on.set()
        assert first.result().status_code == 200
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "30")
    assert "too many cutouts" in refused.json()["message"]
