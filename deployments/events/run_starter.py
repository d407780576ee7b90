"""Runs that the receiver makes itself, for networks too large for an automation."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from deployments.events.prefect_api import Prefect, PrefectAway
from models.safe_text import safe_log

RUNS_IN_A_BATCH = 20
"""A run made with others costs Prefect three fifths of one made alone."""
PAUSE_SECONDS = 0.5
"""Between batches, so that there are others."""
MOST_MISSED = 3
"""With others; then a run is made alone. A batch on SQLite fails while somebody else writes."""
ALONE_AT_ONCE = 5
"""Such runs, between two batches."""
MOST_OBSERVATIONS = 2_000
"""For which a run is still to be made; Prefect makes 10 to 40 a second."""
KNOWN_SECONDS = 10.0
"""For so long a run that was seen to be due is not asked for again: a burst is one question."""
MOST_KNOWN = 10_000
MOST_SUCCESSORS = 8
TRY_SECONDS = 300.0
"""After an observation's last file, for so long a run of it is tried; a sweep comes as often."""
BACKOFF_SECONDS, MOST_WAIT_SECONDS = 1.0, 20.0
HELD_UP_SECONDS = 3600.0
"""For so long it is held up that runs were given up."""
_TO_COME = frozenset({"SCHEDULED", "PENDING"})
"""States of runs that take every file that is there by now."""

log = safe_log(__name__)


@dataclass
class _Owed:
    """A run that is still to be made, of an observation of which files have come."""

    sequence_id: str
    network: str
    end: float
    """Of the window whose run it is; seconds since 1970."""
    asked: float
    """When its last file was told of, and when it is tried next; by a clock that never jumps."""
    due: float
    successor: int = 0
    """How many runs of this window are over already, or have begun."""
    tries: int = 0
    missed: int = 0
    """How often the others of a batch were made, or none of it, and nothing was said of this."""

    @property
    def key(self) -> str:
        key = f"arrived-{self.sequence_id}-{self.network}-{self.end:.3f}"
        return f"{key}-{self.successor}" if self.successor else key


