"""Prefect takes what the receiver has to say, or says that it cannot now.

Everything goes through Prefect's own client, so that its authentication, its protection
against forged requests and its retries come along.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast
from urllib.parse import quote
from uuid import UUID

import httpx

from deployments.announcements import Announcement

if TYPE_CHECKING:
    from prefect.client.orchestration import PrefectClient
    from prefect.client.orchestration.routes import ServerRoutes

TIMEOUT_SECONDS = 4.0
BATCH_SECONDS = 8.0
"""A sender waits ten seconds for an answer by default; ours must come before."""
MOST_AT_ONCE = 100
"""Prefect creates so many runs by one request."""
MOST_TRIES = 6
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
        self, hand_on: Callable[[Sequence[Item]], Awaitable[None]], *, most: int = MOST_AT_ONCE
    ) -> None:
        self._hand_on, self._most = hand_on, most
        self._waiting: list[tuple[Item, asyncio.Future[None]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def add(self, item: Item) -> None:
        """Returns once `hand_on` has succeeded with the item's batch; raises what it raised."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        await done

    async def _work(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
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

    async def deployment_id(self, *, anew: bool = False) -> UUID:
        """Raises PrefectAway, also where nothing is deployed under that name yet."""
        if self._deployment_id is None or anew:
            self._deployment_id = UUID((await self.read_deployment(self.deployment))["id"])
        return self._deployment_id

    async def read_deployment(self, name: str) -> dict[str, Any]:
        """What Prefect knows of FLOW/DEPLOYMENT. Raises PrefectAway, also if there is none."""
        flow, _, deployment = name.partition("/")
        path = f"/deployments/name/{quote(flow, safe='')}/{quote(deployment, safe='')}"
        found: dict[str, Any] = await self.call("GET", path)
        return found

    async def call(self, method: str, path: str, **arguments: Any) -> Any:
        """The answer's JSON, None if it has none. Raises PrefectAway in one sentence."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                answer = await self._client.request(
                    cast("Any", method), cast("ServerRoutes", path), **arguments
                )
        except TimeoutError:
            raise PrefectAway(f"Prefect did not answer within {TIMEOUT_SECONDS:.0f} s") from None
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
        await self._batches.add(announcement)

    async def _hand_on(self, batch: Sequence[Announcement]) -> None:
        names = dict.fromkeys(each.sequence_id for each in batch if each.sequence_id)
        try:
            async with asyncio.timeout(BATCH_SECONDS):
                if self._starter is not None and names:
                    await self._starter.start(list(names))
                await self._prefect.post_events(each.document for each in batch)
        except TimeoutError:
            raise PrefectAway(f"Prefect took longer than {BATCH_SECONDS:.0f} s") from None


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

    async def start(self, sequence_ids: Sequence[str]) -> None:
        """See that a run for each will start. Raises PrefectAway."""
        end = (math.floor(self._clock() / self._window) + 1) * self._window
        wanted = dict.fromkeys(sequence_ids, 0)
        trouble = ""
        for attempt in range(MOST_TRIES):
            made, trouble = await self._create(wanted, end)
            states = await self._states(made.values())
            for name, run_id in made.items():
                if states.get(run_id) in _ENDED:
                    wanted[name] += 1
                elif run_id in states:
                    del wanted[name]
            if not wanted:
                return
            if trouble:
                await asyncio.sleep(0.05 * 2**attempt * random.uniform(0.5, 1))
        raise PrefectAway(
            trouble or f"runs of {next(iter(wanted))} keep ending before they are due"
        )

    async def _create(self, wanted: Mapping[str, int], end: float) -> tuple[dict[str, str], str]:
        """The id of each observation's run under its present key, made or found, and what
        kept Prefect from making the others.

        On SQLite that happens whenever somebody else writes at that moment, and only here
        Prefect's client does not see to it.
        """
        due = datetime.fromtimestamp(end + self._margin, UTC).isoformat()
        runs = [
            {
                "parameters": {"sequence_id": name, "network": self._network},
                "idempotency_key": f"arrived-{name}-{end:.3f}" + (f"-{key}" if key else ""),
                "state": {"type": "SCHEDULED", "state_details": {"scheduled_time": due}},
            }
            for name, key in wanted.items()
        ]
        deployment = await self._prefect.deployment_id()
        path = f"/deployments/{deployment}/create_flow_run/bulk"
        try:
            answer = await self._prefect.call("POST", path, json=runs)
        except PrefectAway:
            await self._prefect.deployment_id(anew=True)  # it may have been deleted and remade
            raise
        made, trouble = {}, ""
        for name, result in zip(wanted, answer["results"], strict=True):
            if result["status"] == "CREATED":
                made[name] = str(result["flow_run_id"])
            else:
                trouble = f"Prefect did not create a run: {str(result['error'])[:200]}"
        return made, trouble

    async def _states(self, run_ids: Iterable[str]) -> dict[str, str]:
        """The state's type of each run that there is."""
        ids = list(run_ids)
        if not ids:
            return {}
        query = {"flow_runs": {"id": {"any_": ids}}, "limit": len(ids)}
        found = await self._prefect.call("POST", "/flow_runs/filter", json=query)
        return {run["id"]: run["state_type"] for run in found}
