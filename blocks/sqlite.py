"""The catalog of one machine: documents in one SQLite file."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from blocks.catalog import AlreadyExists, Conflict, Fields, Query, Stored, checked_update
from blocks.queries import Plan, plan, plan_sums
from blocks.sqlite_file import SqliteFile
from blocks.sqlite_json import from_json, to_json, to_parameter
from blocks.values import check_key, check_size, clean_fields

_READ = "SELECT version, fields FROM documents WHERE collection = ? AND key = ?"
_INSERT = "INSERT INTO documents (collection, key, version, fields) VALUES (?, ?, ?, ?)"
_UPDATE = "UPDATE documents SET version = ?, fields = ? WHERE collection = ? AND key = ?"
_DELETE = "DELETE FROM documents WHERE collection = ? AND key = ? AND version = ?"


class SqliteCatalog:
    """A `blocks.catalog.Catalog` in the file `path`, which is made where it is missing.

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
                connection.execute(_INSERT, (collection, key, _new_version(), to_json(fields)))
            except sqlite3.IntegrityError:
                raise AlreadyExists(f"{collection}/{key}") from None

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
            text = to_json(merged)
            if text != to_json(stored.fields):  # as in Firestore, no change keeps the version
                connection.execute(_UPDATE, (_new_version(), text, collection, key))

    def delete(self, collection: str, key: str, *, version: str) -> None:
        check_key(collection, key)
        with self._file.transaction() as connection:
            if connection.execute(_DELETE, (collection, key, version)).rowcount != 1:
                raise Conflict(f"{collection}/{key}")

    def query(self, query: Query) -> Iterator[Stored]:
        return self._rows(query.collection, *select(plan(query)))

    def aggregate(self, query: Query, *, sums: Sequence[str] = ()) -> Mapping[str, float]:
        where, parameters = _where(plan_sums(query, sums))
        columns = ", ".join(["count(*)", *(f"total({field})" for field in sums)])
        statement = f"SELECT {columns} FROM documents WHERE {where}"
        with self._file.session() as connection:
            row = connection.execute(statement, parameters).fetchone()
        return dict(zip(("count", *sums), row, strict=True))

    def check(self) -> None:
        self._file.check()

    def close(self) -> None:
        self._file.close()

    def _rows(self, collection: str, statement: str, parameters: list[Any]) -> Iterator[Stored]:
        with (
            self._file.session() as connection,
            closing(connection.execute(statement, parameters)) as cursor,
        ):
            for key, version, text in cursor:
                yield Stored(collection, key, from_json(text), version)


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
        parameters += map(to_parameter, values)
    if plan.order and not plan.is_bounded:
        terms.append(f"{plan.order} IS NOT NULL")
    if plan.after is not None:
        value, key = plan.after
        sign = "<" if plan.descending else ">"
        terms.append(f"({plan.order}, key) {sign} (?, ?)" if plan.order else f"key {sign} ?")
        parameters += [to_parameter(value), key] if plan.order else [key]
    return " AND ".join(terms), parameters


def _read(connection: sqlite3.Connection, collection: str, key: str) -> Stored | None:
    row = connection.execute(_READ, (collection, key)).fetchone()
    return Stored(collection, key, from_json(row[1]), row[0]) if row else None


def _new_version() -> str:
    """Never given twice, so that a document made anew is not taken for the removed one."""
    return secrets.token_hex(8)
