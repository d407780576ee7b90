"""A run that dies while it makes light curves is made up for, three times."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from panoptes.network.catalog.catalog import modify
from panoptes.network.ingest.backlog import abandoned
from panoptes.network.ingest.lease import Lease
from panoptes.network.ingest.ledger import now
from panoptes.network.processing.owed import MOST_LOST, has_news, lease_of, tell_again
from panoptes.network.site import Site
from tests import sites
from tests.files import SEQUENCE_ID


def observation(site: Site) -> dict[str, Any]:
    stored = site.catalog.get("observations", SEQUENCE_ID)
    assert stored is not None
    return stored.fields


def dies(site: Site) -> None:
    assert Lease(site.catalog, lease_of(SEQUENCE_ID), 60.0).take()
    modify(
        site.catalog,
        "leases",
        lease_of(SEQUENCE_ID),
        lambda _: {"expires": now() - timedelta(seconds=1)},
    )


def test_prefect_is_told_again_of_an_observation_whose_run_died(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    site.catalog.create("observations", SEQUENCE_ID, {"announced": True})
    assert tell_again(site) == 0
    for _ in range(MOST_LOST - 1):
        dies(site)
        assert tell_again(site) == 1
        assert observation(site)["announced"] is False
        modify(site.catalog, "observations", SEQUENCE_ID, lambda _: {"announced": True})
        assert tell_again(site) == 0
    dies(site)
    assert tell_again(site) == 0
    assert observation(site)["announced"] is True, "it is left to people"
    assert abandoned(site) == set()


def test_what_was_made_since_the_last_file_need_not_be_made_again() -> None:
    first, second = now() - timedelta(hours=1), now()
    assert has_news({})
    assert has_news({"last_arrival": second})
    assert has_news({"last_arrival": second, "processed": first})
    assert not has_news({"last_arrival": first, "processed": second})
    ahead = now() + timedelta(days=3650)  # of a machine that had come up without the time
    assert has_news({"last_arrival": second, "processed": ahead})
