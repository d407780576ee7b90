"""What an audit leaves alone."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from panoptes.network.ingest.lease import Lease
from panoptes.network.site import Site
from tests import audited, sites
from tests.audited import (
    change,
    entry_key,
    found,
    truth,
)
from tests.files import IMAGE, LATER, SEQUENCE_ID, place, tiny_fits


def test_what_a_live_run_holds_is_left_alone(site: Site) -> None:
    site.store("previews").delete(f"{LATER}.preview-1024.jpg")
    change(site, "files", entry_key(f"{LATER}.fits"), "outcome")
    lease = Lease(site.catalog, SEQUENCE_ID, 3600)
    assert lease.take()
    assert found(site) == set()
    lease.drop()
    assert ("object-missing", f"previews/{LATER}.preview-1024.jpg") in found(site)


def test_a_network_at_work_shows_nothing_that_is_not_wrong(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    kept = {name for name in audited.NIGHT if name.startswith("PAN001")}
    child = os.fork()
    if child == 0:
        try:
            own = Site.in_folder(tmp_path / "data")
            for _ in range(4):
                audited.send(own, *sorted(kept))
                sites.ingest_all(own)
        finally:
            os._exit(0)
    seen: set[tuple[str, str]] = set()
    while os.waitpid(child, os.WNOHANG) == (0, 0):
        seen |= found(site)
    assert seen == set()
    assert found(site, deep=True, truth=truth(kept.__contains__)) == set()


def test_files_that_are_kept_where_they_are_are_nothing_to_find(tmp_path: Path) -> None:
    site = sites.kept(tmp_path)
    for name, data in audited.NIGHT.items():
        file = sites.incoming(site) / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    sites.run(site)
    assert found(site, truth=truth()) == set()
    site.store("images").delete(f"{LATER}.fits.fz")
    site.store("previews").delete(f"{IMAGE}.jpg")
    assert all(result.mended for result in audited.repaired(site))
    assert found(site, deep=True, truth=truth()) == set()


def test_a_newer_upload_and_a_second_file_of_an_image_are_nothing_to_find(
    site: Site,
) -> None:
    incoming = site.store("incoming")
    incoming.put(f"{LATER}.fits", tiny_fits(seed=8))
    sites.ingest_all(site)
    incoming.put(f"{IMAGE}.fits", tiny_fits())  # equal to what is archived
    incoming.put(f"{LATER}.fits.fz", audited.NIGHT[f"{IMAGE}.fits.fz"])  # differs: a conflict
    sites.ingest_all(site)
    incoming.put(f"{LATER}.fits", b"damaged")
    sites.ingest_all(site)
    audited.send(site)
    sites.ingest_all(site)
    assert found(site, deep=True) == set()


def test_an_upload_that_may_still_be_arriving_is_nothing_to_find(tmp_path: Path) -> None:
    site = sites.drained(tmp_path, incomplete_seconds=600)
    whole = tiny_fits()
    name = f"{LATER}.fits"
    file = place(sites.incoming(site), name, whole[:3000])
    file.touch()
    assert sites.outcomes(sites.run(site)) == {name: "waiting: truncated-file"}
    key = entry_key(name)
    opened = sites.entry_of(site, name).opened
    assert opened is not None
    change(site, "files", key, opened=opened - timedelta(minutes=9))
    assert found(site) == set()

    file.write_bytes(whole[:4000])  # more of it has come, and no run has seen it yet
    change(site, "files", key, closed=opened - timedelta(minutes=30))
    assert found(site) == set()
    os.utime(file, (opened.timestamp() - 4000,) * 2)
    assert found(site) == {("overdue", f"incoming/{name}")}


def test_an_incomplete_upload_that_no_sweep_judges_is_found(tmp_path: Path) -> None:
    site = sites.drained(tmp_path, incomplete_seconds=600)
    name = f"{LATER}.fits"
    place(sites.incoming(site), name, tiny_fits()[:3000]).touch()
    sites.run(site)
    key, closed = entry_key(name), sites.entry_of(site, name).closed
    assert closed is not None
    change(site, "files", key, closed=closed - timedelta(minutes=24))
    assert found(site) == set()
    change(site, "files", key, closed=closed - timedelta(minutes=26))
    assert found(site) == {("entry-stuck", f"files/{key}")}
    # A run that judges it and dies of it is told of at once.
    change(site, "files", key, closed=closed, attempts=2)
    assert found(site) == {("entry-stuck", f"files/{key}")}


def test_other_programs_documents_are_none_of_ours(site: Site) -> None:
    catalog = site.catalog
    catalog.create("units", "PAN007", {"name": "Elsewhere", "power": 12.5})
    catalog.create("observations", "PAN007_aabbcc_20180216T110623", {"status": "new"})
    catalog.create("images", "theirs", {"status": "metadata_received", "sequence_id": "odd"})
    catalog.create(
        "images", "PAN001_14d3bd_20180216T115959",
        {"sequence_id": SEQUENCE_ID, "unit_id": "PAN001", "status": "metadata_received"},
    )  # fmt: skip
    assert found(site) == set()
