"""What a catalog can be asked, and what a query means, worked out once for every catalog.

The rules are Firestore's: an inequality orders by its field, ties go by the key in the same
direction, and a document that lacks the field of the order is left out
(https://cloud.google.com/firestore/docs/query-data/order-limit-data).

SQLite indexes every line of `LOOKUPS`. Firestore indexes single fields by itself and
refuses a query over several fields unless a composite index is declared
(https://cloud.google.com/firestore/docs/query-data/indexing), so
``deployments/cloud/firestore.indexes.json`` holds those. The emulator does not enforce
this: `tests.recording` does.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, get_args

from panoptes.network.catalog.catalog import Operator, Query
from panoptes.network.catalog.values import check_key, clean, clean_fields

FIELDS: Mapping[str, type] = {
    "announced": bool,
    "arrived": datetime,
    "camera_id": str,
    "case_id": str,
    "code": str,
    "expires": datetime,
    "exptime": float,
    "field_folded": str,
    "healpix": int,
    "image_type": str,
    "location": str,
    "name": str,
    "night_is_rough": bool,
    "outcome": str,
    "path": str,
    "returns": int,
    "sequence_id": str,
    "star": str,
    "status": str,
    "taken_bytes": int,
    "taken_on": str,
    "time": datetime,
    "unit_id": str,
}
"""The fields that may be asked for, and their types: in SQLite each is a column. A value of
another type, which only other software writes, is never found by such a field."""


@dataclass(frozen=True)
class Index:
    """Fields in order, each ``NAME`` or ``NAME desc``."""

    collection: str
    fields: tuple[str, ...]

    @property
    def ordered(self) -> tuple[tuple[str, bool], ...]:
        """The names and whether each descends."""
        return tuple((each.removesuffix(" desc"), each.endswith(" desc")) for each in self.fields)


LOOKUPS: tuple[Index, ...] = (
    Index("images", ("sequence_id", "time")),
    Index("images", ("sequence_id", "status", "exptime")),
    Index("images", ("sequence_id", "image_type", "status", "exptime")),
    Index("images", ("unit_id", "status", "exptime")),
    Index("images", ("unit_id", "image_type", "status", "exptime")),
    Index("images", ("unit_id", "time desc")),
    Index("observations", ("unit_id", "image_type")),
    Index("observations", ("sequence_id",)),
    Index("observations", ("unit_id", "time")),
    Index("observations", ("unit_id", "time desc")),
    Index("observations", ("camera_id", "time")),
    Index("observations", ("camera_id", "time desc")),
    Index("observations", ("unit_id", "camera_id", "time")),
    Index("observations", ("unit_id", "camera_id", "status", "time")),
    Index("observations", ("field_folded", "time")),
    Index("observations", ("field_folded", "time desc")),
    Index("observations", ("status", "time")),
    Index("observations", ("time",)),
    Index("observations", ("healpix",)),
    Index("observations", ("status", "announced")),
    Index("observations", ("image_type", "healpix")),
    Index("files", ("sequence_id", "arrived desc")),
    Index("files", ("unit_id", "arrived desc")),
    Index("files", ("unit_id", "taken_on", "taken_bytes")),
    Index("files", ("path",)),
    Index("files", ("outcome", "name")),
    Index("files", ("code",)),
    Index("files", ("case_id",)),
    Index("lightcurves", ("star", "time")),
    Index("lightcurves", ("path",)),
    Index("leases", ("expires",)),
)
"""Where ``exptime`` or ``taken_bytes`` is the last, it is summed where the others are equal."""


def composites() -> list[Index]:
    """The lookups for which Firestore wants an index to be declared."""
    return [index for index in LOOKUPS if len(index.fields) > 1]


UNINDEXED: Mapping[str, tuple[str, ...]] = {
    "cameras": ("described_by",),
    "files": ("conflicts_with", "history", "outputs", "removed", "rescue", "stays", "unreadable"),
    "images": ("adopted", "measured", "notes", "rgb_paths", "solution", "sources"),
    "lightcurves": ("channels",),
    "observations": ("adopted", "described_by", "tags"),
    "units": ("adopted", "described_by"),
}
"""Maps and lists, by collection: no query asks what is in them, and Firestore would keep at least
two index entries for each value there."""


MAX_IN = 30
_OPERATORS: tuple[str, ...] = get_args(Operator)
_INEQUALITIES = ("<", "<=", ">", ">=")


@dataclass(frozen=True)
class Plan:
    """A query with everything said that Firestore understands by itself."""

    collection: str
    conditions: tuple[tuple[str, Operator, Any], ...]
    """Values in plain types; a list of them for ``in``."""
    order: str | None
    """The field that orders; after it, or without one, the key does."""
    descending: bool
    limit: int | None
    after: tuple[Any, str] | None
    """The value of `order` and the key of the document to go on behind."""
    only: tuple[str, ...] = ()
    """The fields to read; none: all."""

    @property
    def is_bounded(self) -> bool:
        """Whether a condition leaves only documents that have the field of the order."""
        return any(field == self.order for field, _, _ in self.conditions)


def plan(query: Query) -> Plan:
    """Raises ValueError for a query that one of the catalogs could not answer."""
    check_key(query.collection, "any")
    if query.limit is not None and query.limit < 1:
        raise ValueError(f"a query's limit must be positive, not {query.limit}")
    conditions = tuple(_condition(*each) for each in query.where)
    if math.prod(len(values) for _, operator, values in conditions if operator == "in") > MAX_IN:
        raise ValueError(f"more than {MAX_IN} combinations of values in one query")
    fields = {field for field, operator, _ in conditions if operator in _INEQUALITIES}
    fields |= {field for field, _ in query.order_by}
    ways = [way for _, way in query.order_by]
    if len(fields) > 1 or len(ways) > 1:
        raise ValueError(f"one field orders and has inequalities, not {', '.join(sorted(fields))}")
    if ways not in ([], ["asc"], ["desc"]):
        raise ValueError(f"an order is 'asc' or 'desc', not {ways[0]!r}")
    order = next(iter(fields), None)
    if order is not None:
        _kind(order)
    return Plan(
        collection=query.collection,
        conditions=conditions,
        order=order,
        descending=ways == ["desc"],
        limit=query.limit,
        after=_after(query, order),
        only=_only(query, order),
    )


def _only(query: Query, order: str | None) -> tuple[str, ...]:
    wanted = dict.fromkeys(query.only)
    if wanted and order is not None:
        wanted[order] = None  # pages go on behind it
    return tuple(clean_fields(wanted))


def plan_sums(query: Query, sums: Sequence[str]) -> Plan:
    """The plan of an aggregation. Raises ValueError for one that no index can answer."""
    planned = plan(query)
    if query.order_by or planned.limit is not None or planned.after is not None:
        raise ValueError("counts and sums are over all documents where fields have some values")
    if sums and planned.order is not None:
        raise ValueError("sums are over documents where fields have some values, not a range")
    for field in sums:
        if _kind(field) not in (int, float):
            raise ValueError(f"{field} is no number that could be summed")
    return planned


def _kind(field: str) -> type:
    if field not in FIELDS:
        raise ValueError(f"{field!r} is no field that can be asked for")
    return FIELDS[field]


def _condition(field: str, operator: Operator, value: Any) -> tuple[str, Operator, Any]:
    if operator not in _OPERATORS:
        raise ValueError(f"{operator!r} is no operator of a query")
    if operator != "in":
        return field, operator, _value(field, value)
    values = [_value(field, each) for each in value]
    if not 0 < len(values) <= MAX_IN:
        raise ValueError(f"{field} in ...: 1 to {MAX_IN} values")
    return field, operator, values


def _value(field: str, value: Any) -> Any:
    kind, plain = _kind(field), clean(value, field)
    if type(plain) is not kind:
        raise ValueError(f"{field} is compared with a {kind.__name__}, not with {value!r}")
    return plain


def _after(query: Query, order: str | None) -> tuple[Any, str] | None:
    stored = query.start_after
    if stored is None:
        return None
    return order and _value(order, stored.fields.get(order)), stored.key
