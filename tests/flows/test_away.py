"""A store that is away costs a run some tries, and not some for each of its files."""

from __future__ import annotations

import socket
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prefect import flow
from prefect.client.schemas.objects import State

from blocks.network import PanoptesNetwork
from deployments.local_stack.stack import LocalStack
from flows.artifacts.progress import IN_VAIN, Away, RunProgress
from flows.ingest_observation import ingest_observation
from flows.sweep_incoming import sweep_incoming
from panoptes.network.errors import TransientError
from panoptes.network.ingest.backlog import abandoned
from panoptes.network.ingest.outcome import Became, FileResult
from panoptes.network.ingest.retries import keep_trying
from panoptes.network.site import Site
from panoptes.network.storage.gcs import GcsStore
from tests import sites
from tests.files import SEQUENCE, SEQUENCE_ID, place, tiny_fits

FILES = 30


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = sites.drained(tmp_path, previews_wanted=False, workers=2)
    for number in range(FILES):
        name = f"{SEQUENCE}/20180216T11{number:02}00.fits"
        place(sites.incoming(site), name, tiny_fits(seed=number))
    return site


@pytest.fixture
def silent() -> Iterator[str]:
    """The URL of a server that takes every connection and never answers."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(50)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def _away(*arguments: object, **options: object) -> None:
    raise TransientError("the disk is away")


def test_a_run_whose_store_is_away_is_broken_off_and_leaves_everything_to_the_next(
    site: Site, prefect_api: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"away-{uuid.uuid4().hex[:8]}"
    PanoptesNetwork.of(site).save(name, overwrite=True)

    def ingest() -> State[Any]:
        return ingest_observation(SEQUENCE_ID, network=name, return_state=True)

    with monkeypatch.context() as patched:
        patched.setattr("panoptes.network.ingest.retries.PATIENCE_SECONDS", 0.0)
        patched.setattr("tasks.policies.PATIENCE_SECONDS", 0.0)
        patched.setattr("panoptes.network.site.Site.read", _away)
        state = ingest()
    assert state.is_failed()
    assert state.message is not None
    assert "broken off" in state.message
    assert "the disk is away" in state.message
    tried = [f for f in sites.documents(site) if f.startswith("files/")]
    assert IN_VAIN <= len(tried) <= IN_VAIN + 3
    assert len(sites.waiting(site)) == FILES
    assert abandoned(site) == {SEQUENCE_ID}  # nobody holds it, and it is to be settled
    assert ingest().is_completed()
    assert abandoned(site) == set()
    assert sites.waiting(site) == []


def test_a_network_that_is_away_at_the_start_is_said_in_a_sentence(
    site: Site, prefect_api: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"away-{uuid.uuid4().hex[:8]}"
    PanoptesNetwork.of(site).save(name, overwrite=True)
    monkeypatch.setattr("panoptes.network.storage.folder.FolderStore.check", _away)
    states = [
        ingest_observation(SEQUENCE_ID, network=name, return_state=True),
        sweep_incoming(network=name, return_state=True),
    ]
    assert [(state.is_failed(), state.message) for state in states] == [
        (True, "the disk is away")
    ] * 2


def test_only_files_in_a_row_count(prefect_api: LocalStack) -> None:
    away = FileResult("x", Became.FAILED, code="passing-trouble", reason="away")
    ours = FileResult("x", Became.FAILED, code="unexpected-error", reason="a bug")

    @flow(name="watched")
    def watched() -> None:
        watch = RunProgress("some-observation")
        watch.planned(100)
        for result in ([away] * (IN_VAIN - 1) + [ours]) * 3 + [away] * (IN_VAIN - 1):
            watch.taken(result)
        with pytest.raises(Away, match="away"):
            watch.taken(away)

    watched()


def test_a_server_that_never_answers_is_given_up_in_a_bounded_time(
    silent: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("panoptes.network.ingest.retries.PATIENCE_SECONDS", 1.0)
    store = GcsStore("bucket", endpoint=silent, timeout=0.4, patience=0.2)
    begun = time.monotonic()
    with pytest.raises(TransientError, match="did not answer"):
        keep_trying(store.stat, "any")
    assert time.monotonic() - begun < 60
