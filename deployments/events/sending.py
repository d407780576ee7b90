"""Prefect takes what the receiver has to say, or says that it cannot now."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from deployments.events.announcements import Announcement
from deployments.events.batches import Batches
from deployments.events.prefect_api import ANSWER_SECONDS, Prefect, PrefectAway
from deployments.events.run_starter import RunStarter

PAUSE_SECONDS = 0.1
"""Between requests to Prefect: 33 events a second cost a fifth less CPU there."""


class Announcer:
    """Brings announcements to Prefect; with a `RunStarter`, their runs as well."""

    def __init__(self, prefect: Prefect, starter: RunStarter | None = None) -> None:
        self._prefect, self._starter = prefect, starter
        self._batches = Batches(self._hand_on, pause=PAUSE_SECONDS)

    async def tell(self, announcement: Announcement) -> None:
        """Returns once Prefect has the event; its run follows. Raises PrefectAway."""
        starter = self._starter if announcement.is_live else None
        if starter is not None:
            starter.check_room()
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._batches.add(announcement)
        except TimeoutError:
            raise PrefectAway(f"Prefect took longer than {ANSWER_SECONDS:.0f} s") from None
        if starter is not None and announcement.sequence_id is not None:
            starter.begin(announcement.sequence_id)

    async def _hand_on(self, batch: Sequence[Announcement]) -> Sequence[None]:
        await self._prefect.post_events(each.document for each in batch)
        return [None] * len(batch)
