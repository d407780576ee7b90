"""Conditional and range requests (RFC 9110, sections 13 and 14), worked out from headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime, parsedate_to_datetime

_RANGE = re.compile(r"bytes=\s*(\d{0,19})-(\d{0,19})\s*", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True)
class Stand:
    """A representation as it is now."""

    etag: str
    """With its quotes; strong."""
    modified: datetime
    size: int

    @property
    def headers(self) -> dict[str, str]:
        return {
            "ETag": self.etag,
            "Last-Modified": format_datetime(self.modified.astimezone(UTC), usegmt=True),
            "Accept-Ranges": "bytes",
        }


@dataclass(frozen=True)
class Verdict:
    """How to answer: a status, and which bytes; `end` is excluded."""

    status: int
    start: int = 0
    end: int = 0


def judge(request: Mapping[str, str], stand: Stand) -> Verdict:
    """What to answer to a GET or HEAD. Several ranges at once are answered with the whole."""
    seconds = stand.modified.replace(microsecond=0)
    if (wanted := request.get("if-match")) is not None:
        failed = not _lists(wanted, stand.etag, weak=False)
    else:
        since = _date(request.get("if-unmodified-since"))
        failed = since is not None and seconds > since
    if failed:
        return Verdict(412)
    if (known := request.get("if-none-match")) is not None:
        is_known = _lists(known, stand.etag, weak=True)
    else:
        since = _date(request.get("if-modified-since"))
        is_known = since is not None and seconds <= since
    if is_known:
        return Verdict(304)
    whole = Verdict(200, 0, stand.size)
    wanted_range = request.get("range")
    if wanted_range is None or not _is_still(request.get("if-range"), stand):
        return whole
    found = _RANGE.fullmatch(wanted_range)
    if found is None or not (found[1] or found[2]):
        return whole
    if not found[1]:
        length = min(int(found[2]), stand.size)
        return Verdict(206, stand.size - length, stand.size) if length else Verdict(416)
    start = int(found[1])
    end = int(found[2]) + 1 if found[2] else stand.size
    if end <= start and found[2]:
        return whole
    return Verdict(206, start, min(end, stand.size)) if start < stand.size else Verdict(416)


def _lists(header: str, etag: str, *, weak: bool) -> bool:
    """Whether a list of entity tags, or ``*``, has this one."""
    if header.strip() == "*":
        return True
    tags = [tag.strip() for tag in header.split(",")]
    return etag in ([tag.removeprefix("W/") for tag in tags] if weak else tags)


def _is_still(if_range: str | None, stand: Stand) -> bool:
    if if_range is None:
        return True
    if if_range.strip().startswith(('"', "W/")):
        return if_range.strip() == stand.etag
    date = _date(if_range)
    return date is not None and date == stand.modified.replace(microsecond=0)


def _date(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = parsedate_to_datetime(text)
        return moment.replace(tzinfo=UTC) if moment.utcoffset() is None else moment.astimezone(UTC)
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
