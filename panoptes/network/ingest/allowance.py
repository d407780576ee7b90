"""What a unit may send a day: what is over it waits in `incoming`, and is taken later.

Of a unit the network takes up new files of a UTC day until they come to its allowance, the one
that reaches it included. How much was taken is asked of the ledger. Runs side by side each take
what they have begun with, so a unit with several cameras may exceed it by a batch of each.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from panoptes.network.catalog.catalog import Query
from panoptes.network.ingest.outcome import Became, FileResult
from panoptes.network.names import display_name
from panoptes.network.site import Site
from panoptes.network.upload import Source

OVER = "daily-limit"
"""The code of a file that waits for another day."""


def today() -> str:
    """The UTC date, as the ledger's `taken_on`."""
    return datetime.now(UTC).date().isoformat()


def daily_bytes(site: Site, unit_id: str) -> int | None:
    """What a unit may send a day; None: as much as it likes.

    The unit's own `daily_bytes` is before the network's; 0 is no limit. A kept source is its
    owner's own, and has none.
    """
    if site.settings.keep_incoming:
        return None
    unit = site.catalog.get("units", unit_id)
    own = unit.fields.get("daily_bytes") if unit else None
    chosen = (
        own if isinstance(own, int) and own is not True and own >= 0 else site.settings.daily_bytes
    )
    return chosen or None


def taken_bytes(site: Site, unit_id: str) -> int:
    """What was taken up of a unit today."""
    query = Query("files", [("unit_id", "==", unit_id), ("taken_on", "==", today())])
    return int(site.catalog.aggregate(query, sums=["taken_bytes"])["taken_bytes"])


def is_spent(site: Site, unit_id: str) -> bool:
    """Whether nothing more of a unit is taken today."""
    most = daily_bytes(site, unit_id)
    return most is not None and taken_bytes(site, unit_id) >= most


def within_allowance(
    site: Site, unit_id: str, sources: Sequence[Source]
) -> tuple[list[Source], list[FileResult]]:
    """What may be taken of a unit's files, those that came first; and rows of those that wait."""
    most = daily_bytes(site, unit_id)
    if most is None or not sources:
        return list(sources), []
    left = most - taken_bytes(site, unit_id)
    taken: set[str] = set()
    for source in sorted(sources, key=lambda each: (each.arrived, each.name)):
        if left <= 0:
            break
        taken.add(source.name)
        left -= source.size
    waiting = [_waits(source, unit_id, most) for source in sources if source.name not in taken]
    return [source for source in sources if source.name in taken], waiting


def _waits(source: Source, unit_id: str, most: int) -> FileResult:
    return FileResult(
        name=display_name(source.name),
        became=Became.WAITING,
        code=OVER,
        reason=f"{unit_id} has sent what it may send a day, {most:,} bytes.",
        next_step="It stays where it is, and is taken from midnight UTC on, or once an operator "
        f"raises the limit: panoptes-network unit add {unit_id} --daily-bytes N.",
    )
