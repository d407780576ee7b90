"""What a query means, worked out once for every catalog.

The rules are Firestore's: an inequality orders by its field, ties go by the key in the
direction of the last field, and a document without an ordered field is left out
(https://cloud.google.com/firestore/docs/query-data/order-limit-data).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias, get_args

from blocks.catalog import Operator, Query
from blocks.values import check_key, clean
from models.documents import GeoPoint

Path: TypeAlias = tuple[str, ...]

MAX_IN = 30
_OPERATORS: tuple[str, ...] = get_args(Operator)
_INEQUALITIES = ("<", "<=", ">", ">=")
_UNASKABLE = re.compile(r'["\\`\x00-\x1f]')


@dataclass(frozen=True)
class Condition:
    path: Path
    operator: Operator
    value: Any
    """In plain types; a list of them for ``in``."""


@dataclass(frozen=True)
class Ordering:
    path: Path
    descending: bool


@dataclass(frozen=True)
class Plan:
    """A query with everything said that Firestore understands by itself."""

    collection: str
    conditions: tuple[Condition, ...]
    orderings: tuple[Ordering, ...]
    key_descending: bool
    limit: int | None
    after: tuple[tuple[Any, ...], str] | None
    """The values of `orderings` and the key of the document to go on behind."""
    is_empty: bool
    """Nothing can match: some ``in`` has no values."""


def plan(query: Query) -> Plan:
    """Raises ValueError for a query that one of the catalogs could not answer."""
    check_key(query.collection, "any")
    if query.limit is not None and query.limit < 1:
        raise ValueError(f"a query's limit must be positive, not {query.limit}")
    conditions = tuple(_condition(*each) for each in query.where)
    orderings = [Ordering(parts(path), _is_descending(way)) for path, way in query.order_by]
    last = orderings[-1].descending if orderings else False
    ordered = {each.path for each in orderings}
    unequal = {each.path for each in conditions if each.operator in _INEQUALITIES}
    orderings += [Ordering(path, last) for path in sorted(unequal - ordered)]
    return Plan(
        collection=query.collection,
        conditions=conditions,
        orderings=tuple(orderings),
        key_descending=last,
        limit=query.limit,
        after=_after(query, orderings),
        is_empty=any(each.operator == "in" and not each.value for each in conditions),
    )


def parts(path: str) -> Path:
    """The names along a dotted path. Raises ValueError for one that cannot be asked for."""
    names = tuple(path.split("."))
    if not all(names) or _UNASKABLE.search(path):
        raise ValueError(f"{path!r} is no path to a field that can be asked for")
    return names


def plan_sums(query: Query, sums: Sequence[str]) -> Plan:
    """The plan of an aggregation. Raises ValueError for one that no index can answer.

    Firestore sums along an index of the field, so it cannot tell by the key which of
    several equal documents are within a limit.
    """
    if sums and (query.limit is not None or query.start_after is not None):
        raise ValueError("sums are over all that a query finds, without limit or start_after")
    if "count" in sums:
        raise ValueError("a field named 'count' cannot be summed beside the count")
    for path in sums:
        parts(path)
    return plan(query)


def _is_descending(way: str) -> bool:
    if way not in ("asc", "desc"):
        raise ValueError(f"an order is 'asc' or 'desc', not {way!r}")
    return way == "desc"


def _condition(path: str, operator: Operator, value: Any) -> Condition:
    if operator not in _OPERATORS:
        raise ValueError(f"{operator!r} is no operator of a query")
    if operator == "in":
        values = [_scalar(path, each) for each in value]
        if len(values) > MAX_IN or None in values:
            raise ValueError(f"{path} in ...: up to {MAX_IN} values, none of them None")
        return Condition(parts(path), operator, values)
    if operator != "==" and (value is None or isinstance(value, GeoPoint)):
        raise ValueError(f"{path} {operator} {value!r}: only == and in can compare this")
    return Condition(parts(path), operator, _scalar(path, value))


def _scalar(path: str, value: Any) -> Any:
    if isinstance(value, list | dict):
        raise ValueError(f"{path}: queries compare single values, not a {type(value).__name__}")  # noqa: TRY004
    return clean(value, path)


def _after(query: Query, orderings: Sequence[Ordering]) -> tuple[tuple[Any, ...], str] | None:
    stored = query.start_after
    if stored is None:
        return None
    return tuple(_value(stored.fields, each.path) for each in orderings), stored.key


def _value(fields: Mapping[str, Any], path: Path) -> Any:
    found: Any = fields
    for name in path:
        if not isinstance(found, Mapping) or name not in found:
            raise ValueError(f"start_after lacks the field {'.'.join(path)} that is ordered by")
        found = found[name]
    return _scalar(".".join(path), found)
