"""The client that astronomers use, panoptes-data as published, works on our archive unchanged."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from deployments.services.app import create_app
from deployments.services.settings import ServiceSettings
from panoptes.network.site import Site
from panoptes.network.tables import TABLES, export_table
from tests.archives import IMAGE, LATER, SEQUENCE_ID, small_archive
from tests.local_http import serving
from tests.published_client import read_frame, run, settings_for

pytestmark = pytest.mark.xdist_group("published_client")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return small_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def environment(site: Site, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The client's settings, and a home of its own for its caches."""
    settings = ServiceSettings(files=frozenset({"images"}))
    with serving(lambda: create_app(site, settings)) as url:
        yield settings_for(url, tmp_path)


def test_its_search_finds_observations_by_coordinates(
    client: Path, environment: dict[str, str]
) -> None:
    search = [str(client / "panoptes-data"), "search", "--start-date", "2018-01-01"]
    near_m42 = run(environment, *search, "--ra", "83.8", "--dec", "-5.4")
    assert SEQUENCE_ID in near_m42
    assert "Found 1 observations." in near_m42


def test_its_get_metadata_saves_the_images_of_an_observation(
    client: Path, environment: dict[str, str]
) -> None:
    run(environment, str(client / "panoptes-data"), "get-metadata", "--sequence-id", SEQUENCE_ID)
    saved = (Path(environment["HOME"]) / f"{SEQUENCE_ID}-metadata.csv").read_text()
    assert saved.count("\n2018-02-16 11:2") == 2


def frame(site: Site) -> str:
    """What the client is to say of the later image."""
    from astropy.io import fits

    with fits.open(Path(site.settings.images) / f"{LATER}.fits.fz") as hdus:
        return f"(12, 16) M42 {int(hdus[1].data.astype(int).sum())}"


def test_its_image_list_and_image_data_come_from_our_archive(
    client: Path, environment: dict[str, str], site: Site
) -> None:
    environment["PANOPTES_ARCHIVE_ROOT"] = site.settings.images
    *paths, image = run(
        environment, str(client / "python"), "-c", read_frame(SEQUENCE_ID, 1)
    ).splitlines()
    assert paths == [f"{site.settings.images}/{each}.fits.fz" for each in (IMAGE, LATER)]
    assert image == frame(site)


@pytest.mark.parametrize(
    ("base", "bucket"),
    [("/files/", "images"), ("/files", "images"), ("", "files/images")],
    ids=["with a slash", "without the slash", "the services' own address"],
)
def test_its_image_data_come_over_http(
    client: Path, environment: dict[str, str], site: Site, base: str, bucket: str
) -> None:
    services = environment["PANOPTES_OBSERVATIONS_URL"].removesuffix("/observations.csv")
    environment |= {
        "PANOPTES_IMG_BASE_URL": f"{services}{base}",
        "PANOPTES_IMG_BUCKET": bucket,
    }
    *urls, image = run(
        environment, str(client / "python"), "-c", read_frame(SEQUENCE_ID, 1)
    ).splitlines()
    assert all(url.startswith(f"{services}/files") for url in urls)
    assert image == frame(site)


def test_its_search_reads_the_table_that_is_published_as_a_file(
    client: Path, environment: dict[str, str], site: Site, tmp_path: Path
) -> None:
    place = tmp_path / "public"
    export_table(site.changed(tables=str(place)), TABLES[0])
    with files_of(place) as url:
        environment["PANOPTES_OBSERVATIONS_URL"] = f"{url}/observations.csv"
        search = [str(client / "panoptes-data"), "search", "--start-date", "2018-01-01"]
        near_m42 = run(environment, *search, "--ra", "83.8", "--dec", "-5.4")
    assert SEQUENCE_ID in near_m42
    assert "Found 1 observations." in near_m42


@contextmanager
def files_of(folder: Path) -> Iterator[str]:
    """A web server that knows nothing but files."""
    handler = partial(SimpleHTTPRequestHandler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
