"""The first page: what is wrong with a unit, and where its last night is."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from deployments.services.pages.tonight import tonight
from panoptes.network.catalog.catalog import Query, modify
from tests.deployments.services.pages.hostile import hostile_network
from tests.deployments.services.pages.test_pages import BROWSER
from tests.deployments.services.served import served


def test_every_file_in_quarantine_counts_whatever_its_name_says(tmp_path: Path) -> None:
    site = hostile_network(tmp_path)
    (unit,) = tonight(site, datetime(2018, 2, 17, 4, tzinfo=UTC)).units
    assert [each for each in unit.trouble if "quarantine" in each] == [
        "2 files are in quarantine, some of them of the last day"
    ]
    assert (unit.refused_night, unit.has_nameless) == ("2018-02-15", True)
    for stored in list(site.catalog.query(Query("files"))):
        modify(site.catalog, "files", stored.key, lambda _: {"arrived": datetime.now(UTC)})
    with served(site) as client:
        page = client.get("/", headers=BROWSER).text
        assert 'href="/units/PAN001#unrouted"' in page
        assert 'id="unrouted"' in client.get("/units/PAN001", headers=BROWSER).text
        assert 'href="/nights/2018-02-15/PAN001#cases"' in page
        assert 'href="/nights/2018-02-15/PAN001">Last night with images of PAN001' in page
