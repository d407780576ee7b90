"""What the audit says to do is done: the file is uploaded again, and that mends it."""

from __future__ import annotations

from pathlib import Path

import pytest

from panoptes.network.site import Site
from tests import audited, sites
from tests.audited import BAD, STRAY, found, path_of, quietly_spoil, truth
from tests.files import IMAGE, LATER, SEQUENCE


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return audited.ingested(sites.drained(tmp_path))


def test_damage_without_a_trace_is_mended_by_uploading_the_file_again(
    site: Site,
) -> None:
    quietly_spoil(site, "images", f"{IMAGE}.fits.fz")
    quietly_spoil(site, "images", f"{LATER}.fits.fz")
    quietly_spoil(site, "originals", f"{IMAGE}.cr2")
    quietly_spoil(site, "timelapse", path_of(site, f"{SEQUENCE}.mp4"))
    assert len(found(site, deep=True)) == 4
    audited.send(site)
    sites.ingest_all(site)
    assert sites.waiting(site) == []
    assert found(site, deep=True, truth=truth()) == set()


@pytest.mark.parametrize("name", [BAD, STRAY])
def test_a_copy_that_lost_bits_is_not_taken_for_that_of_the_upload_sent_again(
    site: Site, name: str
) -> None:
    quietly_spoil(site, "quarantine", path_of(site, name))
    audited.send(site, name)
    sites.ingest_all(site)
    assert site.store("quarantine").read(path_of(site, name))[0] == audited.NIGHT[name]
    assert found(site, deep=True) == set()
