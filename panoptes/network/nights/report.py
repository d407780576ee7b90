"""A unit's night, found in the catalogue."""

from __future__ import annotations

from datetime import datetime

from panoptes.network.nights.unit_night import UnitNight
from panoptes.network.site import Site


def unit_night(site: Site, unit_id: str, night: str, *, now: datetime | None = None) -> UnitNight:
    """What is known of a unit's night (YYYY-MM-DD, the date of its evening).

    Raises ValueError, with a sentence, for what is no night or no unit's id, and NotFound
    for a unit that the catalogue does not know.
    """
    raise NotImplementedError


def last_whole_night(site: Site, unit_id: str, *, now: datetime | None = None) -> str:
    """The last night of this unit that is over, YYYY-MM-DD."""
    raise NotImplementedError
