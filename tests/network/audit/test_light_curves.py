"""Light curves that are gone, and files that a run left that died."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from panoptes.network.audit import audit
from panoptes.network.processing.process import Processed, process
from panoptes.network.site import Site
from tests import measured, sites
from tests.measured import SEQUENCE_ID


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return measured.ingested(tmp_path_factory.mktemp("network"))


@pytest.fixture(scope="module")
def made(site: Site) -> Processed:
    return process(site, SEQUENCE_ID)


def findings(site: Site, unit: str | None = None) -> list[tuple[str, str, str]]:
    return [(f.kind.value, f.location, f.name) for f in audit(site, unit=unit)]


def aged(path: Path) -> None:
    two_days_ago = time.time() - 2 * 86400
    os.utime(path, (two_days_ago, two_days_ago))


def test_what_documents_speak_of_is_there(site: Site, made: Processed) -> None:
    aged(Path(str(site.settings.measurements)) / made.path)
    assert findings(site) == []


def test_a_file_that_is_gone_is_an_error_that_says_what_to_do(
    site: Site, made: Processed, tmp_path: Path
) -> None:
    path = Path(str(site.settings.measurements)) / made.path
    path.rename(tmp_path / "away")
    try:
        night = sites.document(site, "observations", SEQUENCE_ID)["night"]
        (found,) = audit(site, night=night)
        assert (found.kind, found.severity, found.name) == ("object-missing", "error", made.path)
        assert f"panoptes-network process {SEQUENCE_ID}" in found.sentence
        assert findings(site, unit="PAN002") == []
    finally:
        (tmp_path / "away").rename(path)


def test_a_file_of_a_run_that_died_is_told_once_no_run_can_be_at_work(
    site: Site, made: Processed
) -> None:
    path = Path(str(site.settings.measurements)) / made.path
    left = path.with_name("20260101T000000000000.parquet")
    left.write_bytes(b"PAR1")
    assert findings(site) == []
    aged(left)
    name = str(left.relative_to(str(site.settings.measurements)))
    assert findings(site) == [("object-orphaned", "measurements", name)]
    left.unlink()