class RunStarter:
    """Creates one run an observation and window, without the automation.

    The window is that of receipt, and so is the run's idempotency key: however many files
    and receivers there are, there is one run, due when its window is over. A run that has
    begun before that, or is over, takes nothing more for certain; then the next key is used.

    What cannot be made is tried again, each observation for itself. What is still owed when
    Prefect stays away, or this process ends, is left to the sweep, and said.
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
        self._owed: dict[str, _Owed] = {}
        self._known: dict[str, float] = {}
        self._given_up: dict[str, float] = {}
        self._failure: str | None = None
        self._worker: asyncio.Task[None] | None = None
        self._news = asyncio.Event()

    # -- for whoever tells of files -----------------------------------------------------

    def check_room(self, sequence_id: str) -> None:
        """Raises PrefectAway where more observations wait than can be served in time."""
        if self._is_full and not (self._is_known(sequence_id) or sequence_id in self._owed):
            raise PrefectAway("more observations arrive than Prefect makes runs")

    def begin(self, sequence_id: str) -> None:
        """See that a run will start that takes what is there now; returns at once."""
        if self._is_known(sequence_id):
            return
        now = time.monotonic()
        if sequence_id in self._owed:
            self._owed[sequence_id].asked = now
        else:
            end = self._window_end()
            self._owed[sequence_id] = _Owed(sequence_id, self._network, end, asked=now, due=now)
        self._news.set()
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())

    async def finish(self, *, within: float) -> None:
        """Make what is owed, for so many seconds; then say what is left."""
        if self._worker is not None:
            now = time.monotonic()
            for each in self._owed.values():
                each.due = min(each.due, now)
            self._news.set()
            await asyncio.wait([self._worker], timeout=within)
            self._worker.cancel()
            await asyncio.wait([self._worker])
        for sequence_id in self._owed:
            log.warning("no run was made of %s; the sweep comes to it", sequence_id)

    # -- for whoever looks on -----------------------------------------------------------

    @property
    def obstacle(self) -> str | None:
        """Why a file told of now would get no run at once."""
        if self._is_full:
            return f"runs of {len(self._owed)} observations are still to be made: no more are taken"
        return self._failure and f"runs cannot be made now: {self._failure}"

    @property
    def given_up(self) -> Sequence[str]:
        """Observations of which no run was made within the last hour; the last one last."""
        since = time.monotonic() - HELD_UP_SECONDS
        self._given_up = {name: when for name, when in self._given_up.items() if when >= since}
        return list(self._given_up)

    # -- the work -----------------------------------------------------------------------

    async def _work(self) -> None:
        while self._owed:
            self._news.clear()
            now = time.monotonic()
            ready = [each for each in self._owed.values() if each.due <= now]
            together = [each for each in ready if each.missed < MOST_MISSED][:RUNS_IN_A_BATCH]
            single = [each for each in ready if each.missed >= MOST_MISSED][:ALONE_AT_ONCE]
            for group in ([together] if together else []) + [[each] for each in single]:
                await self._serve(group)
            if not ready:
                wait = min(each.due for each in self._owed.values()) - now
                await _set_within(self._news, wait)
            elif len(together) < RUNS_IN_A_BATCH and len(single) < ALONE_AT_ONCE:
                await asyncio.sleep(PAUSE_SECONDS)
        self._failure = None  # of runs that have been given up

    async def _serve(self, group: Sequence[_Owed]) -> None:
        begun = time.monotonic()
        try:
            states = await self._make(group)
        except Exception as error:
            if not isinstance(error, PrefectAway):
                log.exception("runs could not be made")
            self._prefect.forget_deployment()  # it may have been deleted and made anew
            self._note_failure(str(error) or type(error).__name__)
            for each in group:
                self._put_off(each)
            return
        self._note_failure(None)
        for each in group:
            self._settle(each, states.get(each.key), begun)

    def _settle(self, owed: _Owed, state: str | None, begun: float) -> None:
        if state is None:
            owed.missed += 1
            self._put_off(owed)
        elif state not in _TO_COME:
            owed.successor += 1
            if owed.successor >= MOST_SUCCESSORS:
                self._give_up(owed, "its runs keep ending before they are due")
        elif owed.asked > begun and owed.end <= self._clock():
            # The run may have begun without the file that came while it was made.
            owed.end, owed.successor, owed.tries = self._window_end(), 0, 0
        else:
            del self._owed[owed.sequence_id]
            self._remember(owed.sequence_id, until=min(owed.end, self._clock() + KNOWN_SECONDS))

    def _put_off(self, owed: _Owed) -> None:
        now = time.monotonic()
        if now - owed.asked >= TRY_SECONDS:
            self._give_up(owed, self._failure or "Prefect did not make it")
            return
        wait = min(MOST_WAIT_SECONDS, BACKOFF_SECONDS * 2.0 ** min(owed.tries, 10))
        owed.tries += 1
        owed.due = now + wait * random.uniform(0.5, 1.5)

    def _give_up(self, owed: _Owed, reason: str) -> None:
        log.error("no run was made of %s; the sweep comes to it: %s", owed.sequence_id, reason)
        del self._owed[owed.sequence_id]
        self._given_up.pop(owed.sequence_id, None)
        self._given_up[owed.sequence_id] = time.monotonic()
        if len(self._given_up) > MOST_KNOWN:
            del self._given_up[next(iter(self._given_up))]

    def _note_failure(self, reason: str | None) -> None:
        if reason and not self._failure:
            log.warning("runs cannot be made, and are tried again: %s", reason)
        elif self._failure and not reason:
            log.warning("runs are made again; of %d observations they are owed", len(self._owed))
        self._failure = reason

    @property
    def _is_full(self) -> bool:
        return len(self._owed) >= MOST_OBSERVATIONS

    def _window_end(self) -> float:
        return (math.floor(self._clock() / self._window) + 1) * self._window

    def _is_known(self, sequence_id: str) -> bool:
        return self._clock() < self._known.get(sequence_id, 0.0)

    def _remember(self, sequence_id: str, *, until: float) -> None:
        if len(self._known) >= MOST_KNOWN:
            now = self._clock()
            self._known = {name: end for name, end in self._known.items() if end > now}
        self._known[sequence_id] = until

    # -- Prefect ------------------------------------------------------------------------

    async def _make(self, group: Sequence[_Owed]) -> dict[str, str]:
        """The states of the runs that are there now, made or found, by key. Raises PrefectAway."""
        deployment = f"/deployments/{await self._prefect.deployment_id()}"
        if len(group) == 1:
            run = self._run(group[0])
            made = await self._prefect.call("POST", f"{deployment}/create_flow_run", json=run)
            return {group[0].key: str(made["state_type"])}
        # In one order everywhere: two receivers that make the same runs do not block each other.
        ordered = sorted(group, key=lambda each: each.key)
        made = await self._prefect.call(
            "POST", f"{deployment}/create_flow_run/bulk", json=[self._run(each) for each in ordered]
        )
        answers = zip(ordered, made["results"], strict=True)
        ids = {each.key: answer["flow_run_id"] for each, answer in answers}
        return await self._states({key: id_ for key, id_ in ids.items() if id_})

    async def _states(self, ids: dict[str, str]) -> dict[str, str]:
        """Of the runs that are in the database.

        Prefect answers with ids of runs that are not, where PostgreSQL has rolled a batch back
        for the error of one.
        """
        wanted: dict[str, Any] = {"id": {"any_": list(ids.values())}}
        to_come = wanted | {"state": {"type": {"any_": list(_TO_COME)}}}
        count = await self._prefect.call("POST", "/flow_runs/count", json={"flow_runs": to_come})
        if count == len(ids):
            return dict.fromkeys(ids, "SCHEDULED")
        runs = await self._prefect.call("POST", "/flow_runs/filter", json={"flow_runs": wanted})
        states = {run["id"]: str(run["state_type"]) for run in runs}
        return {key: states[id_] for key, id_ in ids.items() if id_ in states}

    def _run(self, owed: _Owed) -> dict[str, Any]:
        due = datetime.fromtimestamp(owed.end + self._margin, UTC).isoformat()
        return {
            "parameters": {"sequence_id": owed.sequence_id, "network": owed.network},
            # They are two strings that we made; Prefect's check is a tenth of the request.
            "enforce_parameter_schema": False,
            "idempotency_key": owed.key,
            "state": {"type": "SCHEDULED", "state_details": {"scheduled_time": due}},
        }


async def _set_within(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
