"""Cases of files whose names belong to no observation are not lost by repairs, nor unseen."""

from __future__ import annotations

from pathlib import Path

import pytest

from panoptes.network.audit import audit
from panoptes.network.audit.mending import mend
from panoptes.network.ingest.cases import cases
from panoptes.network.ingest.ledger import open_entry
from panoptes.network.site import Site
from tests import audited, sites
from tests.audited import BAD, STRAY, change, entry_key, found, path_of, quietly_spoil


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = sites.drained(tmp_path)
    site.check()
    audited.send(site, BAD, STRAY)
    sites.ingest_all(site)
    return site


def _listed(site: Site) -> set[str]:
    return {case.entry.name for case in cases(site)}


@pytest.mark.parametrize("name", [BAD, STRAY])
@pytest.mark.parametrize("is_gone", [True, False])
def test_a_copy_that_is_gone_or_damaged_is_replaced_by_the_upload_and_stays_a_case(
    site: Site, name: str, is_gone: bool
) -> None:
    if is_gone:
        site.store("quarantine").delete(path_of(site, name))
    else:
        quietly_spoil(site, "quarantine", path_of(site, name))
    audited.send(site, name)
    results = audited.repaired(site, deep=True)
    assert results
    assert all(result.mended for result in results)
    assert _listed(site) == {BAD, STRAY}
    assert sites.waiting(site) == []
    assert found(site, deep=True) == set()
    assert site.store("quarantine").read(path_of(site, name))[0] == audited.NIGHT[name]


@pytest.mark.parametrize("name", [BAD, STRAY])
def test_a_repair_that_finds_the_upload_gone_leaves_the_judgement(site: Site, name: str) -> None:
    site.store("quarantine").delete(path_of(site, name))
    audited.send(site, name)
    [missing] = (f for f in audit(site) if f.kind == "quarantine-missing")
    site.store("incoming").delete(name)
    mend(site, [missing])
    assert _listed(site) == {BAD, STRAY}


def test_a_copy_that_nothing_can_replace_comes_with_what_to_do(site: Site) -> None:
    site.store("quarantine").delete(path_of(site, BAD))
    quietly_spoil(site, "quarantine", path_of(site, STRAY))
    for finding in audit(site, deep=True):
        assert not finding.can_be_repaired
        assert "Upload the file again from the unit" in finding.sentence


def test_a_case_without_an_outcome_is_found_and_judged_again_from_its_copy(
    site: Site,
) -> None:
    change(site, "files", entry_key(STRAY), "outcome")
    assert found(site) == {("entry-stuck", f"files/{entry_key(STRAY)}")}
    assert found(site, unit="PAN001") == found(site)
    assert found(site, unit="PAN002") == set()
    assert all(result.mended for result in audited.repaired(site))
    assert _listed(site) == {BAD, STRAY}
    assert found(site, deep=True) == set()


@pytest.mark.parametrize("is_first", [True, False])
def test_a_stray_that_was_begun_and_is_no_longer_anywhere_is_found(
    site: Site, is_first: bool
) -> None:
    site.store("quarantine").delete(path_of(site, STRAY))
    change(site, "files", entry_key(STRAY), "outcome")
    if is_first:
        change(site, "files", entry_key(STRAY), "code", "path", "location", returns=0)
    lost = {("upload-lost", f"files/{entry_key(STRAY)}")}
    assert found(site) == lost
    assert {audited.about(r.finding) for r in audited.repaired(site) if not r.mended} == lost
    audited.send(site, STRAY)
    assert found(site) == set()
    sites.ingest_all(site)
    assert found(site) == set()
    assert _listed(site) == {BAD, STRAY}


def test_a_newer_upload_that_was_lost_is_not_taken_for_the_copy_of_an_older_one(
    site: Site,
) -> None:
    site.store("incoming").put(STRAY, b"HELLO")
    open_entry(site, sites.source_named(site, STRAY))
    site.store("incoming").delete(STRAY)
    assert found(site) == {("upload-lost", f"files/{entry_key(STRAY)}")}
