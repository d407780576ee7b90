"""Which part of the network an audit looks at, as ranges of ids and prefixes of names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from panoptes.network.catalog.catalog import Query
from panoptes.network.documents import Location, night_of
from panoptes.network.errors import BadInput
from panoptes.network.names import parse_sequence_id, parse_upload
from panoptes.network.site import Site

KEPT: tuple[Location, ...] = ("images", "originals", "rgb", "previews", "timelapse")
"""The locations whose objects lie under ``UNIT/CAMERA/SEQUENCE``."""

_UNIT = re.compile(r"PAN\d{3}", re.ASCII)
_NIGHT = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})", re.ASCII)
_OBJECT = re.compile(r"(PAN\d{3})/([0-9A-Za-z]{6})/(\d{8}T\d{6})(?=[/._]|$)", re.ASCII)
_END = "~"
"""Behind every letter of an id."""


def read_night(text: str) -> date:
    """A night's date, ``YYYYMMDD`` or ``YYYY-MM-DD``. Raises ValueError, with a sentence."""
    found = _NIGHT.fullmatch(text)
    try:
        if found is None:
            raise ValueError("expected YYYYMMDD")
        return date(*(int(part) for part in found.groups()))
    except ValueError as error:
        raise ValueError(f"{text!r} names no night: {error}") from None


def sequence_of(path: str) -> str | None:
    """The observation under whose prefix an object lies; None for a stranger."""
    found = _OBJECT.match(path)
    if found is None:
        return None
    sequence_id = "_".join(found.groups())
    try:
        parse_sequence_id(sequence_id)
    except ValueError:
        return None
    return sequence_id


@dataclass(frozen=True)
class Stretch:
    """Observations that lie side by side in every listing.

    Objects begin with `prefix`; ids are from `low` up to but not including `high`.
    """

    prefix: str
    low: str
    high: str

    def holds(self, sequence_id: str) -> bool:
        return self.low <= sequence_id < self.high


@dataclass(frozen=True)
class Scope:
    """All of the network, one unit, one night, or one unit's night."""

    night: date | None = None
    unit: str | None = None

    @classmethod
    def of(cls, night: date | str | None, unit: str | None) -> Scope:
        """Raises ValueError, with a sentence."""
        if unit is not None and not _UNIT.fullmatch(unit):
            raise ValueError(f"{unit!r} names no unit: expected PAN and three digits")
        return cls(read_night(night) if isinstance(night, str) else night, unit)

    @property
    def name_prefix(self) -> str:
        """With which the names of all its uploads begin."""
        return self.unit or ""

    def stretches(self, site: Site) -> Iterator[Stretch]:
        """In the order of their ids."""
        if self.night is None:
            if self.unit is None:
                yield Stretch("", "", _END)
            else:
                yield Stretch(f"{self.unit}/", f"{self.unit}_", f"{self.unit}_{_END}")
            return
        for unit in [self.unit] if self.unit else sorted(_units(site)):
            begin, end = night_bounds(self.night, site.longitude(unit))
            for camera in sorted(_cameras(site, unit)):
                for day in (begin.date(), end.date()):
                    low = max(begin, datetime.combine(day, datetime.min.time(), UTC))
                    high = min(end, datetime.combine(day, datetime.min.time(), UTC) + _DAY)
                    if low < high:
                        yield Stretch(
                            f"{unit}/{camera}/{day:%Y%m%d}T",
                            f"{unit}_{camera}_{low:%Y%m%dT%H%M%S}",
                            f"{unit}_{camera}_{high:%Y%m%dT%H%M%S}",
                        )

    def holds(self, site: Site, name: str | None) -> bool:
        """Whether a file of this name is meant; a night has only names that can be read."""
        if self.night is None:
            return (name or "").startswith(self.name_prefix)
        try:
            sequence = parse_upload(name or "").sequence
        except BadInput:
            return False
        if self.unit is not None and sequence.unit_id != self.unit:
            return False
        if abs(sequence.time.date() - self.night) > _DAY:
            return False
        longitude = site.longitude(sequence.unit_id)
        return night_of(sequence.time, longitude) == self.night.isoformat()


_DAY = timedelta(days=1)


def night_bounds(night: date, longitude: float | None) -> tuple[datetime, datetime]:
    """The local noons (mean solar time) that bound a night, UTC, to the second above.

    `longitude` in degrees, east positive; see `panoptes.network.documents.night_of`.
    """
    east = ((longitude or 0.0) + 180.0) % 360.0 - 180.0
    noon = datetime(night.year, night.month, night.day, 12, tzinfo=UTC) - timedelta(hours=east / 15)
    if noon.microsecond:
        noon = noon.replace(microsecond=0) + timedelta(seconds=1)
    return noon, noon + _DAY


def _units(site: Site) -> set[str]:
    """Units that have objects or documents; at the cost of a few requests a unit."""
    found = {folder[:-1] for location in KEPT for folder in site.store(location).folders("")}
    for collection in ("files", "images", "observations"):
        found |= {name[:6] for name in _leaps(site, collection, "", _END, 6)}
    return {unit for unit in found if _UNIT.fullmatch(unit)}


def _cameras(site: Site, unit: str) -> set[str]:
    above = f"{unit}/"
    folders = (each for location in KEPT for each in site.store(location).folders(above))
    found = {folder.removeprefix(above)[:-1] for folder in folders}
    for collection in ("files", "images", "observations"):
        leaps = _leaps(site, collection, f"{unit}_", f"{unit}_{_END}", 13)
        found |= {name[7:13] for name in leaps}
    return {camera for camera in found if re.fullmatch(r"[0-9A-Za-z]{6}", camera)}


def _leaps(site: Site, collection: str, low: str, high: str, length: int) -> Iterator[str]:
    """The first id of each beginning of `length` letters: one small query each."""
    while True:
        where = [("sequence_id", ">=", low), ("sequence_id", "<", high)]
        query = Query(collection, where=where, limit=1)  # type: ignore[arg-type]
        stored = next(iter(site.catalog.query(query)), None)
        if stored is None:
            return
        sequence_id = str(stored.fields["sequence_id"])
        yield sequence_id
        low = f"{sequence_id[:length]}{_END}"
