"""Runs that the receiver makes itself, for networks too large for an automation."""

from __future__ import annotations

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from tenacity import (
    AsyncRetrying,
    before_sleep_log,
    retry_if_exception_type,
    stop_after_delay,
    wait_exponential_jitter,
)

from deployments.events.batches import Batches
from deployments.events.prefect_api import Prefect, PrefectAway

RUNS_AT_ONCE = 4
RUNS_IN_A_BATCH = 20
"""A run made with others costs Prefect three fifths of one made alone."""
PAUSE_SECONDS = 0.5
"""Between batches, so that there are others."""
MOST_OBSERVATIONS = 2_000
"""For which a run is still to be made; Prefect makes 10 to 40 a second."""
TRY_SECONDS = 300.0
"""For so long a run is tried to be made while Prefect is away; a sweep comes as often."""
MOST_WAIT_SECONDS = 20.0
KNOWN_SECONDS = 10.0
"""For so long a run that was seen to be due is not asked for again: a burst is one question."""
MOST_KNOWN = 10_000
MOST_TRIES = 8
log = logging.getLogger(__name__)

_ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED", "CANCELLING")
"""States of runs that take no more files."""


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
        self._batches = Batches(self._create_first, most=RUNS_IN_A_BATCH, pause=PAUSE_SECONDS)

    def check_room(self) -> None:
        """Raises PrefectAway where more observations wait than can be served in time."""
        if len(self._under_way) >= MOST_OBSERVATIONS:
            raise PrefectAway("more observations arrive than Prefect makes runs")

    def begin(self, sequence_id: str) -> None:
        """See that a run will start; files that come meanwhile share it.

        What is not done when Prefect stays away, or this process ends, is left to the sweep.
        """
        if self._clock() < self._known.get(sequence_id, 0.0) or sequence_id in self._under_way:
            return
        task = asyncio.create_task(self._see_to(sequence_id))
        self._under_way[sequence_id] = task
        task.add_done_callback(lambda _: self._under_way.pop(sequence_id))

    async def finish(self, *, within: float) -> None:
        """Wait for the runs that are being made, for so many seconds."""
        if self._under_way:
            await asyncio.wait(list(self._under_way.values()), timeout=within)
        for sequence_id, task in list(self._under_way.items()):
            log.warning("no run was made of %s; the sweep comes to it", sequence_id)
            task.cancel()

    async def _see_to(self, sequence_id: str) -> None:
        end = (math.floor(self._clock() / self._window) + 1) * self._window
        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(PrefectAway),
                wait=wait_exponential_jitter(max=MOST_WAIT_SECONDS),
                stop=stop_after_delay(TRY_SECONDS),
                before_sleep=before_sleep_log(log, logging.WARNING),
                reraise=True,
            ):
                with attempt:
                    await self._make(sequence_id, end)
        except PrefectAway as away:
            log.error("no run was made of %s; the sweep comes to it: %s", sequence_id, away)  # noqa: TRY400  it says all
        else:
            self._remember(sequence_id, until=min(end, self._clock() + KNOWN_SECONDS))

    async def _make(self, sequence_id: str, end: float) -> None:
        """There is a run that is still to come, or just begins. Raises PrefectAway."""
        state = await self._batches.add(_Wanted(sequence_id, self._network, end))
        for attempt in range(1, MOST_TRIES):
            if state not in _ENDED:
                return
            state = await self._create(_Wanted(sequence_id, self._network, end, attempt))
        raise PrefectAway(f"the runs of {sequence_id} keep ending before they are due")

    def _remember(self, sequence_id: str, *, until: float) -> None:
        if len(self._known) >= MOST_KNOWN:
            now = self._clock()
            self._known = {name: end for name, end in self._known.items() if end > now}
        self._known[sequence_id] = until

    async def _create_first(self, wanted: Sequence[_Wanted]) -> Sequence[str | None]:
        """The states of runs that were made or found; None where there is nothing to say of it.

        Raises PrefectAway.
        """
        if len(wanted) == 1:
            return [await self._create(wanted[0])]
        # In one order everywhere: two receivers that make the same runs do not block each other.
        ordered = sorted(wanted, key=lambda each: each.key)
        made = await self._post("create_flow_run/bulk", [self._run(each) for each in ordered])
        ids = [result["flow_run_id"] for result in made["results"]]
        query = {
            "flow_runs": {
                "id": {"any_": [id_ for id_ in ids if id_]},
                "state": {"type": {"any_": list(_ENDED)}},
            }
        }
        ended = await self._prefect.call("POST", "/flow_runs/filter", json=query)
        states = {run["id"]: run["state_type"] for run in ended}
        found = {each.key: states.get(id_) for each, id_ in zip(ordered, ids, strict=True) if id_}
        # On SQLite some fail while somebody else writes, and the others of the batch do not.
        missing = [each for each in ordered if each.key not in found]
        made_alone = await asyncio.gather(*(self._create(each) for each in missing))
        found |= zip((each.key for each in missing), made_alone, strict=True)
        return [found[each.key] for each in wanted]

    async def _create(self, wanted: _Wanted) -> str:
        """The state of the run under this key, made or found. Raises PrefectAway."""
        async with self._free:
            return str((await self._post("create_flow_run", self._run(wanted)))["state_type"])

    async def _post(self, path: str, content: Any) -> Any:
        deployment_id = await self._prefect.deployment_id()
        try:
            return await self._prefect.call(
                "POST", f"/deployments/{deployment_id}/{path}", json=content
            )
        except PrefectAway:
            self._prefect.forget_deployment()  # it may have been deleted and made anew
            raise

    def _run(self, wanted: _Wanted) -> dict[str, Any]:
        due = datetime.fromtimestamp(wanted.end + self._margin, UTC).isoformat()
        return {
            "parameters": {"sequence_id": wanted.sequence_id, "network": wanted.network},
            # They are two strings that we made; Prefect's check is a tenth of the request.
            "enforce_parameter_schema": False,
            "idempotency_key": wanted.key,
            "state": {"type": "SCHEDULED", "state_details": {"scheduled_time": due}},
        }


@dataclass(frozen=True)
class _Wanted:
    """A run to be made: of an observation of a network, for the window that ends then."""

    sequence_id: str
    network: str
    end: float
    attempt: int = 0

    @property
    def key(self) -> str:
        key = f"arrived-{self.sequence_id}-{self.network}-{self.end:.3f}"
        return f"{key}-{self.attempt}" if self.attempt else key
