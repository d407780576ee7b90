"""Units that fell silent, and disks that are nearly full, are seen by a sweep."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from panoptes.network.site import Site
from panoptes.network.units.health import health_of
from panoptes.network.units.registry import RESTING, register
from tests import sites

NOW = datetime(2026, 6, 12, 8, 30, tzinfo=UTC)
YESTERDAY, THREE_DAYS, TWO_MONTHS = (NOW - timedelta(days=days) for days in (1, 3, 60))


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return sites.drained(tmp_path, least_free_percent=0)


def unit(site: Site, unit_id: str, **fields: Any) -> None:
    site.catalog.create("units", unit_id, {"name": unit_id, **fields})


def sent(site: Site, unit_id: str, arrived: datetime) -> None:
    site.catalog.create("files", f"{unit_id}-{arrived}", {"unit_id": unit_id, "arrived": arrived})


def test_a_unit_is_silent_when_neither_its_word_nor_its_files_come(site: Site) -> None:
    unit(site, "PAN001", last_updated=THREE_DAYS)
    unit(site, "PAN002", last_updated=YESTERDAY)
    unit(site, "PAN003", last_updated=THREE_DAYS)
    sent(site, "PAN003", YESTERDAY)
    unit(site, "PAN004")
    sent(site, "PAN004", THREE_DAYS)
    assert health_of(site, now=NOW).silent == {
        name: f"{name} was last heard of 2026-06-09 08:30 UTC, 3.0 days ago"
        for name in ("PAN001", "PAN004")
    }
    assert health_of(site.changed(silent_hours=12), now=NOW).silent.keys() == {
        "PAN001", "PAN002", "PAN003", "PAN004",
    }  # fmt: skip


def test_a_file_dated_in_the_future_does_not_hide_a_silence(site: Site) -> None:
    unit(site, "PAN001")
    sent(site, "PAN001", THREE_DAYS)
    sent(site, "PAN001", datetime(2096, 1, 1, tzinfo=UTC))
    assert health_of(site, now=NOW).silent.keys() == {"PAN001"}


def test_of_units_that_are_long_gone_only_registered_ones_are_missed(site: Site) -> None:
    for name in ("PAN001", "PAN002", "PAN003"):
        unit(site, name, last_updated=TWO_MONTHS)
    register(site, "PAN002")
    register(site, "PAN003", status=RESTING)
    register(site, "PAN005")
    assert health_of(site, now=NOW).silent.keys() == {"PAN002"}


def test_a_disk_with_less_room_than_wanted_is_told_of_once(site: Site) -> None:
    assert health_of(site).nearly_full == []
    (sentence,) = health_of(site.changed(least_free_percent=100)).nearly_full
    assert sentence.startswith("the disk of this network has ")
    assert "% free" in sentence
