"""Which part of the network an audit looks at, as ranges of ids and prefixes of names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

from panoptes.network.catalog.catalog import Condition, Query
from panoptes.network.documents import Location
from panoptes.network.errors import BadInput
from panoptes.network.names import ObservationName, parse_sequence_id, parse_upload
from panoptes.network.nighttime import night_bounds, night_of
from panoptes.network.site import Site

KEPT: tuple[Location, ...] = ("images", "originals", "rgb", "previews", "timelapse")
"""The locations whose objects lie under ``UNIT/CAMERA/SEQUENCE``."""

_UNIT = re.compile(r"PAN\d{3}", re.ASCII)
_NIGHT = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})", re.ASCII)
_OBJECT = re.compile(r"(PAN\d{3})/([^/]+)/(\d{8}T\d{6})(?=[/._]|$)", re.ASCII)
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


def is_unit_id(text: str) -> bool:
    """Whether it is PAN and three digits."""
    return bool(_UNIT.fullmatch(text))


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
class Span:
    """A camera's observations that began from `low` up to but not including `high`."""

    unit_id: str
    camera_id: str
    low: str = "0"
    high: str = _END

    @property
    def ids(self) -> tuple[str, str]:
        """The first id, and the first behind. Between them may lie another camera's, whose
        name goes on where this one's ends."""
        camera = f"{self.unit_id}_{self.camera_id}_"
        return f"{camera}{self.low}", f"{camera}{self.high}"

    def holds(self, sequence: ObservationName) -> bool:
        mine = (sequence.unit_id, sequence.camera_id) == (self.unit_id, self.camera_id)
        return mine and self.low <= sequence.sequence_time < self.high


@dataclass(frozen=True)
class Stretch:
    """Observations that lie side by side in every listing, in the order of their objects.

    Objects begin with `prefix`, and documents are of `spans`. Unless it `is_whole`, of the
    objects only those of the spans are meant.
    """

    prefix: str
    spans: tuple[Span, ...]
    is_whole: bool = True

    def holds(self, sequence: ObservationName) -> bool:
        return self.is_whole or any(span.holds(sequence) for span in self.spans)


@dataclass(frozen=True)
class Scope:
    """All of the network, one unit, one night, or one unit's night."""

    night: date | None = None
    unit: str | None = None

    @classmethod
    def of(cls, night: date | str | None, unit: str | None) -> Scope:
        """Raises ValueError, with a sentence."""
        if unit is not None and not is_unit_id(unit):
            raise ValueError(f"{unit!r} names no unit: expected PAN and three digits")
        return cls(read_night(night) if isinstance(night, str) else night, unit)

    @property
    def name_prefix(self) -> str:
        """With which the names of all its uploads begin."""
        return self.unit or ""

    def stretches(self, site: Site) -> Iterator[Stretch]:
        if self.night is None:
            units = [self.unit] if self.unit else sorted(_units(site))
            spans = (Span(unit, camera) for unit in units for camera in _cameras(site, unit))
            yield Stretch(f"{self.unit}/" if self.unit else "", tuple(spans))
            return
        for unit in [self.unit] if self.unit else sorted(_units(site)):
            begin, end = night_bounds(self.night, site.longitude(unit))
            for camera in _cameras(site, unit):
                for day in (begin.date(), end.date()):
                    low = max(begin, datetime.combine(day, datetime.min.time(), UTC))
                    high = min(end, datetime.combine(day, datetime.min.time(), UTC) + _DAY)
                    if low < high:
                        span = Span(unit, camera, f"{low:%Y%m%dT%H%M%S}", f"{high:%Y%m%dT%H%M%S}")
                        prefix = f"{unit}/{camera}/{day:%Y%m%d}T"
                        yield Stretch(prefix, (span,), is_whole=False)

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


def _units(site: Site) -> set[str]:
    """Units that have objects or documents; at the cost of a few requests a unit."""
    found = {folder[:-1] for location in KEPT for folder in site.store(location).folders("")}
    for collection in ("files", "images", "observations"):
        low = ""
        while sequence_id := _first_id(site, collection, low, _END):
            found.add(sequence_id[:6])
            low = f"{sequence_id[:6]}{_END}"
    return set(filter(is_unit_id, found))


def _cameras(site: Site, unit: str) -> list[str]:
    """In the order of their folders."""
    found: set[str] = set()
    for location in KEPT:
        for folder in site.store(location).folders(f"{unit}/"):
            found.add(folder.removeprefix(f"{unit}/")[:-1])
    for collection in ("files", "images", "observations"):
        low = f"{unit}_"
        while sequence_id := _first_id(site, collection, low, f"{unit}_{_END}"):
            try:
                sequence = parse_sequence_id(sequence_id)
            except ValueError:  # another program's
                low = f"{sequence_id} "
                continue
            found.add(sequence.camera_id)
            # Not farther than a day: among a camera's ids lie those of cameras whose names go
            # on where its name ends.
            low = f"{unit}_{sequence.camera_id}_{sequence.sequence_time[:9]}999999"
    proper = [camera for camera in found if sequence_of(f"{unit}/{camera}/20000101T000000")]
    return sorted(proper, key=lambda camera: f"{camera}/")


def _first_id(site: Site, collection: str, low: str, high: str) -> str | None:
    where: list[Condition] = [("sequence_id", ">=", low), ("sequence_id", "<", high)]
    stored = next(iter(site.catalog.query(Query(collection, where, limit=1))), None)
    return str(stored.fields["sequence_id"]) if stored else None
