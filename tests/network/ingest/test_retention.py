"""What is kept no longer goes; what still protects a file stays."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from panoptes.network.audit import audit
from panoptes.network.ingest.cases import find_case
from panoptes.network.ingest.ledger import now
from panoptes.network.ingest.rescue import CannotRescue, rescue_case
from panoptes.network.ingest.retention import expire
from panoptes.network.names import document_key
from panoptes.network.settings import NetworkSettings
from panoptes.network.site import Site
from tests import sites
from tests.files import IMAGE, LATER, place, tiny_fits

BAD, GOOD = f"{IMAGE}.fits", f"{LATER}.fits"
LONG: dict[str, Any] = {"quarantine_days": 100, "ledger_days": 100, "previews_wanted": False}


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """One file in quarantine, one archived."""
    site = sites.drained(tmp_path, **LONG)
    place(sites.incoming(site), BAD, tiny_fits()[:3000])
    place(sites.incoming(site), GOOD, tiny_fits())
    assert sites.outcomes(sites.run(site))[BAD] == "quarantined: truncated-file"
    return site


def removed(site: Site, days: int, **options: Any) -> list[str]:
    return [each.what for each in expire(site, moment=now() + timedelta(days=days), **options)]


def test_a_quarantined_copy_goes_after_its_time_and_its_entry_after_that(site: Site) -> None:
    assert removed(site, 99) == []
    before = sites.objects(site)
    assert removed(site, 101, dry_run=True) == ["copy in quarantine"]
    assert sites.objects(site) == before
    assert removed(site, 101) == ["copy in quarantine"]
    assert sites.objects(site, "quarantine") == {}
    assert [finding.kind for finding in audit(site, deep=True)] == []
    with pytest.raises(CannotRescue, match="upload it again"):
        rescue_case(site, find_case(site, BAD), by="me")
    assert removed(site, 200) == []
    assert removed(site, 202) == ["ledger entry"]
    assert site.catalog.get("files", document_key(BAD)) is None
    # What was archived is known for ever, and its file is where it was.
    assert sites.entry_of(site, GOOD).outcome == "archived"
    assert sites.objects(site).keys() == {n for n in before if not n.startswith("quarantine/")}
    assert list(audit(site, deep=True)) == []


def test_by_default_nothing_is_ever_removed(site: Site) -> None:
    assert removed(site.changed(quarantine_days=0), 10_000) == []
    with pytest.raises(ValueError, match="too few for people"):
        NetworkSettings.in_folder(Path("data"), quarantine_days=7)


def test_what_was_put_back_or_waits_is_kept(site: Site) -> None:
    rescue_case(site, find_case(site, BAD), by="me")
    assert removed(site, 1000) == []
    sites.run(site)  # judged again, and still bad: its time begins anew
    assert removed(site, 99) == []
    place(sites.incoming(site), BAD, tiny_fits(seed=4))
    assert removed(site, 1000) == []
    sites.run(site)
    assert sites.entry_of(site, BAD).outcome == "archived"
    assert removed(site, 101) == ["copy in quarantine"]
    assert removed(site, 1000) == []
    assert sites.entry_of(site, BAD).outcome == "archived"
    assert [finding.kind for finding in audit(site, deep=True)] == []


def test_who_is_killed_while_removing_leaves_nothing_behind(tmp_path: Path, site: Site) -> None:
    moment = now() + timedelta(days=101)

    def remove(watched: Site) -> object:
        return list(expire(watched, moment=moment))

    at = 1
    while sites.run_and_die(lambda: sites.drained(tmp_path, **LONG), at, work=remove):
        entry = sites.entry_of(site, BAD)
        still = sites.objects(site, "quarantine")
        assert not still or entry.path or (entry.removed and entry.removed.paths)
        at += 1
    assert at > 5
    assert sites.objects(site, "quarantine") == {}
    entry = sites.entry_of(site, BAD)
    assert entry.removed is not None
    assert entry.removed.paths == []
    assert list(expire(site, moment=moment)) == []
