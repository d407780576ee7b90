"""What a unit may send a day: what is over it waits, and nothing is lost."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from panoptes.network.audit.auditing import audit
from panoptes.network.ingest import allowance, backlog
from panoptes.network.ingest.outcome import FileResult
from panoptes.network.site import Site
from tests import sites
from tests.archives import OTHER_IMAGE
from tests.files import IMAGE, LATER, place, tiny_fits

ONE, TWO, OTHERS = f"{IMAGE}.fits", f"{LATER}.fits", f"{OTHER_IMAGE}.fits"


def upload(site: Site) -> int:
    """Two images of one unit and one of another; gives the size of one."""
    for seed, name in enumerate((ONE, TWO, OTHERS)):
        place(sites.incoming(site), name, tiny_fits(seed=seed))
    return len(tiny_fits())


def ingest(site: Site) -> dict[str, FileResult]:
    return {result.name: result for result in sites.ingest_all(site)}


def by_setting(folder: Path, most: int) -> Site:
    return sites.drained(folder, daily_bytes=most, previews_wanted=False)


def by_unit(folder: Path, most: int) -> Site:
    site = sites.drained(folder, previews_wanted=False)
    site.catalog.create("units", "PAN001", {"name": "PAN001", "daily_bytes": most})
    return site


Limited = Callable[[Path, int], Site]


@pytest.mark.parametrize("limited", [by_setting, by_unit])
def test_what_is_over_a_units_limit_waits_is_said_and_is_taken_another_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limited: Limited
) -> None:
    site = limited(tmp_path, 100)
    size = upload(site)
    results = ingest(site)
    assert {name: result.became for name, result in results.items()} == {
        ONE: "catalogued",
        TWO: "waiting",
        OTHERS: "catalogued",
    }
    assert "sent what it may send a day" in results[TWO].told
    assert sites.waiting(site) == [TWO]
    for _ in range(2):
        assert {result.code for result in ingest(site).values()} == {allowance.OVER}
    assert allowance.taken_bytes(site, "PAN001") == size, "a file that waits is counted by nobody"
    monkeypatch.setattr(allowance, "today", lambda: "2999-01-01")
    assert ingest(site)[TWO].became == "catalogued"
    assert sites.waiting(site) == []
    assert sites.document(site, "observations", "PAN001_14d3bd_20180216T110623")["num_images"] == 2


def test_a_limit_that_is_not_reached_holds_nothing_back(tmp_path: Path) -> None:
    site = by_setting(tmp_path, 10**9)
    upload(site)
    assert {result.became for result in ingest(site).values()} == {"catalogued"}


def test_a_unit_without_a_limit_of_its_own_has_the_networks(tmp_path: Path) -> None:
    site = by_setting(tmp_path, 100)
    site.catalog.create("units", "PAN001", {"name": "PAN001", "daily_bytes": 0})
    upload(site)
    assert {result.became for result in ingest(site).values()} == {"catalogued"}


def test_what_waits_for_another_day_starts_no_run_and_is_no_finding(tmp_path: Path) -> None:
    site = by_setting(tmp_path, 100)
    upload(site)
    ingest(site)
    for path in sites.incoming(site).rglob("*.fits"):
        sites.age(path, datetime.now(UTC).replace(year=2018))
    found = backlog.survey(site)
    assert [waiting.is_ready for waiting in found.observations.values()] == [False]
    report = found.backlog(overdue_after=900, held=set())
    assert (report.files, report.over_limit, report.overdue) == (1, 1, 0)
    assert not [finding for finding in audit(site) if re.search("overdue", finding.kind)]


def test_the_same_name_sent_again_and_again_counts_each_time(tmp_path: Path) -> None:
    site = by_setting(tmp_path, 10**9)
    for seed in range(3):
        place(sites.incoming(site), ONE, tiny_fits(seed=seed))
        ingest(site)
    assert allowance.taken_bytes(site, "PAN001") == 3 * len(tiny_fits())


def test_a_users_own_folder_has_no_limit(tmp_path: Path) -> None:
    site = sites.kept(tmp_path, daily_bytes=100)
    for seed, name in enumerate((ONE, TWO)):
        place(sites.incoming(site), name, tiny_fits(seed=seed))
    assert {result.became for result in ingest(site).values()} == {"catalogued"}
