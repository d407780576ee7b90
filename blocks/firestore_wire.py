"""How documents and queries are written for Firestore's own interface.

The messages are those of https://cloud.google.com/firestore/docs/reference/rpc. They are
written here and not by the library's document classes because these read names of fields
as paths, which breaks on names with a backtick or a backslash, and hide nanoseconds of the
update time, which compare-and-set stands on.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from blocks.queries import Condition, Path, Plan
from models.documents import GeoPoint

if TYPE_CHECKING:
    from google.cloud.firestore_v1.types import (
        Cursor,
        Document,
        StructuredQuery,
        Value,
    )
    from google.protobuf.timestamp_pb2 import Timestamp

_SIMPLE = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*", re.ASCII)
_VERSION = re.compile(r"(\d{1,12})\.(\d{9})", re.ASCII)
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_OPERATORS = {
    "==": "EQUAL",
    "<": "LESS_THAN",
    "<=": "LESS_THAN_OR_EQUAL",
    ">": "GREATER_THAN",
    ">=": "GREATER_THAN_OR_EQUAL",
    "in": "IN",
}


def to_value(value: Any) -> Value:
    """A clean value (`blocks.values`) as a message."""
    from google.cloud.firestore_v1.types import ArrayValue, MapValue, Value
    from google.protobuf.struct_pb2 import NULL_VALUE
    from google.type.latlng_pb2 import LatLng  # type: ignore[import-untyped]

    match value:
        case None:
            return Value(null_value=NULL_VALUE)
        case bool():
            return Value(boolean_value=value)
        case int():
            return Value(integer_value=value)
        case float():
            return Value(double_value=value)
        case str():
            return Value(string_value=value)
        case datetime():
            return Value(timestamp_value=_timestamp(value))
        case GeoPoint():
            return Value(geo_point_value=LatLng(latitude=value.latitude, longitude=value.longitude))
        case list():
            return Value(array_value=ArrayValue(values=[to_value(item) for item in value]))
    return Value(map_value=MapValue(fields=to_values(value)))


def to_values(fields: Mapping[str, Any]) -> dict[str, Value]:
    return {name: to_value(value) for name, value in fields.items()}


def from_document(document: Document) -> dict[str, Any]:
    """The fields of a document in plain types.

    Of the types that only other software writes, bytes stay bytes and a reference becomes
    the path that it refers to.
    """
    return _from_map(type(document).pb(document).fields)


def version_of(timestamp: Timestamp) -> str:
    """An update time as a version, to the nanosecond."""
    return f"{timestamp.seconds}.{timestamp.nanos:09d}"


def timestamp_of(version: str) -> Timestamp | None:
    """The update time that a version stands for, None if it is not one of `version_of`."""
    from google.protobuf.timestamp_pb2 import Timestamp

    found = _VERSION.fullmatch(version)
    return Timestamp(seconds=int(found[1]), nanos=int(found[2])) if found else None


def field_path(path: Path) -> str:
    """A path as text, its names quoted where they are not simple."""
    return ".".join(name if _SIMPLE.fullmatch(name) else _quoted(name) for name in path)


def to_query(
    plan: Plan, documents: str, cursor: Cursor | None, limit: int | None, *, by_key: bool = True
) -> StructuredQuery:
    """The query of a plan, from behind `cursor` on. `documents` is the parent's name.

    Without `by_key` ties are left open, as sums want it: their index has no key to go by.
    """
    from google.cloud.firestore_v1.types import StructuredQuery
    from google.protobuf.wrappers_pb2 import Int32Value

    direction = StructuredQuery.Direction
    query = StructuredQuery(
        from_=[StructuredQuery.CollectionSelector(collection_id=plan.collection)],
        order_by=[
            StructuredQuery.Order(
                field=StructuredQuery.FieldReference(field_path=name),
                direction=direction.DESCENDING if descending else direction.ASCENDING,
            )
            for name, descending in (
                *((field_path(each.path), each.descending) for each in plan.orderings),
                *([("__name__", plan.key_descending)] if by_key else []),
            )
        ],
    )
    if plan.conditions:
        query.where = StructuredQuery.Filter(
            composite_filter=StructuredQuery.CompositeFilter(
                op=StructuredQuery.CompositeFilter.Operator.AND,
                filters=[_filter(condition) for condition in plan.conditions],
            )
        )
    if limit is not None:
        query.limit = Int32Value(value=limit)
    if cursor is None and plan.after is not None:
        values, key = plan.after
        cursor = _cursor(map(to_value, values), f"{documents}/{plan.collection}/{key}")
    if cursor is not None:
        query.start_at = cursor
    return query


def cursor_behind(plan: Plan, document: Document) -> Cursor:
    """Where a plan goes on after a document that it gave."""
    values = []
    for ordering in plan.orderings:
        fields: Mapping[str, Value] = document.fields
        for name in ordering.path[:-1]:
            fields = fields[name].map_value.fields
        values.append(fields[ordering.path[-1]])
    return _cursor(values, document.name)


def _cursor(values: Iterable[Value], name: str) -> Cursor:
    from google.cloud.firestore_v1.types import Cursor, Value

    return Cursor(values=[*values, Value(reference_value=name)], before=False)


def _filter(condition: Condition) -> StructuredQuery.Filter:
    from google.cloud.firestore_v1.types import StructuredQuery

    field = StructuredQuery.FieldReference(field_path=field_path(condition.path))
    if condition.value is None:
        null = StructuredQuery.UnaryFilter.Operator.IS_NULL
        return StructuredQuery.Filter(
            unary_filter=StructuredQuery.UnaryFilter(field=field, op=null)
        )
    operator = getattr(StructuredQuery.FieldFilter.Operator, _OPERATORS[condition.operator])
    return StructuredQuery.Filter(
        field_filter=StructuredQuery.FieldFilter(
            field=field, op=operator, value=to_value(condition.value)
        )
    )


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace("`", "\\`")
    return f"`{escaped}`"


def _timestamp(moment: datetime) -> Timestamp:
    from google.protobuf.timestamp_pb2 import Timestamp

    since = moment - _EPOCH
    return Timestamp(seconds=since.days * 86400 + since.seconds, nanos=since.microseconds * 1000)


def _from_map(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _from_value(value) for name, value in fields.items()}


def _from_value(value: Any) -> Any:
    """`value` is the bare protobuf message, several times faster to read."""
    kind: str = value.WhichOneof("value_type")
    match kind:
        case "null_value":
            return None
        case "timestamp_value":
            seconds, nanos = value.timestamp_value.seconds, value.timestamp_value.nanos
            return _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000)
        case "geo_point_value":
            return GeoPoint(value.geo_point_value.latitude, value.geo_point_value.longitude)
        case "array_value":
            return [_from_value(item) for item in value.array_value.values]
        case "map_value":
            return _from_map(value.map_value.fields)
    return getattr(value, kind)
