"""A star in all observations that were processed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from panoptes.network.catalog.catalog import Fields, Query
from panoptes.network.catalog.values import check_key, number
from panoptes.network.light_curves.table import COMBINED
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound

MOST_CURVES = 5_000
"""Light curves of a star that are looked at, the oldest first."""
_NEVER = datetime(1, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Seen:
    """A star in one observation, as it was processed last; of all colours together."""

    sequence_id: str
    unit_id: str | None
    time: datetime
    """When the observation began."""
    processed: datetime
    points: int
    mag: float
    """Median; NaN where there is no good point, as the two below."""
    scatter: float
    """Magnitudes, as `error`."""
    error: float


@dataclass(frozen=True)
class StarHistory:
    """A star's document, and where it was seen, in the order of time."""

    key: str
    star: Fields
    seen: tuple[Seen, ...]


def star_history(site: Site, key: str) -> StarHistory:
    """Of the star with this key of `stars`. Raises NotFound."""
    try:
        check_key("stars", key)
    except ValueError:
        stored = None
    else:
        stored = site.catalog.get("stars", key)
    if stored is None:
        raise NotFound(f"there is no star {key[:80]!r}: name one as gaia_dr3:SOURCE_ID")
    query = Query("lightcurves", [("star", "==", key)], [("time", "asc")], limit=MOST_CURVES)
    newest: dict[str, Seen] = {}
    for each in site.catalog.query(query):
        found = _seen(each.fields)
        before = None if found is None else newest.get(found.sequence_id)
        if found is not None and (before is None or before.processed < found.processed):
            newest[found.sequence_id] = found
    ordered = sorted(newest.values(), key=lambda each: (each.time, each.sequence_id))
    return StarHistory(key, stored.fields, tuple(ordered))


def _seen(fields: Fields) -> Seen | None:
    sequence_id, time = fields.get("sequence_id"), fields.get("time")
    if not isinstance(sequence_id, str) or not isinstance(time, datetime):
        return None  # another program's
    processed, unit_id = fields.get("processed"), fields.get("unit_id")
    channels = fields.get("channels")
    told = channels.get(COMBINED) if isinstance(channels, Mapping) else None
    known = told if isinstance(told, Mapping) else {}
    points = known.get("points")
    return Seen(
        sequence_id,
        unit_id if isinstance(unit_id, str) else None,
        time,
        processed if isinstance(processed, datetime) else _NEVER,
        points if isinstance(points, int) else 0,
        *(_known(known, name) for name in ("mag", "scatter", "error")),
    )


def _known(fields: Mapping[str, object], name: str) -> float:
    value = number(fields, name)
    return math.nan if value is None else value
