"""What a SIA 2.0 query asks for, read strictly (section 2.1 of the standard).

Values of one parameter are alternatives; all parameters must hold. Names of parameters are in
any case. Others than the standard's are no fault: they are named in the answer.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from panoptes.network.image_access.regions import (
    MOST_CORNERS,
    BadRegion,
    Circle,
    Polygon,
    Range,
    Region,
)
from panoptes.network.safe_text import one_line

MOST_ROWS, ROWS = 10_000, 1_000
"""Of an answer: the most, and where the caller names no MAXREC."""
MOST_VALUES = 100
"""Of one parameter."""
MOST_REGIONS = 20

Interval: TypeAlias = tuple[float, float]

INTERVALS = ("BAND", "TIME", "FOV", "SPATRES", "SPECRP", "EXPTIME", "TIMERES")
WORDS = (
    *("POL", "ID", "COLLECTION", "FACILITY", "INSTRUMENT"),
    *("DPTYPE", "CALIB", "TARGET", "FORMAT"),
)
_CASED = ("ID", "FACILITY", "INSTRUMENT")
KNOWN = ("POS", *INTERVALS, *WORDS, "MAXREC", "RESPONSEFORMAT")
_NUMBER = re.compile(
    r"[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:e[+-]?\d++)?|[+-]?Inf(?:inity)?", re.IGNORECASE
)
_VOTABLE = re.compile(
    r"votable|text/xml|application/xml"
    r"|application/x-votable\+xml(?:; ?serialization=(?:\"?tabledata\"?))?",
    re.IGNORECASE,
)


class BadQuery(ValueError):
    """The query cannot be understood; the message says what of it."""


@dataclass(frozen=True)
class ImageQuery:
    """Everything that a query says."""

    regions: tuple[Region, ...]
    intervals: Mapping[str, tuple[Interval, ...]]
    """By the parameter's name: metres, MJD (UTC), degrees, arcseconds, seconds."""
    words: Mapping[str, frozenset[str]]
    """By the parameter's name, in small letters, but for `_CASED`."""
    most: int
    ignored: tuple[str, ...]
    """Parameters that the standard does not know."""


def read_query(given: Iterable[tuple[str, str]]) -> ImageQuery:
    """Of names and values in the order of the request. Raises BadQuery."""
    values: dict[str, list[str]] = {}
    ignored: list[str] = []
    for name, value in given:
        upper = name.upper()
        if upper in KNOWN:
            values.setdefault(upper, []).append(value)
        elif upper == "UPLOAD":
            raise BadQuery("UPLOAD: this service takes no tables")
        elif len(ignored) < MOST_VALUES:
            ignored.append(one_line(name, most=40))
    for name, each in values.items():
        if len(each) > (MOST_REGIONS if name == "POS" else MOST_VALUES):
            raise BadQuery(f"{name} is given too often: ask in several queries")
    for answer in values.get("RESPONSEFORMAT", []):
        if not _VOTABLE.fullmatch(answer.strip()):
            raise BadQuery(
                f"RESPONSEFORMAT {_shown(answer)}: answers are application/x-votable+xml"
            )
    return ImageQuery(
        regions=tuple(_region(each) for each in values.get("POS", [])),
        intervals={
            name: tuple(_interval(name, each) for each in values[name])
            for name in INTERVALS
            if name in values
        },
        words={name: _words(name, values[name]) for name in WORDS if name in values},
        most=_most(values.get("MAXREC", [])),
        ignored=tuple(dict.fromkeys(ignored)),
    )


def _region(text: str) -> Region:
    shape, *rest = text.split() or [""]
    numbers = [_number("POS", each, text) for each in rest[: 2 * MOST_CORNERS + 2]]
    if not all(map(math.isfinite, numbers)) and shape.upper() != "RANGE":
        raise BadQuery(f"POS {_shown(text)}: only a RANGE may have an open end")
    try:
        match shape.upper(), len(numbers):
            case "CIRCLE", 3:
                return Circle(*numbers)
            case "RANGE", 4:
                west, east = _closed(numbers[0], 0, 360), _closed(numbers[1], 0, 360)
                return Range(west, east, _closed(numbers[2], -90, 90), _closed(numbers[3], -90, 90))
            case "POLYGON", count if count % 2 == 0:
                return Polygon(tuple(zip(numbers[::2], numbers[1::2], strict=True)))
    except BadRegion as error:
        raise BadQuery(f"POS {_shown(text)}: {error}") from None
    raise BadQuery(
        f"POS {_shown(text)}: give CIRCLE ra dec radius, RANGE ra1 ra2 dec1 dec2, or POLYGON "
        "with the ra and dec of three corners and more; degrees"
    )


def _closed(value: float, low: float, high: float) -> float:
    return min(max(value, low), high) if math.isinf(value) else value


def _interval(name: str, text: str) -> Interval:
    numbers = [_number(name, each, text) for each in text.split()[:3]]
    match numbers:
        case [one] if math.isfinite(one):
            return one, one
        case [low, high] if low <= high:
            return low, high
    raise BadQuery(
        f"{name} {_shown(text)}: give a number, or two, the smaller one first; -Inf and +Inf for "
        "open ends"
    )


def _number(name: str, word: str, text: str) -> float:
    if not _NUMBER.fullmatch(word):
        raise BadQuery(f"{name} {_shown(text)}: {_shown(word)} is no number")
    return float(word)


def _words(name: str, values: Sequence[str]) -> frozenset[str]:
    if name == "CALIB":
        for value in values:
            if value not in ("0", "1", "2", "3", "4"):
                raise BadQuery(f"CALIB {_shown(value)}: calibration levels are from 0 to 4")
    if name in _CASED:
        return frozenset(values)
    return frozenset(value.casefold() for value in values)


def _most(values: Sequence[str]) -> int:
    if not values:
        return ROWS
    if len(values) > 1:
        raise BadQuery("MAXREC is given once")
    if not re.fullmatch(r"[0-9]{1,18}", values[0]):
        raise BadQuery(f"MAXREC {_shown(values[0])}: give a whole number of rows, 0 and more")
    return min(int(values[0]), MOST_ROWS)


def _shown(text: str) -> str:
    return f"'{one_line(text, most=80)}'"
