"""The catalog of one machine: documents in one SQLite file."""

from __future__ import annotations

import secrets
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path

from blocks.catalog import (
    AlreadyExists,
    Conflict,
    Create,
    Fields,
    Query,
    Stored,
    Update,
    checked,
    checked_batch,
)
from blocks.queries import plan, plan_sums
from blocks.sqlite_file import SqliteFile
from blocks.sqlite_text import from_json, select, select_sums, to_json
from blocks.values import check_key, check_size

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

    def create(self, collection: str, key: str, fields: Fields) -> Stored:
        write = checked(Create(collection, key, fields))
        with self._file.transaction() as connection:
            return _create(connection, write)

    def update(
        self, collection: str, key: str, fields: Fields, *, version: str, remove: Sequence[str] = ()
    ) -> Stored:
        write = checked(Update(collection, key, fields, version, remove))
        with self._file.transaction() as connection:
            return _update(connection, write)

    def delete(self, collection: str, key: str, *, version: str) -> None:
        check_key(collection, key)
        with self._file.transaction() as connection:
            if connection.execute(_DELETE, (collection, key, version)).rowcount != 1:
                raise Conflict(f"{collection}/{key}")

    def write_batch(self, writes: Iterable[Create | Update]) -> None:
        batch = checked_batch(writes)
        if not batch:
            return
        with self._file.transaction() as connection:
            for write in batch:
                if isinstance(write, Create):
                    _create(connection, write)
                else:
                    _update(connection, write)

    def query(self, query: Query) -> Iterator[Stored]:
        planned = plan(query)
        if planned.is_empty:
            return iter(())
        return self._rows(query.collection, *select(planned))

    def aggregate(self, query: Query, *, sums: Sequence[str] = ()) -> Mapping[str, float]:
        planned = plan_sums(query, sums)
        if planned.is_empty:
            return dict.fromkeys(("count", *sums), 0)
        with self._file.session() as connection:
            row = connection.execute(*select_sums(planned, sums)).fetchone()
        return dict(zip(("count", *sums), row, strict=True))

    def check(self) -> None:
        self._file.check()

    def close(self) -> None:
        self._file.close()

    def _rows(self, collection: str, statement: str, parameters: list[str]) -> Iterator[Stored]:
        with (
            self._file.session() as connection,
            closing(connection.execute(statement, parameters)) as cursor,
        ):
            for key, version, text in cursor:
                yield Stored(collection, key, from_json(text), version)


def _read(connection: sqlite3.Connection, collection: str, key: str) -> Stored | None:
    row = connection.execute(_READ, (collection, key)).fetchone()
    return Stored(collection, key, from_json(row[1]), row[0]) if row else None


def _create(connection: sqlite3.Connection, write: Create) -> Stored:
    check_size(write.key, write.fields)
    version = _new_version()
    row = (write.collection, write.key, version, to_json(write.fields))
    try:
        connection.execute(_INSERT, row)
    except sqlite3.IntegrityError:
        raise AlreadyExists(f"{write.collection}/{write.key}") from None
    return Stored(write.collection, write.key, write.fields, version)


def _update(connection: sqlite3.Connection, write: Update) -> Stored:
    stored = _read(connection, write.collection, write.key)
    if stored is None or stored.version != write.version:
        raise Conflict(f"{write.collection}/{write.key}")
    fields = {**stored.fields, **write.fields}
    for name in write.remove:
        fields.pop(name, None)
    check_size(write.key, fields)
    version, text = _new_version(), to_json(fields)
    if text == to_json(stored.fields):  # as in Firestore, no change keeps the version
        return stored
    connection.execute(_UPDATE, (version, text, write.collection, write.key))
    return Stored(write.collection, write.key, fields, version)


def _new_version() -> str:
    """Never given twice, so that a document made anew is not taken for the removed one."""
    return secrets.token_hex(8)
