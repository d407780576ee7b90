"""Prefect's database does not grow: ``make retention-check``, some minutes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from blocks.network import PanoptesNetwork
from deployments.local_stack.stack import LocalStack
from flows.apply_retention import apply_retention
from panoptes.network.site import Site
from tests.deployments.history import PERIOD_DAYS, RUNS
from tests.postgres import postgres

pytestmark = [
    pytest.mark.skipif("RETENTION_CHECK" not in os.environ, reason="runs in make retention-check"),
    pytest.mark.xdist_group("history"),
]
FIRST, PERIODS, KEEP_DAYS = 6, 10, 90
"""After so many periods the first have gone, and every table and index has its size."""


@pytest.mark.parametrize("who", ["the server's vacuum", "the flow"])
def test_prefects_database_is_flat_over_ten_periods(who: str, tmp_path: Path) -> None:
    by_server = who == "the server's vacuum"
    with (
        postgres(tmp_path) as address,
        LocalStack(tmp_path / "stack", database=address, worker=False) as stack,
    ):
        site = Site.in_folder(tmp_path / "data")
        sizes: list[int] = []
        for period in range(FIRST + PERIODS):
            # Time does not pass here: what was written is as old as if it had, and so is what
            # is old enough to go.
            days_ago = (FIRST + PERIODS - period - 1) * PERIOD_DAYS
            keep = days_ago + KEEP_DAYS
            if not by_server:
                with stack.settings():
                    PanoptesNetwork.of(site.changed(history_days=keep)).save(
                        "default", overwrite=True
                    )
                    state = apply_retention(return_state=True)
                assert state.is_completed(), state.message
            answer = subprocess.run(
                [sys.executable, "-m", "tests.deployments.history", str(days_ago), str(keep),
                 "runs" if by_server else "events"],
                env=os.environ | {"PREFECT_SERVER_DATABASE_CONNECTION_URL": address},
                check=True, stdout=subprocess.PIPE, text=True,
            )  # fmt: skip
            said = json.loads(answer.stdout.splitlines()[-1])
            sizes.append(said["bytes"])
            sys.stdout.write(f"{who}, period {period + 1}: {said}\n")
            assert said["runs"] <= RUNS * (KEEP_DAYS / PERIOD_DAYS + 1) + PERIODS + FIRST
    steady = sizes[FIRST - 1]
    assert max(sizes[FIRST:]) <= 1.05 * steady, sizes
