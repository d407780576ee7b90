"""An observation's frames for AutoWISP: what it reads of a folder is there, and true."""

from __future__ import annotations

import io
import json
import os
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.time import Time
from typer.testing import CliRunner

from deployments.command_line.main import app
from panoptes.network.autowisp.export import CannotExport, export
from panoptes.network.autowisp.project import channels_of
from panoptes.network.catalog.catalog import modify
from panoptes.network.documents import GeoPoint
from panoptes.network.site import Site
from tests.archives import OTHER, SEQUENCE_ID, small_archive
from tests.files import tiny_fits

FIRST = "PAN001_14d3bd_20180216T112430"
AUTOWISP = os.environ.get("AUTOWISP_PYTHON", "")
"""The Python of an environment with AutoWISP, which is none of our packages."""


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    site = small_archive(tmp_path_factory.mktemp("archive"))
    place = {"location": GeoPoint(19.54, -155.58), "elevation": 3400.0}
    modify(site.catalog, "units", "PAN001", lambda _: place)
    modify(site.catalog, "units", "PAN012", lambda _: {"location": None})
    return site


@pytest.fixture(scope="module")
def folder(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "m42"
    made = export(site, SEQUENCE_ID, folder)
    assert (made.images, made.left_out) == (2, [])
    return folder


def test_frames_keep_their_pixels_and_say_what_autowisp_asks(folder: Path) -> None:
    with fits.open(folder / "images" / f"{FIRST}.fits", checksum=True) as file:
        header, pixels = file[0].header, file[0].data
    m42: dict[str, str | int | float | None] = {"FIELD": "M42", "RA-MNT": 83.8, "DEC-MNT": -5.4}
    assert np.array_equal(pixels, fits.getdata(io.BytesIO(tiny_fits(m42))))
    # The expressions that are AutoWISP's defaults.
    begun = Time(header["DATE-OBS"] + "T" + header["TIME-OBS"])
    assert begun.isot == "2018-02-16T11:24:30.000"
    assert header["EXPTIME"] == 120.125
    assert (header["RA-MNT"], header["DEC-MNT"], header["FIELD"]) == (83.8, -5.4, "M42")
    place = (header["LAT-OBS"], header["LONG-OBS"], header["ALT-OBS"])
    assert place == (19.54, -155.58, 3400.0)
    assert header["SEQID"] == SEQUENCE_ID


def test_every_instrument_that_a_frame_names_is_in_the_survey(folder: Path) -> None:
    survey = json.loads((folder / "survey.json").read_text())
    for path in (folder / "images").iterdir():
        header = fits.getheader(path)
        for kind, card in (("cameras", "CAMSN"), ("telescopes", "INTSN"), ("mounts", "OBSERVER")):
            serials = [each["serial no"] for one in survey[kind] for each in one["devices"]]
            assert header[card] in serials
        assert header["ORIGIN"] == header["OBSERVER"] == survey["observers"][0]["name"]
        camera = survey["cameras"][0]
        assert (camera["x resolution"], camera["y resolution"]) == (16, 12)
        assert camera["pixel size"] == pytest.approx(4.25, abs=0.06)
    assert survey["observatories"][0]["longitude"] == -155.58


def test_the_colours_of_the_mask_are_told_apart() -> None:
    assert channels_of("GBRG") == {"B": (1, 0), "G1": (0, 0), "G2": (1, 1), "R": (0, 1)}


@pytest.mark.parametrize(
    ("sequence_id", "sentence"),
    [
        ("none", "is not an observation's id"),
        ("PAN001_14d3bd_20190101T000000", "the catalogue has no observation"),
        (OTHER, "AutoWISP needs the place of PAN012"),
    ],
)
def test_what_cannot_be_exported_is_refused(
    site: Site, tmp_path: Path, sequence_id: str, sentence: str
) -> None:
    with pytest.raises(CannotExport, match=sentence):
        export(site, sequence_id, tmp_path / "new")
    assert not (tmp_path / "new").exists()


def test_a_folder_that_holds_something_is_left_alone(site: Site, folder: Path) -> None:
    data = str(Path(site.settings.images).parent)
    done = CliRunner().invoke(app, ["export", SEQUENCE_ID, "--to", str(folder), "--data", data])
    assert done.exit_code == 3
    assert "is not empty" in done.output


def test_the_command_says_what_it_wrote(site: Site, tmp_path: Path) -> None:
    data = str(Path(site.settings.images).parent)
    arguments = ["export", SEQUENCE_ID, "--to", str(tmp_path / "new"), "--data", data]
    done = CliRunner().invoke(app, [*arguments, "--for", "autowisp", "--json"])
    said = json.loads(done.stdout)
    assert (said["images"], said["left_out"], said["for"]) == (2, {}, "autowisp")
    script = (tmp_path / "new" / "make_project.py").read_text()
    compile(script, "make_project.py", "exec")


@pytest.mark.skipif(not AUTOWISP, reason="AUTOWISP_PYTHON names no Python with AutoWISP")
def test_autowisp_adds_the_images(folder: Path, tmp_path: Path) -> None:
    subprocess.run(
        [AUTOWISP, str(folder / "make_project.py")],
        check=True,
        capture_output=True,
        cwd=tmp_path,
        env={"HOME": str(tmp_path), "PATH": os.environ["PATH"]},
        timeout=300,
    )
    with closing(sqlite3.connect(folder / "project" / "autowisp.db")) as database:
        (count,) = database.execute("SELECT count(*) FROM image").fetchone()
        (label,) = database.execute("SELECT label FROM observing_session").fetchone()
    assert (count, label) == (2, SEQUENCE_ID)
