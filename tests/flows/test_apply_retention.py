"""The flow that removes what is kept no longer, on a real Prefect server."""

from __future__ import annotations

import os
import sqlite3
import time
import uuid
from pathlib import Path

import pytest

from blocks.network import PanoptesNetwork
from deployments.local_stack.stack import LocalStack
from panoptes.network.site import Site

pytestmark = pytest.mark.usefixtures("prefect_api")
DAYS = 40


def test_old_runs_go_with_their_logs_artifacts_and_results_and_others_stay(
    prefect_api: LocalStack, tmp_path: Path
) -> None:
    name = f"retention-{uuid.uuid4().hex[:8]}"
    PanoptesNetwork.of(Site.in_folder(tmp_path, history_days=30)).save(name)
    looked_up = [
        prefect_api.run_deployment("lookup-field/local", {"search_string": "M42"}) for _ in range(2)
    ]
    prefect_api.await_runs(looked_up)
    old, new = looked_up
    database = prefect_api.home / "prefect" / "prefect.db"
    with sqlite3.connect(database, timeout=60) as connection:
        aged = f"datetime(end_time, '-{DAYS} days')"
        connection.execute(f"UPDATE flow_run SET end_time = {aged} WHERE id = ?", (str(old),))
        changed = connection.execute("SELECT changes()").fetchone()
    assert changed == (1,)
    results = [each for each in (prefect_api.home / "results").rglob("*") if each.is_file()]
    stranger = prefect_api.home / "results" / "a-letter.txt"
    stranger.write_text("not Prefect's")
    before = time.time() - DAYS * 86400
    for each in (results[0], stranger):
        os.utime(each, (before, before))

    def message(**options: bool) -> str:
        run = prefect_api.run_deployment("apply-retention/local", {"network": name, **options})
        state = prefect_api.await_runs([run])[0].state
        assert state is not None
        assert state.is_completed(), state.message
        return state.message or ""

    assert message(dry_run=True) == "1 runs, 1 results would be removed"
    assert results[0].exists()
    assert message() == "1 runs, 1 results were removed"
    with prefect_api.client() as client:
        kept = client.request("POST", "/flow_runs/filter", json={
            "flow_runs": {"id": {"any_": [str(old), str(new)]}}
        }).json()  # fmt: skip
    assert [each["id"] for each in kept] == [str(new)]
    assert (results[0].exists(), stranger.exists()) == (False, True)
    assert message() == "nothing was removed"
