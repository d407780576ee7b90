"""Runs that may take only so many files: they make way, and come to an end."""

from __future__ import annotations

import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.sorting import FlowRunSort

from blocks.network import PanoptesNetwork
from deployments.local_stack.stack import LocalStack, runs_at_a_time
from deployments.work_pools.deploy import WORK_POOL
from deployments.work_pools.queues import BACKFILL, LIVE, make_queues
from flows.runs import Runs
from panoptes.network.ingest.ledger import close_failed, open_entry
from panoptes.network.ingest.observation import ingest_observation
from panoptes.network.ingest.outcome import FileResult
from panoptes.network.names import parse_sequence_id
from panoptes.network.site import Site
from tests import sites
from tests.files import SEQUENCE, SEQUENCE_ID, jpeg, place, tiny_fits
from tests.patience import PATIENT_SECONDS

LIVE_DEPLOYMENT = "ingest-observation/local"
BACKFILL_DEPLOYMENT = "ingest-observation/backfill"
_NEVER = datetime.max.replace(tzinfo=UTC)


def upload(site: Site, count: int, *, pictures: bool = False) -> list[str]:
    names = []
    for number in range(count):
        stem = f"{SEQUENCE}/20180216T11{number:02}00"
        names.append(f"{stem}.fits")
        place(sites.incoming(site), names[-1], tiny_fits(seed=number))
        if pictures:
            place(sites.incoming(site), f"{stem}.jpg", jpeg())
    return names


def batch(site: Site, most_files: int) -> tuple[list[FileResult], bool]:
    sequence = parse_sequence_id(SEQUENCE_ID)
    return ingest_observation(site, sequence, max_files=most_files)


@pytest.mark.parametrize("keep", [True, False])
def test_each_run_takes_its_batch_until_nothing_is_left(tmp_path: Path, keep: bool) -> None:
    site = (sites.kept if keep else sites.drained)(tmp_path, previews_wanted=False)
    names = upload(site, 5)
    taken, due = [], []
    for _ in range(3):
        results, more = batch(site, 2)
        taken.append(sorted(result.name for result in results))
        due.append(more)
        observation = sites.document(site, "observations", SEQUENCE_ID)
        assert observation["num_images"] == sum(map(len, taken)), "counts hold after each batch"
    assert taken == [names[:2], names[2:4], names[4:]]
    assert due == [True, True, False]
    assert site.catalog.get("leases", SEQUENCE_ID) is None


def test_the_files_of_one_image_are_taken_together(tmp_path: Path) -> None:
    site = sites.drained(tmp_path, previews_wanted=False)
    upload(site, 3, pictures=True)
    results, more = batch(site, 3)
    assert len(results) == 4
    assert {result.name[:-4].rstrip(".") for result in results} == {
        f"{SEQUENCE}/20180216T11{number:02}00" for number in range(2)
    }
    assert more


def _fails(*arguments: object, **options: object) -> None:
    raise RuntimeError("ours")


