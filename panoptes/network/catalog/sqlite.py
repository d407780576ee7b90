"""The catalog of one machine: documents in one SQLite file.

A document is one JSON text. What JSON lacks is tagged: a time is
``{"$time":"2018-02-16T11:06:23.000000Z"}``, which sorts as text, a place is
``{"$point":[latitude,longitude]}``, and names that begin with ``$`` get another ``$``. Floats
keep their point, and Python writes them so that they read back to the bit. What can be asked
for is a column as well, see `panoptes.network.catalog.sqlite_file`.
"""

from __future__ import annotations

import json
import re
import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from panoptes.network.catalog.catalog import (
    AlreadyExists,
    Conflict,
    Fields,
    Query,
    Stored,
    checked_update,
)
from panoptes.network.catalog.queries import Plan, plan, plan_sums
from panoptes.network.catalog.sqlite_file import SqliteFile
from panoptes.network.catalog.values import check_key, check_size, clean_fields
from panoptes.network.documents import GeoPoint

_READ = "SELECT version, fields FROM documents WHERE collection = ? AND key = ?"
_INSERT = "INSERT INTO documents (collection, key, version, fields) VALUES (?, ?, ?, ?)"
_INSERT_MISSING = _INSERT.replace("INSERT", "INSERT OR IGNORE", 1)
_UPDATE = "UPDATE documents SET version = ?, fields = ? WHERE collection = ? AND key = ?"
_DELETE = "DELETE FROM documents WHERE collection = ? AND key = ? AND version = ?"
_CONTROL = re.compile("[\x00\x01]")
_ESCAPED = re.compile("\x01([\x01\x02])")


class SqliteCatalog:
    """A `Catalog` in the file `path`, which is made where it is missing.

    `check` makes its folder, too. May be pickled, forked and shared by threads.
    """

    def __init__(self, path: Path | str) -> None:
        self.path = Path(path).absolute()
        self._file = SqliteFile(self.path)

    def __reduce__(self) -> tuple[type[SqliteCatalog], tuple[Path]]:
        return (type(self), (self.path,))

    def __repr__(self) -> str:
        return f"SqliteCatalog({str(self.path)!r})"

    def get(self, collection: str, key: str) -> Stored | None:
        check_key(collection, key)
        with self._file.session() as connection:
            return _read(connection, collection, key)

    def create(self, collection: str, key: str, fields: Fields) -> None:
        check_key(collection, key)
        fields = clean_fields(fields)
        check_size(key, fields)
        with self._file.transaction() as connection:
            try:
                connection.execute(_INSERT, (collection, key, _new_version(), _to_json(fields)))
            except sqlite3.IntegrityError:
                raise AlreadyExists(f"{collection}/{key}") from None

    def create_missing(self, collection: str, documents: Mapping[str, Fields]) -> None:
        rows = []
        for key, said in documents.items():
            check_key(collection, key)
            fields = clean_fields(said)
            check_size(key, fields)
            rows.append((collection, key, _new_version(), _to_json(fields)))
        with self._file.transaction() as connection:
            connection.executemany(_INSERT_MISSING, rows)

    def update(
        self, collection: str, key: str, fields: Fields, *, version: str, remove: Sequence[str] = ()
    ) -> None:
        fields, dropped = checked_update(collection, key, fields, remove)
        with self._file.transaction() as connection:
            stored = _read(connection, collection, key)
            if stored is None or stored.version != version:
                raise Conflict(f"{collection}/{key}")
            merged = {k: v for k, v in (stored.fields | fields).items() if k not in dropped}
            check_size(key, merged)
            text = _to_json(merged)
            if text != _to_json(stored.fields):  # as in Firestore, no change keeps the version
                connection.execute(_UPDATE, (_new_version(), text, collection, key))

    def delete(self, collection: str, key: str, *, version: str) -> None:
        check_key(collection, key)
        with self._file.transaction() as connection:
            if connection.execute(_DELETE, (collection, key, version)).rowcount != 1:
                raise Conflict(f"{collection}/{key}")

    def query(self, query: Query) -> Iterator[Stored]:
        planned = plan(query)
        return self._rows(query.collection, *select(planned), planned.only)

    def aggregate(self, query: Query, *, sums: Sequence[str] = ()) -> Mapping[str, float]:
        where, parameters = _where(plan_sums(query, sums))
        columns = ", ".join(["count(*)", *(f"total({field})" for field in sums)])
        statement = f"SELECT {columns} FROM documents WHERE {where}"
        with self._file.session() as connection:
            row = connection.execute(statement, parameters).fetchone()
        return dict(zip(("count", *sums), row, strict=True))

    def nested(
        self, collection: str, *, below: str = "", after: Stored | None = None, limit: int
    ) -> list[Stored]:
        return []  # no other software writes here

    def check(self) -> None:
        self._file.check()

    def close(self) -> None:
        self._file.close()

    def _rows(
        self, collection: str, statement: str, parameters: list[Any], only: tuple[str, ...] = ()
    ) -> Iterator[Stored]:
        with (
            self._file.session() as connection,
            closing(connection.execute(statement, parameters)) as cursor,
        ):
            for key, version, text in cursor:
                yield Stored(collection, key, _from_json(text, only), version)


