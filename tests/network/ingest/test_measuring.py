"""Light images are measured and solved as they are ingested."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from panoptes.network.catalog.catalog import Fields, Query
from panoptes.network.ingest.folder import files_in, ingest_folder
from panoptes.network.ingest.take import Watch
from panoptes.network.plate_solving.wcs import Wcs
from panoptes.network.simulator.headers import Target
from panoptes.network.simulator.night import Night
from panoptes.network.simulator.observed_sky import ObservedSky
from panoptes.network.site import Site


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


def test_a_frame_that_cannot_be_solved_says_why(tmp_path: Path) -> None:
    Night(images=1).send(tmp_path / "uploads")
    told = [each.get("solution") for each in images(tmp_path / "uploads", tmp_path / "data")]
    reasons = [solution["reason"] for solution in told if solution]
    assert reasons
    assert all("stars" in reason for reason in reasons)
