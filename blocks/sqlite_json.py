"""How a document is written in SQLite: as one JSON text.

What JSON lacks is tagged: a time is ``{"$time":"2018-02-16T11:06:23.000000Z"}``, which sorts
as text, a place is ``{"$point":[latitude,longitude]}``, and names that begin with ``$`` get
another ``$``. Floats keep their point, and Python writes them so that they read back to the
bit.
"""

from __future__ import annotations

import json
import re
from datetime import datetime
from typing import Any

from models.documents import GeoPoint

_CONTROL = re.compile("[\x00\x01]")
_ESCAPED = re.compile("\x01([\x01\x02])")


def to_json(fields: dict[str, Any]) -> str:
    """The text of a document's clean fields (`blocks.values`)."""
    return json.dumps(_tagged(fields), ensure_ascii=False, separators=(",", ":"))


def from_json(text: str) -> dict[str, Any]:
    """The fields of a document, as they were given to `to_json`."""
    plain = "\\u0001" not in text and '"$$' not in text
    fields: dict[str, Any] = json.loads(text, object_hook=_untagged if plain else _unescaped_map)
    return fields


def to_parameter(value: Any) -> Any:
    """What a column holds where the document has this value: a time is its text."""
    tagged = _tagged(value)
    return tagged["$time"] if isinstance(value, datetime) else tagged


def _tagged(value: Any) -> Any:
    match value:
        case str():
            return _escape(value)
        case datetime():
            return {"$time": f"{value.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"}
        case GeoPoint():
            return {"$point": list(value)}
        case list():
            return [_tagged(item) for item in value]
        case dict():
            return {_escape_name(name): _tagged(item) for name, item in value.items()}
    return value


def _escape(text: str) -> str:
    # SQLite's JSON ends a string at U+0000; this has none and keeps the order of strings.
    if "\x00" in text or "\x01" in text:
        return _CONTROL.sub(lambda found: "\x01\x01" if found[0] == "\x00" else "\x01\x02", text)
    return text


def _escape_name(name: str) -> str:
    return _escape(f"${name}" if name.startswith("$") else name)


def _untagged(tagged: dict[str, Any]) -> Any:
    if len(tagged) == 1:
        if "$time" in tagged:
            return datetime.fromisoformat(tagged["$time"])
        if "$point" in tagged:
            return GeoPoint(*tagged["$point"])
    return tagged


def _unescaped_map(tagged: dict[str, Any]) -> Any:
    value = _untagged(tagged)
    if value is not tagged:
        return value
    return {_unescape(name.removeprefix("$")): _unescaped(item) for name, item in tagged.items()}


def _unescaped(value: Any) -> Any:
    match value:
        case str():
            return _unescape(value)
        case list():
            return [_unescaped(item) for item in value]
    return value


def _unescape(text: str) -> str:
    return _ESCAPED.sub(lambda found: "\x00" if found[1] == "\x01" else "\x01", text)