def select(plan: Plan) -> tuple[str, list[Any]]:
    """The statement that finds the documents of a plan, and its parameters."""
    where, parameters = _where(plan)
    way = " DESC" if plan.descending else ""
    order = ", ".join(f"{column}{way}" for column in (plan.order, "key") if column)
    statement = f"SELECT key, version, fields FROM documents WHERE {where} ORDER BY {order}"
    if plan.limit is not None:
        statement += f" LIMIT {plan.limit:d}"
    return statement, parameters


def _where(plan: Plan) -> tuple[str, list[Any]]:
    # The collection is written out, since a partial index is only used where SQLite can
    # see that its condition holds.
    terms = ["collection = '" + plan.collection.replace("'", "''") + "'"]
    parameters: list[Any] = []
    for field, operator, value in plan.conditions:
        values = value if operator == "in" else [value]
        marks = ", ".join("?" * len(values))
        terms.append(f"{field} IN ({marks})" if operator == "in" else f"{field} {operator} ?")
        parameters += map(_to_parameter, values)
    if plan.order and not plan.is_bounded:
        terms.append(f"{plan.order} IS NOT NULL")
    if plan.after is not None:
        value, key = plan.after
        sign = "<" if plan.descending else ">"
        terms.append(f"({plan.order}, key) {sign} (?, ?)" if plan.order else f"key {sign} ?")
        parameters += [_to_parameter(value), key] if plan.order else [key]
    return " AND ".join(terms), parameters


def _read(connection: sqlite3.Connection, collection: str, key: str) -> Stored | None:
    row = connection.execute(_READ, (collection, key)).fetchone()
    return Stored(collection, key, _from_json(row[1]), row[0]) if row else None


def _new_version() -> str:
    """Never given twice, so that a document made anew is not taken for the removed one."""
    return secrets.token_hex(8)


def _to_json(fields: dict[str, Any]) -> str:
    """The text of a document's clean fields (`panoptes.network.catalog.values`)."""
    return json.dumps(_tagged(fields), ensure_ascii=False, separators=(",", ":"))


def _from_json(text: str, only: tuple[str, ...] = ()) -> dict[str, Any]:
    """The fields of a document, or `only` some, as they were given to `_to_json`."""
    fields: dict[str, Any]
    if "\\u0001" in text or '"$$' in text:
        fields = json.loads(text, object_hook=_unescaped_map)
        return {name: fields[name] for name in only if name in fields} if only else fields
    fields = orjson.loads(text)
    if only:
        fields = {name: fields[name] for name in only if name in fields}
    _untag_inside(fields)
    return fields


def _untag_inside(value: Any) -> None:
    """Put the values that JSON lacks in the place of their tagged forms, however deep."""
    for name, item in value.items() if value.__class__ is dict else enumerate(value):
        kind = item.__class__
        if kind is dict and (plain := _untagged(item)) is not item:
            value[name] = plain  # a name that is there already may be set meanwhile
        elif kind is dict or kind is list:
            _untag_inside(item)


def _to_parameter(value: Any) -> Any:
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
            return {
                _escape(f"${name}" if name.startswith("$") else name): _tagged(item)
                for name, item in value.items()
            }
    return value


def _escape(text: str) -> str:
    # SQLite's JSON ends a string at U+0000; this has none and keeps the order of strings.
    if "\x00" in text or "\x01" in text:
        return _CONTROL.sub(lambda found: "\x01\x01" if found[0] == "\x00" else "\x01\x02", text)
    return text


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
