"""Every observation gets its run, whatever Prefect answers in between."""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route

from deployments.events import run_starter
from deployments.events.prefect_api import Prefect, PrefectAway
from deployments.events.run_starter import RunStarter
from deployments.events.vigil import Vigil
from deployments.local import LocalStack
from flows.starting import INGEST
from tests.deployments.events.receiving import receiving
from tests.local_http import serving
from tests.models.test_events import push


class Faulty(Prefect):
    """The real Prefect behind a way that fails as the test has it fail."""

    fails = False
    forgets = False
    """Of the next runs made together every other one is undone, unsaid: PostgreSQL's rollback."""

    async def call(self, method: str, path: str, **arguments: Any) -> Any:
        if self.fails and "create_flow_run" in path:
            raise PrefectAway("as the test has it")
        answer = await super().call(method, path, **arguments)
        if self.forgets and path.endswith("/bulk"):
            self.forgets = False
            for result in answer["results"][::2]:
                await super().call("DELETE", f"/flow_runs/{result['flow_run_id']}")
        return answer


@asynccontextmanager
async def starting(
    stack: LocalStack, *, window: float = 3600
) -> AsyncIterator[tuple[RunStarter, Faulty]]:
    from prefect.client.orchestration import get_client

    with stack.settings():
        async with get_client() as client:
            prefect = Faulty(client, INGEST)
            starter = RunStarter(prefect, network="load", window=window, margin=10)
            try:
                yield starter, prefect
            finally:
                await starter.finish(within=0)


def observation() -> str:
    return f"PAN001_{uuid.uuid4().hex[:6]}_20180216T110623"


async def runs(prefect: Prefect, *sequence_ids: str) -> list[dict[str, Any]]:
    """Of these observations, oldest first."""
    query = {"sort": "START_TIME_ASC", "limit": 200}
    found = await prefect.call("POST", "/flow_runs/filter", json=query)
    return [run for run in found if run["parameters"].get("sequence_id") in sequence_ids]


async def until(is_so: Callable[[], bool], seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


def test_a_run_that_was_said_to_be_made_and_is_not_is_made(prefect_stack: LocalStack) -> None:
    async def check() -> None:
        names = [observation() for _ in range(8)]
        async with starting(prefect_stack) as (starter, prefect):
            prefect.forgets = True
            for name in names:
                starter.begin(name)
            await starter.finish(within=30)
            made = [run["parameters"]["sequence_id"] for run in await runs(prefect, *names)]
        assert sorted(made) == sorted(names)

    asyncio.run(check())


def test_a_late_file_is_tried_for_as_long_as_the_first(
    prefect_stack: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_starter, "TRY_SECONDS", 7.0)
    monkeypatch.setattr(run_starter, "MOST_WAIT_SECONDS", 0.5)

    async def check() -> None:
        name, other = observation(), observation()
        async with starting(prefect_stack) as (starter, prefect):
            prefect.fails = True
            starter.begin(name)
            starter.begin(other)
            await until(lambda: starter.obstacle is not None)
            assert "as the test has it" in str(starter.obstacle)
            await asyncio.sleep(6)
            starter.begin(name)
            await until(lambda: starter.given_up == [other])
            prefect.fails = False
            await starter.finish(within=30)
            assert [run["parameters"]["sequence_id"] for run in await runs(prefect, name)] == [name]
            assert await runs(prefect, other) == []

    asyncio.run(check())


def test_what_was_given_up_is_held_up_but_stands_in_nobodys_way(
    prefect_stack: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_starter, "TRY_SECONDS", 0.0)

    async def check() -> None:
        name = observation()
        async with starting(prefect_stack) as (starter, prefect):
            prefect.fails = True
            starter.begin(name)
            await until(lambda: starter.given_up == [name])
            await asyncio.sleep(1)
            assert starter.obstacle is None
            vigil = Vigil(prefect, starter=starter)
            found = {each.kind: each.sentence for each in await vigil.look()}
            assert name in found["runs-given-up"]

    asyncio.run(check())


def test_a_run_that_has_begun_gets_a_successor(
    prefect_stack: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_starter, "KNOWN_SECONDS", 0.0)

    async def check() -> None:
        name = observation()
        async with starting(prefect_stack) as (starter, prefect):
            starter.begin(name)
            await starter.finish(within=30)
            (first,) = await runs(prefect, name)
            running = {"state": {"type": "RUNNING"}, "force": True}
            await prefect.call("POST", f"/flow_runs/{first['id']}/set_state", json=running)
            for _ in range(2):
                starter.begin(name)
                await starter.finish(within=30)
            both = await runs(prefect, name)
            over = {"state": {"type": "CANCELLED"}, "force": True}
            for run in both:
                await prefect.call("POST", f"/flow_runs/{run['id']}/set_state", json=over)
        assert len(both) == 2
        assert len({run["idempotency_key"] for run in both}) == 2

    asyncio.run(check())


def test_a_stop_does_not_wait_for_the_next_try(
    prefect_stack: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_starter, "BACKOFF_SECONDS", 600.0)
    monkeypatch.setattr(run_starter, "MOST_WAIT_SECONDS", 600.0)

    async def check() -> None:
        name = observation()
        async with starting(prefect_stack) as (starter, prefect):
            prefect.fails = True
            starter.begin(name)
            await until(lambda: starter.obstacle is not None)
            prefect.fails = False
            await starter.finish(within=30)
            assert len(await runs(prefect, name)) == 1

    asyncio.run(check())


def test_where_there_is_no_room_only_what_needs_a_new_run_is_refused(
    prefect_stack: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run_starter, "MOST_OBSERVATIONS", 1)

    async def check() -> None:
        name = observation()
        async with starting(prefect_stack) as (starter, prefect):
            prefect.fails = True
            starter.begin(name)
            starter.check_room(name)
            with pytest.raises(PrefectAway, match="more observations"):
                starter.check_room(observation())
            assert "no more are taken" in str(starter.obstacle)

    asyncio.run(check())


@pytest.mark.parametrize("starter", ["automation", "receiver"])
def test_a_page_in_prefects_place_is_a_prefect_that_is_away(starter: str) -> None:
    async def page(request: Request) -> HTMLResponse:
        return HTMLResponse("<h1>Back soon</h1>")

    def make() -> Starlette:
        return Starlette(routes=[Route("/{path:path}", page, methods=["GET", "POST"])])

    with serving(make) as url, receiving(f"{url}/api", starter=starter, look_seconds=1) as client:
        assert client.post("/events", json=push()).status_code == 503
        for _ in range(2):
            answer: httpx.Response = client.get("/readyz")
            assert answer.status_code == 503
            assert "speaks no JSON" in answer.json()["obstacle"]
            time.sleep(1.2)
