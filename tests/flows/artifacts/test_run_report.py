"""A run's report, of documents and pictures that other programs or a bad disk have spoiled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from flows.artifacts.run_report import run_report
from panoptes.network.ingest.outcome import Became, FileResult
from panoptes.network.site import Site
from tests.archives import SEQUENCE_ID, small_archive
from tests.files import jpeg

IMAGE_ID = "PAN001_14d3bd_20180216T112430"


def reported(site: Site) -> str:
    result = FileResult("a.fits", Became.CATALOGUED, image_id=IMAGE_ID)
    return run_report(site, SEQUENCE_ID, [result])


def spoil(site: Site, **fields: Any) -> None:
    stored = site.catalog.get("images", IMAGE_ID)
    assert stored is not None
    site.catalog.update("images", IMAGE_ID, fields, version=stored.version)


@pytest.mark.parametrize(
    "data", [b"", b"no picture", jpeg(size=(640, 480))[:600], b"GIF89a"], ids=repr
)
def test_a_damaged_picture_is_left_out(tmp_path: Path, data: bytes) -> None:
    site = small_archive(tmp_path)
    site.store("previews").put("PAN001/spoilt.jpg", data)
    spoil(site, preview_path="PAN001/spoilt.jpg")
    report = reported(site)
    assert "data:image" not in report
    assert "2018-02-16 11:24:30" in report


@pytest.mark.parametrize("time", ["2026", None, 5])
@pytest.mark.parametrize("path", ["", "/etc/passwd", "../..", "absent.jpg", 7])
def test_words_of_other_programs_are_no_obstacle(
    tmp_path: Path, time: object, path: object
) -> None:
    site = small_archive(tmp_path)
    spoil(site, time=time, preview_path=path, exptime="long", ra_mnt="east")
    report = reported(site)
    assert "20180216T112430" in report
    assert "data:image" not in report
