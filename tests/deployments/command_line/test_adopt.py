"""`panoptes-network adopt`, run as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from panoptes.network.audit import audit
from panoptes.network.site import Site
from tests import sites
from tests.files import IMAGE, SEQUENCE, jpeg, place, tiny_fits_fz

COMMAND = Path(sys.executable).with_name("panoptes-network")


def run(*arguments: str) -> tuple[int, str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PANOPTES_")}
    ended = subprocess.run(
        [COMMAND, "adopt", *arguments], capture_output=True, text=True, check=False, env=kept
    )
    return ended.returncode, ended.stdout, ended.stderr


def archive(tmp_path: Path) -> Path:
    data = tmp_path / "data"
    place(data / "images", f"{IMAGE}.fits.fz", tiny_fits_fz())
    place(data / "previews", f"{IMAGE}.jpg", jpeg())
    return data


def test_a_folder_of_archived_files_becomes_a_network_once_it_is_asked_for(tmp_path: Path) -> None:
    data = archive(tmp_path)
    before = sites.picture_of(data)
    assert run("--data", str(data)) == (
        0,
        "would be: 1 files in images entered, 1 files in previews entered\n"
        "Nothing has been written yet: --write does it.\n",
        "",
    )
    assert sites.picture_of(data) == before
    status, text, _ = run("--data", str(data), "--write")
    assert (status, text) == (0, "1 files in images entered, 1 files in previews entered\n")
    site = Site.in_folder(data)
    assert sites.document(site, "units", "PAN001")["num_images"] == 1
    assert list(audit(site, deep=True)) == []
    assert run("--data", str(data), "--write") == (0, "nothing to take over\n", "")


def test_what_is_left_is_told_with_its_reason(tmp_path: Path) -> None:
    data = archive(tmp_path)
    place(data / "images", f"{SEQUENCE}/20180216T120000.fits.fz", tiny_fits_fz()[:3000])
    status, text, _ = run("--data", str(data), "--write")
    assert status == 3
    assert f"left: images/{SEQUENCE}/20180216T120000.fits.fz" in text
    assert "ends too early" in text
    status, text, _ = run("--data", str(data), "--write", "--json")
    answer = json.loads(text)
    assert status == 3
    assert [each["name"] for each in answer["left"]] == [
        f"images/{SEQUENCE}/20180216T120000.fits.fz"
    ]
    assert answer["counts"] == {"images left": 1}
    assert answer["written"] is True


def test_a_unit_or_a_folder_that_is_none_is_said_in_one_sentence(tmp_path: Path) -> None:
    data = archive(tmp_path)
    assert run("--data", str(data), "--unit", "mine")[::2] == (
        1,
        "panoptes-network adopt: 'mine' names no unit: expected PAN and three digits\n",
    )
    status, _, errors = run("--data", str(tmp_path / "nothing"))
    assert (status, errors.count("\n")) == (1, 1)
    assert "there is no catalogue" in errors
