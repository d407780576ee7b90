"""Prefect takes what the receiver has to say, or says that it cannot now.

Everything goes through Prefect's own client, so that its authentication, its protection
against forged requests and its retries come along.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast
from urllib.parse import quote
from uuid import UUID

import httpx

from deployments.events.announcements import Announcement

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.orchestration.routes import ServerRoutes

ANSWER_SECONDS = 8.0
"""A sender waits ten seconds for an answer by default; ours must come before.

Prefect's client comes again after two seconds where the database is busy, so that less
would turn passing trouble into ours."""
EVENTS_AT_ONCE = 200
MOST_EVENTS = 2_000
"""That wait for Prefect; whoever comes then is asked to come again."""
RUNS_AT_ONCE = 4
MOST_OBSERVATIONS = 64
"""For which a run is being made; Prefect makes 10 to 20 a second."""
KNOWN_SECONDS = 10.0
"""For so long a run that was seen to be due is not asked for again: a burst is one question."""
MOST_KNOWN = 10_000
MOST_TRIES = 8
_ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED", "CANCELLING")
"""States of runs that take no more files."""

Item = TypeVar("Item")


class PrefectAway(Exception):
    """Prefect cannot take it now; the sender should come again."""


class Batches(Generic[Item]):
    """Hands items on in batches: what comes while one is under way makes up the next.

    A single item waits for nothing; under load one request to Prefect serves many.
    """

    def __init__(
        self, hand_on: Callable[[Sequence[Item]], Awaitable[None]], *, most: int = EVENTS_AT_ONCE
    ) -> None:
        self._hand_on, self._most = hand_on, most
        self._waiting: list[tuple[Item, asyncio.Future[None]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def add(self, item: Item) -> None:
        """Returns once `hand_on` has succeeded with the item's batch; raises what it raised.

        Raises PrefectAway where too many wait already.
        """
        if len(self._waiting) >= MOST_EVENTS:
            raise PrefectAway("more events arrive than Prefect takes")
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        await done

    async def _work(self) -> None:
        while self._waiting:
            # Whose sender has given up will come again.
            waiting = [(item, done) for item, done in self._waiting if not done.done()]
            batch, self._waiting = waiting[: self._most], waiting[self._most :]
            failure: BaseException | None = None
            try:
                await self._hand_on([item for item, _ in batch])
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


class Prefect:
    """The calls to Prefect's API that the receiver makes."""

    def __init__(self, client: PrefectClient, deployment: str) -> None:
        """`deployment` is that of ingest-observation, as FLOW/DEPLOYMENT."""
        self.deployment = deployment
        self._client = client
        self._deployment_id: UUID | None = None

    async def post_events(self, events: Iterable[Mapping[str, Any]]) -> None:
        """Raises PrefectAway."""
        await self.call("POST", "/events", json=list(events))

    async def deployment_id(self) -> UUID:
        """Raises PrefectAway, also where nothing is deployed under that name yet."""
        if self._deployment_id is None:
            self._deployment_id = UUID((await self.read_deployment(self.deployment))["id"])
        return self._deployment_id

    def forget_deployment(self) -> None:
        """Ask for its id again when it is needed."""
        self._deployment_id = None

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
        except TimeoutError:
            raise PrefectAway(f"Prefect did not answer within {seconds:.0f} s") from None
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            text = error.response.text[:200]
            raise PrefectAway(f"Prefect answered {status} to {path}: {text}") from error
        except httpx.HTTPError as error:
            raise PrefectAway(f"Prefect cannot be reached ({type(error).__name__})") from error
        return answer.json() if answer.content else None


class Announcer:
    """Brings announcements to Prefect; with a `RunStarter`, their runs as well."""

    def __init__(self, prefect: Prefect, starter: RunStarter | None = None) -> None:
        self._prefect, self._starter = prefect, starter
        self._batches = Batches(self._hand_on)

    async def tell(self, announcement: Announcement) -> None:
        """Returns once Prefect has it. Raises PrefectAway."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                if self._starter is not None and announcement.sequence_id is not None:
                    await self._starter.start(announcement.sequence_id)
                await self._batches.add(announcement)
        except TimeoutError:
            raise PrefectAway(f"Prefect took longer than {ANSWER_SECONDS:.0f} s") from None

    async def _hand_on(self, batch: Sequence[Announcement]) -> None:
        await self._prefect.post_events(each.document for each in batch)


class RunStarter:
    """Creates one run an observation and window, without the automation.

    The window is that of receipt, and so is the run's idempotency key: however many files
    and receivers there are, there is one run, due when its window is over. A run that is
    over before its window (cancelled, or started by hand) takes nothing more; then the
    next key is used.
    """

    def __init__(
        self,
        prefect: Prefect,
        *,
        network: str,
        window: float,
        margin: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`window` and `margin` in seconds: a run is due a margin after its window's end."""
        self._prefect, self._network = prefect, network
        self._window, self._margin, self._clock = window, margin, clock
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._known: dict[str, float] = {}
        self._free = asyncio.Semaphore(RUNS_AT_ONCE)

    async def start(self, sequence_id: str) -> None:
        """See that a run will start; files that come at the same time share the request.

        Raises PrefectAway, at once where more observations wait than can be served in time.
        """
        if self._clock() < self._known.get(sequence_id, 0.0):
            return
        task = self._under_way.get(sequence_id)
        if task is None:
            if len(self._under_way) >= MOST_OBSERVATIONS:
                raise PrefectAway("more observations arrive than Prefect makes runs")
            task = asyncio.create_task(self._see_to(sequence_id))
            self._under_way[sequence_id] = task
            task.add_done_callback(lambda _: self._under_way.pop(sequence_id))
        await asyncio.shield(task)  # one sender that hangs up does not take the others along

    async def _see_to(self, sequence_id: str) -> None:
        async with self._free:
            end = (math.floor(self._clock() / self._window) + 1) * self._window
            for attempt in range(MOST_TRIES):
                if await self._create(sequence_id, end, attempt) not in _ENDED:
                    self._remember(sequence_id, until=min(end, self._clock() + KNOWN_SECONDS))
                    return
        raise PrefectAway(f"the runs of {sequence_id} keep ending before they are due")

    def _remember(self, sequence_id: str, *, until: float) -> None:
        if len(self._known) >= MOST_KNOWN:
            now = self._clock()
            self._known = {name: end for name, end in self._known.items() if end > now}
        self._known[sequence_id] = until

    async def _create(self, sequence_id: str, end: float, attempt: int) -> str:
        """The state of the run under this attempt's key, made or found."""
        due = datetime.fromtimestamp(end + self._margin, UTC).isoformat()
        key = f"arrived-{sequence_id}-{end:.3f}"
        if attempt:
            key += f"-{attempt}"
        run = {
            "parameters": {"sequence_id": sequence_id, "network": self._network},
            "idempotency_key": key,
            "state": {"type": "SCHEDULED", "state_details": {"scheduled_time": due}},
        }
        # Not the request for many at once: its one long transaction fails on SQLite whenever
        # somebody else writes meanwhile, and it is no faster.
        path = f"/deployments/{await self._prefect.deployment_id()}/create_flow_run"
        try:
            made = await self._prefect.call("POST", path, json=run)
        except PrefectAway:
            self._prefect.forget_deployment()  # it may have been deleted and made anew
            raise
        return str(made["state_type"])
