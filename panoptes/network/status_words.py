"""The status of an observation in words for people."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from panoptes.network.documents import OBSERVATION_STATUS

_STATUS_WORDS = dict(zip(OBSERVATION_STATUS, ("announced", "open", "complete"), strict=True))


def status_in_words(status: object) -> str:
    """The status of an observation, in a word for people; other software's as it is written."""
    return _STATUS_WORDS.get(str(status or ""), str(status or "").replace("_", " ").lower())


def observation_status(fields: Mapping[str, Any], now: datetime, quiet_hours: float) -> str:
    """The same, of an observation's document: what has been quiet for so long is complete.

    The document itself says so only once a sweep, or another run of the observation, has seen it.
    """
    status, last = fields.get("status"), fields.get("last_arrival")
    is_quiet = isinstance(last, datetime) and now - last >= timedelta(hours=quiet_hours)
    return status_in_words("received" if status == "receiving_files" and is_quiet else status)
