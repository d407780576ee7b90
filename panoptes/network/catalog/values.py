"""What a document may hold: the values that both catalogs give back exactly.

Firestore's limits (https://cloud.google.com/firestore/quotas) are held on SQLite, too, so
that a document which fits one catalog fits the other.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from panoptes.network.documents import GeoPoint

MAX_DOCUMENT_BYTES = 1_048_576
MAX_DEPTH = 20
_MAX_NAME_BYTES = 1500
_RESERVED = re.compile(r"__.*__", re.DOTALL)


def number(fields: Mapping[str, Any], name: str) -> float | None:
    """A field of a document, which other software may have written, if it is a finite number."""
    value = fields.get(name)
    if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
        return None
    return float(value)


def text(fields: Mapping[str, Any], name: str) -> str | None:
    """A field of a document, if it is text."""
    value = fields.get(name)
    return value if isinstance(value, str) else None


def check_key(collection: str, key: str) -> None:
    """Raises ValueError unless both are names that Firestore takes."""
    for what, name in (("collection", collection), ("key", key)):
        if (
            not 0 < len(_utf8(name, what)) <= _MAX_NAME_BYTES
            or "/" in name
            or "\0" in name
            or name in (".", "..")
            or _RESERVED.fullmatch(name)
        ):
            raise ValueError(f"{name[:80]!r} cannot be a document's {what}")


def clean_fields(fields: Mapping[str, Any]) -> dict[str, Any]:
    """A deep copy of a document's fields in plain types.

    datetimes are in UTC, and subclasses of str, int and float have become these. Raises
    ValueError, naming the field, for what a catalog cannot hold: naive datetimes, NaN and
    infinities, integers beyond 64 bits, lone surrogates, lists in lists, other types.
    """
    return {_name(name): clean(value, name) for name, value in fields.items()}


def clean(value: Any, where: str, depth: int = 0, *, in_list: bool = False) -> Any:
    """One value in plain types; `where` names it in errors. Raises ValueError."""
    match value:
        case None | bool():
            return value
        case str():
            _utf8(value, where)
            return str.__str__(value)  # a member of a str enumeration prints as its name
        case int():
            if not -(2**63) <= value < 2**63:
                raise ValueError(f"{where}: {value} does not fit into 64 bits")
            return int(value)
        case float():
            if not math.isfinite(value):
                raise ValueError(f"{where}: {value} is no number that a catalog keeps")
            return float(value)
        case datetime():
            return _utc(value, where)
        case GeoPoint():
            return _point(value, where)
        case list() if in_list:
            raise ValueError(f"{where}: a list directly in a list cannot be kept")
        case list() | dict() if depth >= MAX_DEPTH:
            raise ValueError(f"{where}: nested more than {MAX_DEPTH} deep")
        case list():
            return [clean(item, where, depth + 1, in_list=True) for item in value]
        case dict():
            return {
                _name(name): clean(item, f"{where}.{name}", depth + 1)
                for name, item in value.items()
            }
    raise ValueError(f"{where}: a catalog cannot keep a {type(value).__name__}")


def check_size(key: str, fields: Mapping[str, Any]) -> None:
    """Raises ValueError for a document beyond Firestore's one mebibyte.

    The rule is https://cloud.google.com/firestore/docs/storage-size.
    """
    size = len(key.encode()) + _size(fields) + 32
    if size > MAX_DOCUMENT_BYTES:
        raise ValueError(f"the document {key!r} is too large: {size} bytes of 1,048,576")


def _size(value: Any) -> int:
    match value:
        case None | bool():
            return 1
        case str():
            return len(value.encode()) + 1
        case GeoPoint():
            return 16
        case Mapping():
            return sum(len(k.encode()) + 1 + _size(v) for k, v in value.items())
        case list():
            return sum(map(_size, value))
    return 8


def _name(name: object) -> str:
    if (
        not isinstance(name, str)
        or not 0 < len(_utf8(name, "a field's name")) <= _MAX_NAME_BYTES
        or _RESERVED.fullmatch(name)
    ):
        raise ValueError(f"{str(name)[:80]!r} cannot be a field's name")
    return str.__str__(name)


def _utf8(text: str, where: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ValueError(f"{where}: {text[:80]!r} is not clean text: {error.reason}") from None


def _utc(moment: datetime, where: str) -> datetime:
    if moment.utcoffset() is None:
        raise ValueError(f"{where}: {moment} has no time zone")
    utc = moment.astimezone(UTC)
    # Built anew: subclasses (Firestore's own, pandas') compare and print differently.
    return datetime(
        utc.year, utc.month, utc.day, utc.hour, utc.minute, utc.second, utc.microsecond, UTC
    )


def _point(point: GeoPoint, where: str) -> GeoPoint:
    latitude, longitude = float(point.latitude), float(point.longitude)
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise ValueError(f"{where}: {point} is no place on Earth (degrees, -180 to 180 east)")
    return GeoPoint(latitude, longitude)
