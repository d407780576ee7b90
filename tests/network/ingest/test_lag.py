"""Where a file's time went, from its arrival to the catalogue."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from panoptes.network.documents import File
from panoptes.network.ingest.lag import lag_of, lag_sentence, percentile
from tests import sites
from tests.files import IMAGE, place, tiny_fits

NOON = datetime(2026, 6, 12, 12, tzinfo=UTC)


def entry(**seconds: float) -> File:
    moments = {name: NOON + timedelta(seconds=value) for name, value in seconds.items()}
    return File(name="x", generation=1, size=1, arrived=NOON, **moments)


def test_each_stage_begins_where_the_one_before_ended() -> None:
    lag = lag_of(entry(run_made=1, run_begun=17, opened=18, derived=20.5, closed=21))
    assert lag == {
        "run made": 1, "run begun": 16, "taken up": 1, "derived": 2.5, "recorded": 0.5,
        "in all": 21,
    }  # fmt: skip


def test_who_comes_while_a_run_waits_waits_for_none_to_be_made() -> None:
    lag = lag_of(entry(run_made=-10, run_begun=6, opened=7, derived=8, closed=9))
    assert (lag["run made"], lag["run begun"], lag["in all"]) == (0, 6, 9)


def test_without_prefect_there_is_no_run() -> None:
    assert lag_of(entry(opened=1, derived=2, closed=3)) == {
        "taken up": 1, "derived": 1, "recorded": 1, "in all": 3,
    }  # fmt: skip
    assert lag_of(entry(opened=1)) == {}


@pytest.mark.parametrize(("share", "found"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100)])
def test_a_percentile_is_one_of_the_values(share: float, found: float) -> None:
    assert percentile(range(100, 0, -1), share) == found


def test_people_read_it_in_a_sentence() -> None:
    one = lag_of(entry(run_made=1, run_begun=17, opened=18, derived=20.5, closed=21))
    assert lag_sentence([{}, one]) == (
        "From arrival to the catalogue: half within 21.0 s, 95 % within 21.0 s, 99 % within "
        "21.0 s. Of that, at the median: run made 1.0 s, run begun 16.0 s, taken up 1.0 s, "
        "derived 2.5 s, recorded 0.5 s."
    )
    assert lag_sentence([{}]) == ""


def test_the_ledger_knows_the_stages_of_what_was_ingested(tmp_path: Path) -> None:
    site = sites.drained(tmp_path)
    place(sites.incoming(site), f"{IMAGE}.fits", tiny_fits(), moment=datetime.now(UTC))
    (result,) = sites.ingest_all(site)
    found = sites.entry_of(site, f"{IMAGE}.fits")
    assert found.opened is not None
    assert found.derived is not None
    assert found.closed is not None
    assert found.opened <= found.derived <= found.closed
    assert result.lag == lag_of(found)
    assert sum(v for k, v in result.lag.items() if k != "in all") == pytest.approx(
        result.lag["in all"], abs=0.01
    )
