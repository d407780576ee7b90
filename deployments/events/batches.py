"""Many senders, one request to Prefect."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from deployments.events.prefect_api import PrefectAway

EVENTS_AT_ONCE = 200
MOST_EVENTS = 2_000
"""That wait for Prefect; whoever comes then is asked to come again."""

Item = TypeVar("Item")
Result = TypeVar("Result")


class Batches(Generic[Item, Result]):
    """Hands items on in batches: what comes while one is under way makes up the next.

    A single item waits for nothing; under load one request to Prefect serves many.
    """

    def __init__(
        self,
        hand_on: Callable[[Sequence[Item]], Awaitable[Sequence[Result]]],
        *,
        most: int = EVENTS_AT_ONCE,
        pause: float = 0.0,
    ) -> None:
        """`hand_on` gives a result for each item, in their order.

        Between batches of fewer than `most` there is a pause of so many seconds, in which
        the next batch grows.
        """
        self._hand_on, self._most, self._pause = hand_on, most, pause
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._worker: asyncio.Task[None] | None = None

    async def add(self, item: Item) -> Result:
        """The item's result, once `hand_on` has dealt with its batch; raises what it raised.

        Raises PrefectAway where too many wait already.
        """
        if len(self._waiting) >= MOST_EVENTS:
            raise PrefectAway("more events arrive than Prefect takes")
        done: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, done))
        if self._worker is None or self._worker.done():
            self._worker = asyncio.create_task(self._work())
        return await done

    async def _work(self) -> None:
        while self._waiting:
            # Whose sender has given up will come again.
            waiting = [(item, done) for item, done in self._waiting if not done.done()]
            batch, self._waiting = waiting[: self._most], waiting[self._most :]
            results: Sequence[Result] = ()
            failure: BaseException | None = None
            try:
                results = await self._hand_on([item for item, _ in batch])
            except BaseException as error:  # noqa: BLE001  each of the batch's own requests raises it
                failure = error
            for number, (_, done) in enumerate(batch):
                if done.done():
                    continue  # its sender has hung up
                if failure is None:
                    done.set_result(results[number])
                else:
                    done.set_exception(failure)
            if isinstance(failure, asyncio.CancelledError):
                raise failure
            if len(batch) < self._most:
                await asyncio.sleep(self._pause)
