"""What an audit leaves alone."""

from __future__ import annotations

import os
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
from tests.files import IMAGE, LATER, SEQUENCE_ID, tiny_fits


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
