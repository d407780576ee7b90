"""Events on their way to Prefect: many senders, one request."""

from __future__ import annotations

import asyncio

from deployments.receiver.announcements import Event
from deployments.receiver.prefect_api import ANSWER_SECONDS, Prefect, PrefectAway

EVENTS_AT_ONCE = 200
PAUSE_SECONDS = 0.1
"""Between requests to Prefect: 33 events a second cost a fifth less CPU there."""
MOST_EVENTS = 2_000
"""That wait for Prefect; whoever comes then is asked to come again."""


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
