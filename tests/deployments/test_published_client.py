"""The client that astronomers use, panoptes-data as published, works on our archive unchanged.

It needs Python 3.12, which pyenv may hold without having it selected. It is installed once
into pytest's cache folder.
"""

from __future__ import annotations

import os
import shutil
import subprocess
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

CLIENT = "panoptes-data==0.4.0"

pytestmark = pytest.mark.xdist_group("published_client")


def python_3_12() -> Path | None:
    """An interpreter of that version that starts; a pyenv shim alone may not."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = shutil.which("python3.12")
    candidates = [Path(found)] if found else []
    for candidate in [*candidates, *sorted(pyenv.glob("versions/3.12*/bin/python"))]:
        asked = [str(candidate), "-c", "import sys, venv; print(sys.version_info[:2])"]
        answer = subprocess.run(asked, capture_output=True, text=True, check=False)
        if answer.stdout.strip() == "(3, 12)":
            return candidate
    return None


@pytest.fixture(scope="module")
def client(pytestconfig: pytest.Config) -> Path:
    """The folder of the client's programs."""
    python = python_3_12()
    if python is None:
        pytest.skip("needs Python 3.12 for the published client: install it, or add it to pyenv")
    assert pytestconfig.cache is not None
    home = pytestconfig.cache.mkdir("published-client") / CLIENT
    if not (home / "installed").exists():
        shutil.rmtree(home, ignore_errors=True)
        made = subprocess.run(
            [str(python), "-m", "venv", "--without-pip", str(home)],
            check=False,
            capture_output=True,
            text=True,
        )
        if made.returncode:
            pytest.skip(f"{python} cannot make a virtual environment: {made.stderr[-300:]}")
        pip = [str(python), "-m", "pip", "--python", str(home / "bin" / "python"), "install"]
        pip += ["--quiet", "--no-compile", CLIENT]
        installed = subprocess.run(pip, capture_output=True, text=True, check=False)
        if installed.returncode:
            pytest.skip(f"{CLIENT} could not be installed: {installed.stderr.strip()[-300:]}")
        (home / "installed").touch()
    return home / "bin"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return small_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture
def environment(site: Site, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The client's settings, and a home of its own for its caches."""
    settings = ServiceSettings(files=frozenset({"images"}))
    with serving(lambda: create_app(site, settings)) as url:
        yield {
            "HOME": str(tmp_path),
            "PATH": os.environ["PATH"],
            "COLUMNS": "300",
            "PANOPTES_OBSERVATIONS_URL": f"{url}/observations.csv",
            "PANOPTES_IMG_METADATA_URL": f"{url}/get-observation-info",
        }


def run(environment: dict[str, str], *command: str) -> str:
    home = environment["HOME"]
    ran = subprocess.run(
        command, env=environment, cwd=home, capture_output=True, text=True, check=False
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


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


FRAME = f"""
from panoptes.data.observations import ObservationInfo
info = ObservationInfo(sequence_id="{SEQUENCE_ID}")
print(*info.get_image_list(), sep="\\n")
image = info.get_image_data(1)
print(image.shape, image.meta["FIELD"], int(image.data.sum()))
"""


def frame(site: Site) -> str:
    """What the client is to say of the later image."""
    from astropy.io import fits

    with fits.open(Path(site.settings.images) / f"{LATER}.fits.fz") as hdus:
        return f"(12, 16) M42 {int(hdus[1].data.astype(int).sum())}"


def test_its_image_list_and_image_data_come_from_our_archive(
    client: Path, environment: dict[str, str], site: Site
) -> None:
    environment["PANOPTES_ARCHIVE_ROOT"] = site.settings.images
    *paths, image = run(environment, str(client / "python"), "-c", FRAME).splitlines()
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
    *urls, image = run(environment, str(client / "python"), "-c", FRAME).splitlines()
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
