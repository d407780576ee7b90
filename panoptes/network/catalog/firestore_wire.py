"""How documents and queries are written for Firestore's own interface.

The messages are those of https://cloud.google.com/firestore/docs/reference/rpc. They are
read here and not by the library's document classes because these fail on a document that
refers to one of another database, and with it on every query that finds it; docs/design.md
has the comparison.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from google.cloud.firestore_v1.field_path import FieldPath
from google.cloud.firestore_v1.types import (
    ArrayValue,
    Cursor,
    Document,
    MapValue,
    StructuredAggregationQuery,
    StructuredQuery,
    Value,
)
from google.protobuf.struct_pb2 import NULL_VALUE
from google.protobuf.timestamp_pb2 import Timestamp
from google.protobuf.wrappers_pb2 import Int32Value
from google.type.latlng_pb2 import LatLng  # type: ignore[import-untyped]

from panoptes.network.catalog.catalog import Operator
from panoptes.network.catalog.queries import FIELDS, Plan
from panoptes.network.documents import GeoPoint

_VERSION = re.compile(r"(\d{1,12})\.(\d{9})", re.ASCII)
_PLAIN = {
    bool: "boolean_value",
    int: "integer_value",
    float: "double_value",
    str: "string_value",
}
_OPERATORS = {
    "==": "EQUAL",
    "<": "LESS_THAN",
    "<=": "LESS_THAN_OR_EQUAL",
    ">": "GREATER_THAN",
    ">=": "GREATER_THAN_OR_EQUAL",
    "in": "IN",
}
_LEAST = {
    bool: False,
    int: -(2**63),
    float: -math.inf,
    datetime: datetime(1, 1, 1, tzinfo=UTC),
    str: "",
}


def to_value(value: Any) -> Value:
    """A clean value (`panoptes.network.catalog.values`) as a message."""
    match value:
        case None:
            return Value(null_value=NULL_VALUE)
        case datetime():
            moment = Timestamp()
            moment.FromDatetime(value)
            return Value(timestamp_value=moment)
        case GeoPoint():
            return Value(geo_point_value=LatLng(latitude=value.latitude, longitude=value.longitude))
        case list():
            return Value(array_value=ArrayValue(values=[to_value(item) for item in value]))
        case dict():
            return Value(map_value=MapValue(fields=to_values(value)))
    return Value(**{_PLAIN[type(value)]: value})


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
    found = _VERSION.fullmatch(version)
    return Timestamp(seconds=int(found[1]), nanos=int(found[2])) if found else None


def to_query(plan: Plan, documents: str) -> StructuredQuery:
    """The query of a plan. `documents` is the parent's name."""
    direction = StructuredQuery.Direction
    query = StructuredQuery(
        from_=[StructuredQuery.CollectionSelector(collection_id=plan.collection)],
        order_by=[
            StructuredQuery.Order(
                field=StructuredQuery.FieldReference(field_path=name),
                direction=direction.DESCENDING if plan.descending else direction.ASCENDING,
            )
            for name in (plan.order, "__name__")
            if name is not None
        ],
    )
    if plan.only:
        query.select = StructuredQuery.Projection(
            fields=[
                StructuredQuery.FieldReference(field_path=FieldPath(name).to_api_repr())
                for name in plan.only
            ]
        )
    filters = [_filter(*condition) for condition in plan.conditions]
    if plan.order is not None and not plan.is_bounded:
        # Else documents would come along in which the field is of another type.
        filters.append(_filter(plan.order, ">=", _LEAST[FIELDS[plan.order]]))
    if filters:
        query.where = _all_of(filters)
    if plan.limit is not None:
        query.limit = Int32Value(value=plan.limit)
    if plan.after is not None:
        value, key = plan.after
        name = Value(reference_value=f"{documents}/{plan.collection}/{key}")
        values = [name] if plan.order is None else [to_value(value), name]
        query.start_at = Cursor(values=values, before=False)
    return query


def _all_of(filters: list[StructuredQuery.Filter]) -> StructuredQuery.Filter:
    return StructuredQuery.Filter(
        composite_filter=StructuredQuery.CompositeFilter(
            op=StructuredQuery.CompositeFilter.Operator.AND, filters=filters
        )
    )


def newest_query(
    collection: str,
    order: str,
    limit: int,
    since: datetime | None = None,
    before: datetime | None = None,
) -> StructuredQuery:
    """The newest by one field, whatever else the documents hold, from `since` up to `before`."""
    query = StructuredQuery(
        from_=[StructuredQuery.CollectionSelector(collection_id=collection)],
        order_by=[
            StructuredQuery.Order(
                field=StructuredQuery.FieldReference(field_path=order),
                direction=StructuredQuery.Direction.DESCENDING,
            )
        ],
        limit=Int32Value(value=limit),
    )
    bounds: tuple[tuple[Operator, datetime | None], ...] = ((">=", since), ("<", before))
    filters = [_filter(order, operator, bound) for operator, bound in bounds if bound]
    if filters:
        query.where = _all_of(filters)
    return query


def to_group_query(collection: str, behind: str, limit: int) -> StructuredQuery:
    """Documents of every collection of this name, however deep, behind the document so named."""
    return StructuredQuery(
        from_=[StructuredQuery.CollectionSelector(collection_id=collection, all_descendants=True)],
        order_by=[
            StructuredQuery.Order(
                field=StructuredQuery.FieldReference(field_path="__name__"),
                direction=StructuredQuery.Direction.ASCENDING,
            )
        ],
        start_at=Cursor(values=[Value(reference_value=behind)], before=False),
        limit=Int32Value(value=limit),
    )


def to_sum(plan: Plan, field: str | None) -> StructuredAggregationQuery:
    """The sum over what a plan finds, or their count. Its alias is ``answer``."""
    query = to_query(plan, "")
    query.order_by = []  # the index of a sum has no key to go by
    aggregation = StructuredAggregationQuery.Aggregation
    if field is None:
        wanted = aggregation(count=aggregation.Count(), alias="answer")
    else:
        summed = StructuredQuery.FieldReference(field_path=field)
        wanted = aggregation(sum=aggregation.Sum(field=summed), alias="answer")
    return StructuredAggregationQuery(structured_query=query, aggregations=[wanted])


def _filter(field: str, operator: Operator, value: Any) -> StructuredQuery.Filter:
    return StructuredQuery.Filter(
        field_filter=StructuredQuery.FieldFilter(
            field=StructuredQuery.FieldReference(field_path=field),
            op=getattr(StructuredQuery.FieldFilter.Operator, _OPERATORS[operator]),
            value=to_value(value),
        )
    )


def _from_map(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _from_value(value) for name, value in fields.items()}


def _from_value(value: Any) -> Any:
    """`value` is the bare protobuf message, several times faster to read."""
    kind: str = value.WhichOneof("value_type")
    match kind:
        case "null_value":
            return None
        case "timestamp_value":
            return value.timestamp_value.ToDatetime(UTC)
        case "geo_point_value":
            return GeoPoint(value.geo_point_value.latitude, value.geo_point_value.longitude)
        case "array_value":
            return [_from_value(item) for item in value.array_value.values]
        case "map_value":
            return _from_map(value.map_value.fields)
    return getattr(value, kind)
