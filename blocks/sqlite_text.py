"""How documents and queries are written for SQLite.

A document is one JSON text. What JSON lacks is tagged: a time is
``{"$time":"2018-02-16T11:06:23.000000Z"}``, which sorts as text, a place is
``{"$point":[latitude,longitude]}``, and names that begin with ``$`` get another ``$``.
Floats keep their point, and Python writes them so that they read back to the bit. Every
comparison is on two expressions: the rank of the type in Firestore's order of types,
and the value; indexes hold the same two.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from blocks.indexes import LOOKUPS
from blocks.queries import Condition, Path, Plan, parts
from models.documents import GeoPoint

_CONTROL = re.compile("[\x00\x01]")
_ESCAPED = re.compile("\x01([\x01\x02])")
_PARAMETER = "json_extract(?, '$')"
"""Parameters take the way of the stored values, so that equal floats stay equal."""


def to_json(value: Any) -> str:
    """The text of a clean value (`blocks.values`), most often of a document's fields."""
    return json.dumps(_tagged(value), ensure_ascii=False, separators=(",", ":"))


def from_json(text: str) -> dict[str, Any]:
    """The fields of a document, as they were given to `to_json`."""
    plain = "\\u0001" not in text and '"$$' not in text
    fields: dict[str, Any] = json.loads(text, object_hook=_untagged if plain else _unescaped_map)
    return fields


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


def _literal(text: str) -> str:
    quoted = text.replace("'", "''")
    return f"'{quoted}'"


def _path(path: Path) -> str:
    return _literal("$" + "".join(f'."{_escape_name(name)}"' for name in path))


def _value(path: Path) -> str:
    return f"json_extract(fields, {_path(path)})"


def _rank(path: Path) -> str:
    """The place of the type in the order of types; SQL's NULL where there is no such field."""
    return (
        f"CASE json_type(fields, {_path(path)}) WHEN 'null' THEN 0"
        " WHEN 'false' THEN 1 WHEN 'true' THEN 1 WHEN 'integer' THEN 2 WHEN 'real' THEN 2"
        " WHEN 'text' THEN 4 WHEN 'array' THEN 6 WHEN 'object' THEN"
        f" CASE WHEN {_value(path)} GLOB '{{\"$time\":*' THEN 3"
        f" WHEN {_value(path)} GLOB '{{\"$point\":*' THEN 5 ELSE 7 END END"
    )


def _rank_of(value: Any) -> int:
    match value:
        case None:
            return 0
        case bool():
            return 1
        case int() | float():
            return 2
        case datetime():
            return 3
        case str():
            return 4
    return 5


@cache
def index_statements() -> Mapping[str, str]:
    """The indexes of `blocks.indexes.LOOKUPS`: names and the statements that make them.

    SQLite reads an index in both directions, so one serves its mirror image, and a longer
    one serves those that it begins with.
    """
    wanted = {(index.collection, tuple(path for path, _ in index.paths)) for index in LOOKUPS}
    statements = {}
    for collection, paths in sorted(wanted):
        if any(c == collection and p[: len(paths)] == paths and p != paths for c, p in wanted):
            continue
        name = "__".join((collection, *paths))
        columns = ", ".join(f"{_rank(parts(path))}, {_value(parts(path))}" for path in paths)
        statements[name] = (
            f'CREATE INDEX IF NOT EXISTS "{name}" ON documents ({columns}, key)'
            f" WHERE collection = {_literal(collection)}"
        )
    return statements


def select(plan: Plan) -> tuple[str, list[str]]:
    """The statement that finds the documents of a plan, and its parameters."""
    where, parameters = _where(plan)
    # SQLite does not see that a condition leaves one type, and would sort once more for it.
    typed = {each.path for each in plan.conditions if each.operator != "in"}
    order = []
    for each in plan.orderings:
        way = " DESC" if each.descending else ""
        if each.path not in typed:
            order.append(_rank(each.path) + way)
        order.append(_value(each.path) + way)
    order.append("key DESC" if plan.key_descending else "key")
    statement = f"SELECT key, version, fields FROM documents WHERE {where}"
    statement += f" ORDER BY {', '.join(order)}"
    if plan.limit is not None:
        statement += f" LIMIT {plan.limit:d}"
    return statement, parameters


def select_sums(plan: Plan, sums: Sequence[str]) -> tuple[str, list[str]]:
    """The statement that counts the documents of a plan and adds up numbers, and its
    parameters. What is no number adds nothing."""
    columns = ["count(*)"]
    for path in map(parts, sums):
        columns.append(f"total(CASE WHEN {_rank(path)} = 2 THEN {_value(path)} END)")
    if plan.limit is None and plan.after is None:
        where, parameters = _where(plan)
        return f"SELECT {', '.join(columns)} FROM documents WHERE {where}", parameters
    inner, parameters = select(plan)
    return f"SELECT {', '.join(columns)} FROM ({inner})", parameters


def _where(plan: Plan) -> tuple[str, list[str]]:
    # The collection is written out, since a partial index is only used where SQLite can
    # see that its condition holds.
    terms = [f"collection = {_literal(plan.collection)}"]
    parameters: list[str] = []
    for condition in plan.conditions:
        term, values = _term(condition)
        terms.append(term)
        parameters += values
    terms += [f"{_rank(each.path)} IS NOT NULL" for each in plan.orderings]
    if plan.after is not None:
        term, values = _behind(plan, *plan.after)
        terms.append(term)
        parameters += values
    return " AND ".join(f"({each})" for each in terms), parameters


def _term(condition: Condition) -> tuple[str, list[str]]:
    rank, value = _rank(condition.path), _value(condition.path)
    if condition.operator == "in":
        by_rank: dict[int, list[str]] = {}
        for each in condition.value:
            by_rank.setdefault(_rank_of(each), []).append(to_json(each))
        choices = [
            f"{rank} = {number} AND {value} IN ({', '.join([_PARAMETER] * len(texts))})"
            for number, texts in by_rank.items()
        ]
        return " OR ".join(choices), [text for texts in by_rank.values() for text in texts]
    if condition.value is None:
        return f"{rank} = 0", []
    term = f"{rank} = {_rank_of(condition.value)} AND {value} {condition.operator} {_PARAMETER}"
    return term, [to_json(condition.value)]


def _behind(plan: Plan, values: tuple[Any, ...], key: str) -> tuple[str, list[str]]:
    """The condition for coming after a document with these ordered values and this key."""
    term = f"key {'<' if plan.key_descending else '>'} ?"
    parameters = [key]
    for ordering, value in reversed(list(zip(plan.orderings, values, strict=True))):
        sign, text, number = (
            ">" if not ordering.descending else "<",
            to_json(value),
            _rank_of(value),
        )
        pair = f"({_rank(ordering.path)}, {_value(ordering.path)})"
        same = f"{_rank(ordering.path)} = {number} AND {_value(ordering.path)} IS {_PARAMETER}"
        term = f"{pair} {sign} ({number}, {_PARAMETER}) OR ({same} AND ({term}))"
        parameters = [text, text, *parameters]
        if value is not None:  # said again in a form that lets SQLite start in the index
            term = f"{pair} {sign}= ({number}, {_PARAMETER}) AND ({term})"
            parameters = [text, *parameters]
    return term, parameters
