"""What a repair mends, and what does not hold it up."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from panoptes.network.ingest.ledger import now
from panoptes.network.site import Site
from tests import audited, sites
from tests.audited import (
    change,
    entry_key,
    found,
    quietly_spoil,
    truth,
)
from tests.files import IMAGE, LATER, SEQUENCE, SEQUENCE_ID, tiny_fits, tiny_fits_fz


@pytest.mark.parametrize("name", [f"{SEQUENCE}/20180216T114000.fits", "PAN001/notes.txt"])
def test_a_quarantined_file_of_which_no_document_speaks_is_judged_again(
    site: Site, name: str
) -> None:
    site.store("quarantine").put(f"{name}@12", b"what is this")
    assert found(site) == {("quarantine-orphaned", f"quarantine/{name}@12")}
    assert all(result.mended for result in audited.repaired(site))
    assert found(site) == set()
    assert sites.entry_of(site, name).outcome == "quarantined"
    assert sites.waiting(site) == []


def test_a_stray_that_differs_from_what_is_in_quarantine_is_judged(
    site: Site,
) -> None:
    stem = IMAGE.replace("20180216T110623", "20180216T110624")
    site.store("images").put(f"{stem}.fits.fz", tiny_fits_fz(tiny_fits(seed=9)))
    site.store("incoming").put(f"{stem}.fits", tiny_fits(seed=8))
    sites.ingest_all(site)
    audited.repaired(site)
    assert sites.entry_of(site, f"{stem}.fits.fz").code == "conflicts-with-archive"


@pytest.mark.parametrize("again", [False, True])
def test_an_entry_that_cannot_be_read_holds_up_no_other_repair(site: Site, again: bool) -> None:
    broken = entry_key(f"{IMAGE}.fits.fz")
    if again:
        audited.send(site, f"{IMAGE}.fits.fz")
    change(site, "files", broken, failures="x")
    site.store("previews").delete(f"{LATER}.preview-1024.jpg")
    results = audited.repaired(site)
    mended = {audited.about(r.finding) for r in results if r.mended}
    assert mended == {("object-missing", f"previews/{LATER}.preview-1024.jpg")}
    left = {audited.about(r.finding) for r in results if not r.mended}
    assert ("document-unreadable", f"files/{broken}") in left


def test_a_file_where_a_folder_should_be_holds_up_no_other_repair(
    site: Site,
) -> None:
    site.store("quarantine").put("a/b.txt@12", b"one")
    site.store("quarantine").put("c.txt@12", b"two")
    sites.incoming(site).joinpath("a").write_bytes(b"")
    mended = {r.finding.name for r in audited.repaired(site) if r.mended}
    assert mended == {"c.txt@12"}
    sites.incoming(site).joinpath("a").unlink()
    assert all(r.mended for r in audited.repaired(site))


def test_damage_without_a_trace_is_mended_by_the_upload_that_is_sent_again(
    site: Site,
) -> None:
    quietly_spoil(site, "images", f"{LATER}.fits.fz")
    audited.send(site, f"{LATER}.fits")
    assert all(r.mended for r in audited.repaired(site, deep=True))
    assert found(site, deep=True, truth=truth()) == set()


def test_a_run_that_died_long_ago_is_found_by_its_lease(site: Site) -> None:
    lease = {"holder": "another machine", "expires": now() - timedelta(hours=2), "again": False}
    site.catalog.create("leases", SEQUENCE_ID, lease)
    assert found(site) == {("lease-left", f"leases/{SEQUENCE_ID}")}
    assert found(site, unit="PAN002") == set()
    assert all(result.mended for result in audited.repaired(site))
    assert found(site) == set()
    assert site.catalog.get("leases", SEQUENCE_ID) is None


def test_uploads_that_wait_are_as_they_should_be_for_an_hour(site: Site) -> None:
    name = f"{SEQUENCE}/20180216T115000.fits"
    site.store("incoming").put(name, tiny_fits(seed=9))
    site.store("incoming").put("PAN001/x.txt", b"x")
    assert found(site) == set()
    for waiting in (name, "PAN001/x.txt"):
        sites.age(sites.incoming(site) / waiting, now() - timedelta(hours=2))
    assert found(site) == {("overdue", f"incoming/{name}"), ("overdue", "incoming/PAN001/x.txt")}
    assert found(site, overdue_after=10_000) == set()
    assert all(result.mended for result in audited.repaired(site))
    assert found(site) == set()
    assert sites.entry_of(site, name).outcome == "archived"


def test_a_broken_run_is_one_finding_and_not_one_an_object(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    audited.send(site, f"{IMAGE}.cr2", f"{IMAGE}.fits.fz")
    died = 0
    for at in range(20, 400, 40):
        died += sites.run_and_die(lambda: site, at)
        kinds = {kind for kind, _ in found(site)}
        assert kinds <= {"entry-stuck", "left-behind", "count-wrong", "document-missing"}
        audited.repaired(site)
        audited.send(site, f"{IMAGE}.cr2", f"{IMAGE}.fits.fz")
    assert died >= 2
    sites.ingest_all(site)
    assert found(site, deep=True) == set()
