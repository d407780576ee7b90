"""A run that hangs ends itself, and the next one takes up all it left."""

from __future__ import annotations

import os
import subprocess
import sys
import uuid
from pathlib import Path

from blocks.network import PanoptesNetwork
from deployments.local_stack.stack import LocalStack
from deployments.work_pools.zombies import UNBORN, ZOMBIES
from flows.ingest_observation import ingest_observation
from tests import sites
from tests.files import IMAGE, LATER, SEQUENCE_ID, place, tiny_fits

HANGING = """
import sys, time
from panoptes.network.storage.folder import FolderStore
from flows.ingest_observation import ingest_observation

read = FolderStore.read

def reading(store, name, **options):
    if name.endswith("112430.fits"):
        time.sleep(600)
    return read(store, name, **options)

FolderStore.read = reading
ingest_observation(*sys.argv[1:])
"""


def test_a_run_in_which_one_file_hangs_ends_itself_and_the_next_takes_up_what_it_left(
    tmp_path: Path, prefect_stack: LocalStack
) -> None:
    site = sites.drained(tmp_path, previews_wanted=False, workers=2)
    for name in (f"{IMAGE}.fits", f"{LATER}.fits"):
        place(sites.incoming(site), name, tiny_fits(seed=len(name)))
    block = f"stuck-{uuid.uuid4().hex[:8]}"
    with prefect_stack.settings():
        PanoptesNetwork.of(site.changed(stall_seconds=8)).save(block, overwrite=True)
    ended = subprocess.run(
        [sys.executable, "-c", HANGING, SEQUENCE_ID, block],
        env=os.environ | prefect_stack.environment,
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
    )
    assert ended.returncode == 1
    assert "Timeout" in ended.stderr
    assert "in reading" in ended.stderr, "it says where it hung"
    assert sites.waiting(site) == [f"{IMAGE}.fits"]
    with prefect_stack.settings():
        PanoptesNetwork.of(site).save(block, overwrite=True)
        state = ingest_observation(SEQUENCE_ID, network=block, return_state=True)
    assert state.is_completed()
    assert sites.waiting(site) == []
    entry = sites.entry_of(site, f"{IMAGE}.fits")
    assert (entry.outcome, entry.attempts, entry.returns) == ("archived", 2, 2)


def test_what_is_deployed_watches_for_runs_that_fall_silent_or_never_begin(
    prefect_stack: LocalStack,
) -> None:
    with prefect_stack.client() as client:
        for name in (ZOMBIES, UNBORN):
            (automation,) = client.read_automations_by_name(name)
            assert automation.enabled
    assert prefect_stack.environment["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == "30"
