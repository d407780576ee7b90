"""Prefect's API, as far as the receiver needs it, and events on their way to it.

Everything goes through Prefect's own client, so that its authentication, its protection
against forged requests and its retries come along.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import quote

import httpx

from deployments.receiver.announcements import Event

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.orchestration.routes import ServerRoutes

ANSWER_SECONDS = 8.0
"""A sender waits ten seconds for an answer by default; ours must come before.

Prefect's client comes again after two seconds where the database is busy, so that less
would turn passing trouble into ours."""

EVENTS_AT_ONCE = 200
PAUSE_SECONDS = 0.1
"""Between requests to Prefect: 33 events a second cost a fifth less CPU there."""
MOST_EVENTS = 2_000
"""That wait for Prefect; whoever comes then is asked to come again."""


class PrefectAway(Exception):
    """Prefect cannot take it now; the sender should come again."""


class Prefect:
    """The calls to Prefect's API that the receiver makes."""

    def __init__(self, client: PrefectClient, deployment: str) -> None:
        """`deployment` is that of ingest-observation, as FLOW/DEPLOYMENT."""
        self.deployment = deployment
        self._client = client

    async def post_events(self, events: Iterable[Event]) -> None:
        """Raises PrefectAway."""
        await self.call("POST", "/events", json=list(events))

    async def read_deployment(
        self, name: str, *, seconds: float = ANSWER_SECONDS
    ) -> dict[str, Any]:
        """What Prefect knows of FLOW/DEPLOYMENT. Raises PrefectAway, also if there is none."""
        flow, _, deployment = name.partition("/")
        path = f"/deployments/name/{quote(flow, safe='')}/{quote(deployment, safe='')}"
        found: dict[str, Any] = await self.call("GET", path, seconds=seconds)
        return found

    async def call(
        self, method: str, path: str, *, seconds: float = ANSWER_SECONDS, **arguments: Any
    ) -> Any:
        """The answer's JSON, None if it has none. Raises PrefectAway in one sentence."""
        try:
            async with asyncio.timeout(seconds):
                answer = await self._client.request(
                    cast("Any", method), cast("ServerRoutes", path), **arguments
                )
            return answer.json() if answer.content else None
        except TimeoutError:
            raise PrefectAway(f"Prefect did not answer within {seconds:.0f} s") from None
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            text = error.response.text[:200]
            raise PrefectAway(f"Prefect answered {status} to {path}: {text}") from error
        except httpx.HTTPError as error:
            raise PrefectAway(f"Prefect cannot be reached ({type(error).__name__})") from error
        except ValueError as error:  # a proxy's page, say, even to the client's own questions
            raise PrefectAway(f"what answers {path} in Prefect's place speaks no JSON") from error


class Announcer:
    """Hands events on in batches: what comes while one is under way makes up the next.

    A single one waits for nothing; under load one request to Prefect serves many.
    """

    def __init__(self, prefect: Prefect) -> None:
        self._prefect = prefect
        self._waiting: list[tuple[Event, asyncio.Future[None]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def tell(self, event: Event) -> None:
        """Returns once Prefect has the event. Raises PrefectAway, also where too many wait."""
        if len(self._waiting) >= MOST_EVENTS:
            raise PrefectAway("more events arrive than Prefect takes")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((event, done))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await done
        except TimeoutError:
            raise PrefectAway(f"Prefect took longer than {ANSWER_SECONDS:.0f} s") from None

    async def _work(self) -> None:
        while self._waiting:
            # Whose sender has given up will come again.
            waiting = [(event, done) for event, done in self._waiting if not done.done()]
            batch, self._waiting = waiting[:EVENTS_AT_ONCE], waiting[EVENTS_AT_ONCE:]
            failure: BaseException | None = None
            try:
                await self._prefect.post_events(event for event, _ in batch)
            except BaseException as error:  # noqa: BLE001  each of the batch's own requests raises it
                failure = error
            for _, done in batch:
                if done.done():
                    continue  # its sender has hung up
                if failure is None:
                    done.set_result(None)
                else:
                    done.set_exception(failure)
            if isinstance(failure, asyncio.CancelledError):
                raise failure
            if len(batch) < EVENTS_AT_ONCE:
                await asyncio.sleep(PAUSE_SECONDS)
