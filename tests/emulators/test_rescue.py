"""Cases and rescues on Cloud Storage and Firestore."""

from __future__ import annotations

import pytest

from panoptes.network.catalog.catalog import Query
from panoptes.network.ingest.cases import cases, find_case
from panoptes.network.ingest.rescue import rescue_case
from panoptes.network.site import Site
from tests.files import IMAGE, LATER, tiny_fits
from tests.sites import ingest_all

BAD, LARGE = f"{LATER}.fits", f"{IMAGE}.fits"


@pytest.fixture
def site(on_google: Site) -> Site:
    return on_google


def outcomes(site: Site) -> dict[str, str | None]:
    return {result.name: result.code or result.became for result in ingest_all(site)}


def test_files_come_out_of_quarantine_with_their_history(site: Site) -> None:
    small = site.changed(**{"max_file_bytes": 100})
    for name, data in ((BAD, b"junk"), (LARGE, tiny_fits())):
        site.store("incoming").put(name, data)
    assert outcomes(small) == {BAD: "not-fits", LARGE: "too-large"}
    assert {found.entry.name for found in cases(site, unit="PAN001", night="2018-02-15")} == {
        BAD,
        LARGE,
    }
    for found in list(cases(site)):
        for _ in range(2):
            rescue_case(site, find_case(site, found.report.id), by="me")
    assert outcomes(site) == {BAD: "not-fits", LARGE: "catalogued"}
    (case,) = cases(site)
    assert [(past.code, past.rescued is not None) for past in case.report.history] == [
        ("not-fits", True)
    ]
    assert find_case(site, LARGE).report.kind == "closed"
    assert len(list(site.store("quarantine").list())) == 2, "no bytes are kept twice"
    untold = Query("files", where=[("outcome", "==", "quarantined"), ("announced", "==", False)])
    assert [stored.fields["name"] for stored in site.catalog.query(untold)] == [BAD]
