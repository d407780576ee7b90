"""Hundreds at once who ask for what takes seconds: it is made once, and others are answered."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Event

import httpx
import pytest

from deployments.services import star_curves
from deployments.services.places import Places
from deployments.services.star_curves import OfCurves
from panoptes.network.errors import TransientError
from panoptes.network.processing.stored_curves import StoredCurves, open_curves
from panoptes.network.processing.transit_search import Search, search_observation
from panoptes.network.site import Site
from tests import season_archive as season
from tests.deployments.services.served import served
from tests.patience import PATIENT_SECONDS


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    return season.season_archive(tmp_path_factory.mktemp("season") / "data")


@pytest.fixture
def client(site: Site) -> Iterator[httpx.Client]:
    with served(site) as client:
        yield client


def test_who_waits_for_the_same_waits_for_one_making(site: Site) -> None:
    stored = open_curves(site, season.sequence_id(0))
    begun, go = Event(), Event()
    made = []

    def make(each: StoredCurves) -> int:
        made.append(each)
        begun.set()
        assert go.wait(PATIENT_SECONDS)
        return len(made)

    places = Places(3, "stars")
    kept = OfCurves(make, places)
    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(kept.of, stored)]
        assert begun.wait(PATIENT_SECONDS)
        waiting += [pool.submit(kept.of, stored) for _ in range(2)]
        give_up = time.monotonic() + PATIENT_SECONDS
        while places.used < 3 and time.monotonic() < give_up:
            time.sleep(0.01)
        with pytest.raises(TransientError, match="too many ask for stars"):
            kept.of(stored)
        go.set()
        assert [each.result(PATIENT_SECONDS) for each in waiting] == [1, 1, 1]
    assert kept.of(stored) == 1
    assert len(made) == 1


def test_a_crowd_at_the_search_for_transits_leaves_room_for_others(
    client: httpx.Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    go = Event()

    def slow(stored: StoredCurves) -> Search:
        assert go.wait(PATIENT_SECONDS)
        return search_observation(stored)

    monkeypatch.setattr(star_curves, "search_observation", slow)
    paths = [f"/observations/{season.sequence_id(n)}/transits" for n in range(season.NIGHTS)]

    def ask(n: int) -> int:
        path = paths[n % len(paths)] if n % 3 else f"/stars/{season.STAR_KEY}/transits"
        answer = client.get(path, timeout=PATIENT_SECONDS)
        if answer.status_code == 503:
            assert answer.headers["retry-after"]
            assert "too many ask for transits" in answer.json()["message"]
        return answer.status_code

    with ThreadPoolExecutor(60) as pool:
        asked = [pool.submit(ask, n) for n in range(60)]
        assert client.get("/units", timeout=PATIENT_SECONDS).status_code == 200
        go.set()
        counts = Counter(each.result() for each in asked)
    assert counts.keys() == {200, 503}
    assert counts[200] >= 8
