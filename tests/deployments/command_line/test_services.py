"""The commands, as a user types them."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner, Result

from deployments.command_line.main import app
from panoptes.network.site import Site
from tests.archives import IMAGE, LATER, OTHER, SEQUENCE_ID, small_archive
from tests.files import tiny_fits
from tests.local_http import SesameServer, sesame_server, simbad
from tests.patience import PATIENT_SECONDS

OK, FAILED, NOTHING_FOUND = 0, 1, 3


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return small_archive(tmp_path_factory.mktemp("archive"))


@pytest.fixture(scope="module")
def data(site: Site) -> str:
    return str(Path(site.settings.images).parent)


@pytest.fixture
def sesame(monkeypatch: pytest.MonkeyPatch) -> Iterator[SesameServer]:
    with sesame_server(Vega=simbad("NAME Vega", "279.2347347", "+38.7836889")) as server:
        monkeypatch.setenv("PANOPTES_SESAME", server.url)
        yield server


def type_in(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def test_lookup_tells_the_place_in_one_line() -> None:
    result = type_in("lookup", "M42")
    assert result.stdout == "NGC 1976: RA 83.818667, Dec -5.389667 (OpenNGC)\n"
    assert result.exit_code == OK
    moon = type_in("lookup", "moon", "--time", "2024-04-08T18:20:00")
    assert moon.stdout.startswith("Moon at 2024-04-08 18:20:00 UTC: RA 17.")


def test_lookup_gives_json_and_nothing_else() -> None:
    found = json.loads(type_in("lookup", "83.8 -5.4", "--json").stdout)
    assert found == {
        "success": True, "search_string": "83.8 -5.4", "ra": 83.8, "dec": -5.4,
        "name": "83.8 -5.4", "source": "coordinates",
    }  # fmt: skip


def test_lookup_tells_no_such_name_from_an_outage(sesame: SesameServer) -> None:
    nothing = type_in("lookup", "Zzyzx")
    assert (nothing.exit_code, "nothing is known" in nothing.stderr) == (NOTHING_FOUND, True)
    sesame.status = 500
    away = type_in("lookup", "Zzyzx", "--json")
    assert away.exit_code == FAILED
    assert "gives no answer" in json.loads(away.stdout)["message"]


def test_lookup_remembers_in_the_catalogue_if_there_is_one(
    sesame: SesameServer, data: str, tmp_path: Path
) -> None:
    for _ in range(2):
        assert type_in("lookup", "Vega", "--data", data).exit_code == OK
    assert sesame.asked == ["Vega"]
    assert type_in("lookup", "Vega", "--data", str(tmp_path)).exit_code == OK
    assert list(tmp_path.iterdir()) == []


def test_header_shows_a_file_of_the_network_and_one_of_ones_own(data: str, tmp_path: Path) -> None:
    stored = type_in("header", f"{IMAGE}.fits.fz", "--data", data)
    assert stored.exit_code == OK
    assert 'FIELD    = "M42"\n' in stored.stdout
    own = tmp_path / "own file.fits"
    own.write_bytes(tiny_fits({"FIELD": "mine"}))
    shown = json.loads(type_in("header", str(own), "--hdu", "all", "--json").stdout)
    assert [each["header"]["FIELD"] for each in shown["headers"]] == ["mine"]


def test_header_says_why_there_is_none(data: str, tmp_path: Path) -> None:
    nothing = type_in("header", "PAN001/nothing.fits", "--data", data)
    assert (nothing.exit_code, "there is no" in nothing.stderr) == (NOTHING_FOUND, True)
    picture = type_in("header", f"previews/{LATER}.jpg", "--data", data)
    assert (picture.exit_code, "JPEG" in picture.stderr) == (FAILED, True)
    nowhere = type_in("header", "PAN001/a.fits", "--data", str(tmp_path))
    assert (nowhere.exit_code, "--data" in nowhere.stderr) == (FAILED, True)


def test_search_lists_observations(data: str) -> None:
    result = type_in("search", "--data", data)
    assert result.exit_code == OK
    assert result.stdout.index(OTHER) < result.stdout.index(SEQUENCE_ID)
    found = json.loads(
        type_in("search", "--near", "M42", "--radius", "2", "--data", data, "--json").stdout
    )
    assert [each["sequence_id"] for each in found["observations"]] == [SEQUENCE_ID]
    some = json.loads(type_in("search", "--limit", "1", "--data", data, "--json").stdout)
    assert (len(some["observations"]), some["more"]) == (1, True)


def test_search_exits_with_3_if_there_are_none(data: str) -> None:
    nothing = type_in("search", "--unit", "PAN099", "--start", "2020-01-01", "--data", data)
    assert (nothing.exit_code, nothing.stdout) == (NOTHING_FOUND, "")


def test_serve_answers_until_it_is_stopped(data: str, repository: Path) -> None:
    command = [sys.executable, "-m", "deployments.command_line.main"]
    process = subprocess.Popen(
        [*command, "serve", "--data", data, "--port", "0", "--files", "images"],
        cwd=repository, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={k: v for k, v in os.environ.items() if not k.startswith("PANOPTES_")},
    )  # fmt: skip
    try:
        assert process.stdout is not None
        said = process.stdout.readline()
        url = re.match(r"http://127\.0\.0\.1:\d+", said)
        assert url, said
        assert (
            httpx.get(f"{url[0]}/units", timeout=PATIENT_SECONDS).json()[0]["unit_id"] == "PAN001"
        )
        assert (
            httpx.get(f"{url[0]}/files/images/{IMAGE}.fits.fz", timeout=PATIENT_SECONDS).status_code
            == 200
        )
    finally:
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=PATIENT_SECONDS)
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (["--host", "0.0.0.0"], "nobody may use the services"),
        (["--files", "everything"], "files"),
        (["--host", "nowhere.invalid", "--open"], "cannot be used"),
    ],
)
def test_serve_refuses_settings_that_cannot_work(
    data: str, options: list[str], sentence: str
) -> None:
    refused = type_in("serve", "--data", data, "--port", "0", *options)
    assert (refused.exit_code, sentence in refused.stderr) == (FAILED, True), refused.stderr


def test_serve_needs_a_catalogue(tmp_path: Path) -> None:
    refused = type_in("serve", "--data", str(tmp_path))
    assert (refused.exit_code, "there is no catalogue" in refused.stderr) == (FAILED, True)


@pytest.mark.parametrize(
    "command",
    [["header", "a" * 300], ["search", "--data", "a" * 300], ["ingest", "a" * 300]],
)
def test_a_name_that_no_file_has_is_said_in_a_sentence(command: list[str]) -> None:
    code = "import sys; from deployments.command_line.main import run; run()"
    done = subprocess.run(
        [sys.executable, "-c", code, *command], capture_output=True, text=True, check=False
    )
    assert done.returncode == FAILED
    assert "longer than any file's" in done.stderr
    assert "Traceback" not in done.stderr
