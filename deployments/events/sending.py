"""Prefect takes what the receiver has to say, or says that it cannot now."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from deployments.events.announcements import Announcement
from deployments.events.batches import Batches
from deployments.events.prefect_api import ANSWER_SECONDS, Prefect, PrefectAway
from deployments.events.run_starter import RunStarter


class Announcer:
    """Brings announcements to Prefect; with a `RunStarter`, their runs as well."""

    def __init__(self, prefect: Prefect, starter: RunStarter | None = None) -> None:
        self._prefect, self._starter = prefect, starter
        self._batches = Batches(self._hand_on)

    async def tell(self, announcement: Announcement) -> None:
        """Returns once Prefect has the event; its run follows. Raises PrefectAway."""
        sequence_id = announcement.sequence_id if announcement.is_live else None
        if self._starter is not None and sequence_id is not None:
            self._starter.check_room(sequence_id)
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                await self._batches.add(announcement)
        except TimeoutError:
            raise PrefectAway(f"Prefect took longer than {ANSWER_SECONDS:.0f} s") from None
        if self._starter is not None and sequence_id is not None:
            self._starter.begin(sequence_id)

    async def _hand_on(self, batch: Sequence[Announcement]) -> None:
        await self._prefect.post_events(each.document for each in batch)