def test_files_that_keep_failing_hold_up_no_other_and_end_the_chain(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = sites.drained(tmp_path, previews_wanted=False, failure_limit=100)
    names = upload(site, 4)
    for name in names[:2]:
        source = sites.source_named(site, name)
        open_entry(site, source)
        close_failed(site, source, RuntimeError("ours"), passing=False)
    results, more = batch(site, 2)
    assert (sorted(result.name for result in results), more) == (names[2:], True)
    # They fail again, and go on waiting for a later sweep.
    monkeypatch.setattr("panoptes.network.storage.folder.FolderStore.read", _fails)
    results, more = batch(site, 1)
    assert ([result.became for result in results], more) == (["failed"], False)


def test_a_file_that_was_given_up_is_no_part_of_a_batch(tmp_path: Path) -> None:
    site = sites.drained(tmp_path, previews_wanted=False, failure_limit=1)
    names = upload(site, 2)
    source = sites.source_named(site, names[0])
    open_entry(site, source)
    close_failed(site, source, RuntimeError("ours"), passing=False)
    results, more = batch(site, 1)
    assert ([result.name for result in results], more) == ([names[1]], False)


# On the real stack


def runs_of(stack: LocalStack, deployment: str, site: str) -> list[FlowRun]:
    with stack.client() as client:
        wanted = client.read_deployment_by_name(deployment).id
        ours = DeploymentFilter(id=DeploymentFilterId(any_=[wanted]))
        runs = client.read_flow_runs(
            deployment_filter=ours, sort=FlowRunSort.START_TIME_ASC, limit=200
        )
    return [run for run in runs if run.parameters.get("network") == site]


def test_the_queues_are_in_their_order_and_keep_an_operators_limit(
    prefect_stack: LocalStack,
) -> None:
    with prefect_stack.client() as client:
        for _ in range(2):
            make_queues(client, WORK_POOL)
            queues = {q.name: q for q in client.read_work_queues(work_pool_name=WORK_POOL)}
            live, backfill = queues[LIVE], queues[BACKFILL]
            assert live.priority is not None
            assert backfill.priority is not None
            assert live.priority < backfill.priority
            client.update_work_queue(backfill.id, concurrency_limit=7)
        make_queues(client, WORK_POOL)
        kept = client.read_work_queue_by_name(BACKFILL, work_pool_name=WORK_POOL)
        assert kept.concurrency_limit == 7
        client.update_work_queue(backfill.id, concurrency_limit=None)


def test_a_backfill_run_takes_its_batch_and_queues_the_rest(
    tmp_path: Path, prefect_stack: LocalStack
) -> None:
    site = sites.drained(tmp_path, previews_wanted=False, workers=1)
    upload(site, 5)
    name = f"batches-{uuid.uuid4().hex[:8]}"
    with prefect_stack.settings():
        PanoptesNetwork.of(site).save(name, overwrite=True)
    parameters = {"sequence_id": SEQUENCE_ID, "network": name, "most_files": 2}
    prefect_stack.run_deployment(BACKFILL_DEPLOYMENT, parameters)
    deadline = time.monotonic() + PATIENT_SECONDS
    while sites.waiting(site) and time.monotonic() < deadline:
        time.sleep(0.5)
    runs = runs_of(prefect_stack, BACKFILL_DEPLOYMENT, name)
    assert len(runs) == 3
    done = prefect_stack.await_runs([run.id for run in runs])
    assert [run.work_queue_name for run in done] == [BACKFILL] * 3
    messages = [run.state.message for run in done if run.state]
    assert messages == [
        "2 catalogued; the rest is queued again",
        "2 catalogued; the rest is queued again",
        "1 catalogued",
    ]


def test_tonights_run_is_the_next_to_begin_however_many_old_ones_wait(
    prefect_stack: LocalStack,
) -> None:
    """The runs fail at once, by a block that is not there: what counts is when they begin."""
    name, slots = f"absent-{uuid.uuid4().hex[:8]}", runs_at_a_time()
    names = [f"PAN009_{number:06}_20180216T110623" for number in range(2 * slots + 6)]
    with prefect_stack.client() as client, nobody_begins(client):
        assert Runs(client, BACKFILL_DEPLOYMENT, name).start(names, key="old") == len(names)
        tonight = prefect_stack.run_deployment(
            LIVE_DEPLOYMENT, {"sequence_id": "PAN009_ffffff_20180216T110623", "network": name}
        )
    try:
        (run,) = prefect_stack.await_runs([tonight])
        others = runs_of(prefect_stack, BACKFILL_DEPLOYMENT, name)
        assert len(others) == len(names)
        chosen = _chosen(prefect_stack, [run, *others])
        # The worker chooses for all its slots at once.
        before = [each for each in others if chosen.get(each.id, _NEVER) < chosen[run.id]]
        assert len(before) < slots, before
    finally:
        with prefect_stack.client() as client:
            for each in runs_of(prefect_stack, BACKFILL_DEPLOYMENT, name):
                client.delete_flow_run(each.id)


@contextmanager
def nobody_begins(client: SyncPrefectClient) -> Iterator[None]:
    """Runs are made, and the worker chooses none."""
    client.update_work_pool(WORK_POOL, WorkPoolUpdate(is_paused=True))
    try:
        yield
    finally:
        client.update_work_pool(WORK_POOL, WorkPoolUpdate(is_paused=False))


def _chosen(stack: LocalStack, runs: list[FlowRun]) -> dict[UUID, datetime]:
    """When a worker took each run, of those that it has taken."""
    with stack.client() as client:
        return {
            run.id: state.timestamp
            for run in runs
            for state in client.read_flow_run_states(run.id)[:2]
            if state.is_pending()
        }
