"""The flow on a real Prefect server, with a real server in Sesame's place."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest
from prefect.client.schemas.objects import State

from deployments.local_stack.stack import LocalStack
from flows.lookup_field import lookup_field
from tests.local_http import SesameServer, sesame_server, simbad


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[SesameServer]:
    with sesame_server() as server:
        monkeypatch.setenv("PANOPTES_SESAME", server.url)
        yield server


def run(stack: LocalStack, search_string: str, moment: datetime | None = None) -> State[Any]:
    with stack.settings():
        return lookup_field(search_string, moment, return_state=True)


def answer(stack: LocalStack, search_string: str, moment: datetime | None = None) -> Any:
    with stack.settings():
        return lookup_field(search_string, moment)


def test_a_lookup_completes_with_the_place_and_says_it(prefect_stack: LocalStack) -> None:
    state = run(prefect_stack, "M42")
    assert state.is_completed()
    assert state.message == "NGC 1976: RA 83.81867, Dec -5.38967 (OpenNGC)"
    found = answer(prefect_stack, "M42")
    assert (found["success"], found["search_string"]) == (True, "M42")
    assert (found["ra"], found["dec"]) == pytest.approx((83.8187, -5.3897), abs=1e-4)


def test_a_name_is_asked_for_once_and_then_taken_from_prefects_cache(
    prefect_stack: LocalStack, server: SesameServer
) -> None:
    name = f"Star {uuid4()}"
    server.known[name] = simbad("NAME Star", "10.5", "-20.25")
    first = answer(prefect_stack, name)
    second = answer(prefect_stack, f"  {name} ")
    assert (first["ra"], first["source"]) == (10.5, "Sesame (Simbad)")
    assert second["ra"] == 10.5
    assert server.asked == [name]


def test_no_such_name_is_an_answer_and_is_not_cached(
    prefect_stack: LocalStack, server: SesameServer
) -> None:
    name = f"Star {uuid4()}"
    state = run(prefect_stack, name)
    assert state.is_completed()
    assert "nothing is known as" in (state.message or "")
    server.known[name] = simbad("NAME Star", "10.5", "-20.25")
    assert answer(prefect_stack, name)["success"] is True


def test_a_hostile_name_is_answered_like_any_other(
    prefect_stack: LocalStack, server: SesameServer
) -> None:
    before = time.process_time()
    for text in ("1" * 50 + "!", "12:" * 60 + "x", "12d" * 60 + "1x", "x" * 100_000):
        state = run(prefect_stack, text)
        assert state.is_completed()
        assert "Dec" not in (state.message or "")
    assert time.process_time() - before < 60


def test_what_moves_is_cached_for_its_moment_alone(prefect_stack: LocalStack) -> None:
    places = [
        answer(prefect_stack, "Moon", datetime(2024, 4, day, tzinfo=UTC))["ra"] for day in (8, 9)
    ]
    assert places[0] != places[1]
    now = answer(prefect_stack, "Moon")
    assert now["time"] < answer(prefect_stack, "Moon")["time"]
