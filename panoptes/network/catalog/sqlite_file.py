"""One SQLite file for many threads and processes: connections, transactions, errors.

The file is in write-ahead mode, so readers and the one writer never wait for each other;
it must be on a local disk, not on a network file system (https://sqlite.org/wal.html).
Every commit is synced to the disk. A killed process would lose nothing without that, but
uploads are removed once the catalog has them, so a power cut must not take a document
back either.
"""

from __future__ import annotations

import os
import random
import sqlite3
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import datetime
from functools import cache
from pathlib import Path

from panoptes.network.catalog.queries import FIELDS, LOOKUPS
from panoptes.network.documents import NAMES_FOLDED, folded
from panoptes.network.errors import ConfigurationError, TransientError

SCHEMA_VERSION = 2
"""Version 1 had no columns for fields, and indexes on pairs of expressions."""
APPLICATION_ID = 0x50414E4F
"""``PANO`` in the file's header, https://sqlite.org/fileformat2.html#application_id."""

_OLDEST_SQLITE = (3, 38, 0)
_WAIT_SECONDS = 30.0
_MANY = 1_000_000
_TABLE = """
CREATE TABLE documents (
    collection TEXT NOT NULL,
    key TEXT NOT NULL,
    version TEXT NOT NULL,
    fields TEXT NOT NULL,
    PRIMARY KEY (collection, key)
)
"""
"""Not WITHOUT ROWID: documents are large for a key's tree, and what an index finds is
fetched 3 to 10 times faster by number than by key."""
_LACKING = (
    "collection = 'observations' AND field_folded IS NULL "
    "AND json_type(fields, '$.field_name') = 'text'"
)
_FOLD = (
    """
UPDATE documents SET fields = json_set(fields, '$.field_folded', folded(fields ->> '$.field_name'))
WHERE """
    + _LACKING
)
"""What releases before this field did not derive."""
_UNFOLDED = f"""
SELECT EXISTS (SELECT 1 FROM documents WHERE {_LACKING})
"""
"""Whether a worker of such a release, beside ours or before, has written since."""
_FOLDED = (
    "INSERT OR IGNORE INTO documents (collection, key, version, fields) VALUES (?, ?, '1', '{}')"
)
_PASSING = (
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_INTERRUPT,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_PROTOCOL,
)
_UNUSABLE = {
    sqlite3.SQLITE_CORRUPT: "is damaged: restore it from a backup",
    sqlite3.SQLITE_NOTADB: "is no SQLite file, or it is damaged",
    sqlite3.SQLITE_PERM: "may not be opened by this user",
    sqlite3.SQLITE_READONLY: "may not be written by this user",
}

_inherited: list[sqlite3.Connection] = []
"""Connections of a parent process. Closing one in the child could drop the parent's locks,
https://sqlite.org/howtocorrupt.html#_carrying_an_open_database_across_a_fork_."""


class SqliteFile:
    """The file at `path`. Each session has a connection of its own, kept for the next one."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._idle: list[sqlite3.Connection] = []
        self._process = os.getpid()

    @contextmanager
    def session(self) -> Iterator[sqlite3.Connection]:
        """A connection that nobody else uses meanwhile.

        Raises TransientError and ConfigurationError in place of SQLite's errors.
        """
        connection: sqlite3.Connection | None = None
        process = os.getpid()
        try:
            connection = self._take()
            yield connection
        except sqlite3.Error as error:
            if connection is not None:
                connection.close()
                connection = None
            self._raise_meaning(error)
        finally:
            if connection is not None and process != os.getpid():
                _inherited.append(connection)
            elif connection is not None:
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                self._idle.append(connection)

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """A session that writes: all of it at its end, or nothing if it raises."""
        with self.session() as connection:
            # Taking the write lock first waits for it; taking it later can fail at once.
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    def check(self) -> None:
        """Make the folder and the file. Raises ConfigurationError, in one sentence."""
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise ConfigurationError(
                f"This Python has SQLite {sqlite3.sqlite_version}; the catalog needs 3.38 or later."
            )
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ConfigurationError(
                f"The catalog's folder {self.path.parent} cannot be made: {error.strerror}."
            ) from error
        with self.transaction():
            pass  # it begins only where the file can be written

    def close(self) -> None:
        """Close the connections that are not in use; a later session opens a new one."""
        while self._idle:
            self._take().close()

    def _take(self) -> sqlite3.Connection:
        if self._process != os.getpid():
            _inherited.extend(self._idle)
            self._idle, self._process = [], os.getpid()
        with suppress(IndexError):
            return self._idle.pop()
        connection = sqlite3.connect(
            self.path, timeout=_WAIT_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            self._prepare(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _prepare(self, connection: sqlite3.Connection) -> None:
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA journal_size_limit = {64 * 2**20}")
        schema = _pragma(connection, "user_version")
        application = _pragma(connection, "application_id")
        names = {name for (name,) in connection.execute("SELECT name FROM sqlite_schema")}
        if application != APPLICATION_ID and (application or names):
            raise ConfigurationError(f"{self.path} is an SQLite file of other software.")
        if schema > SCHEMA_VERSION:
            raise ConfigurationError(
                f"The catalog {self.path} was written by newer software (schema {schema}, "
                f"known here: {SCHEMA_VERSION}): update this installation."
            )
        is_whole = names >= _indexes().keys() and _columns(connection) >= FIELDS.keys()
        if schema < SCHEMA_VERSION or not is_whole:
            _begin_write_ahead(connection)
            _make_schema(connection)
        elif connection.execute(_UNFOLDED).fetchone()[0]:
            connection.execute("BEGIN IMMEDIATE")
            _fold_names(connection)
            connection.execute("COMMIT")

    def _raise_meaning(self, error: sqlite3.Error) -> None:
        code = getattr(error, "sqlite_errorcode", 0)
        kind = code & 0xFF
        if kind in _PASSING or code == sqlite3.SQLITE_READONLY_DBMOVED:
            raise TransientError(f"the catalog {self.path}: {error}") from error
        if kind in _UNUSABLE:
            raise ConfigurationError(f"The catalog {self.path} {_UNUSABLE[kind]}.") from error
        if kind == sqlite3.SQLITE_CANTOPEN:
            self._raise_cannot_open(error)
        raise error

    def _raise_cannot_open(self, error: sqlite3.Error) -> None:
        folder = self.path.parent
        if not folder.is_dir():
            raise ConfigurationError(f"The catalog's folder {folder} does not exist.") from error
        if self.path.is_dir():
            raise ConfigurationError(f"The catalog {self.path} is a folder, not a file.") from error
        if not os.access(self.path if self.path.exists() else folder, os.R_OK | os.W_OK):
            raise ConfigurationError(
                f"The catalog {self.path} may not be written by this user."
            ) from error
        raise TransientError(f"the catalog {self.path}: {error}") from error


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    value: int = connection.execute(f"PRAGMA {name}").fetchone()[0]
    return value


def _begin_write_ahead(connection: sqlite3.Connection) -> None:
    """Turn the mode on for good. SQLite does not wait here for others that do the same."""
    deadline = time.monotonic() + _WAIT_SECONDS
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(random.uniform(0.001, 0.02))
        else:
            return


def _make_schema(connection: sqlite3.Connection) -> None:
    """Make the file, or bring it up to date. Under its lock: another may have done so by now."""
    connection.execute("BEGIN IMMEDIATE")
    schema = _pragma(connection, "user_version")
    if schema == 0:
        connection.execute(_TABLE)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
    if schema < SCHEMA_VERSION:
        indexes = "SELECT name FROM sqlite_schema WHERE type = 'index' AND sql IS NOT NULL"
        for (name,) in connection.execute(indexes).fetchall():
            connection.execute(f'DROP INDEX "{name}"')
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    lacking = FIELDS.keys() - _columns(connection)
    for field in sorted(lacking):
        column = f"{field} GENERATED ALWAYS AS ({_value(field, FIELDS[field])}) VIRTUAL"
        connection.execute(f"ALTER TABLE documents ADD COLUMN {column}")
    if "field_folded" in lacking:
        _fold_names(connection)
        connection.execute(_FOLDED, NAMES_FOLDED)
    for statement in _indexes().values():
        connection.execute(statement)
    _describe_large_catalog(connection)
    connection.execute("COMMIT")


def _fold_names(connection: sqlite3.Connection) -> None:
    connection.create_function("folded", 1, folded, deterministic=True)
    connection.execute(_FOLD)


def _columns(connection: sqlite3.Connection) -> set[str]:
    return {row[1] for row in connection.execute("PRAGMA table_xinfo(documents)")}


def _value(field: str, kind: type) -> str:
    """A field's value as a column holds it; NULL where it is absent or of another type."""
    path = f"'$.{field}'"
    if kind is datetime:
        return f"""fields ->> '$.{field}."$time"'"""
    types = {str: "'text'", bool: "'true', 'false'"}.get(kind, "'integer', 'real'")
    return f"CASE WHEN json_type(fields, {path}) IN ({types}) THEN fields ->> {path} END"


@cache
def _indexes() -> Mapping[str, str]:
    """The indexes of `queries.LOOKUPS`: names and the statements that make them.

    SQLite reads an index in both directions, so one serves its mirror image, and a longer
    one serves those that it begins with.
    """
    wanted = {(index.collection, tuple(name for name, _ in index.ordered)) for index in LOOKUPS}
    return {
        "__".join((collection, *fields)): (
            f'CREATE INDEX IF NOT EXISTS "{"__".join((collection, *fields))}" '
            f"ON documents ({', '.join(fields)}, key) WHERE collection = '{collection}'"
        )
        for collection, fields in sorted(wanted)
        if not any(
            c == collection and f != fields and f[: len(fields)] == fields for c, f in wanted
        )
    }


def _describe_large_catalog(connection: sqlite3.Connection) -> None:
    """Tell the query planner what a grown catalog looks like.

    Without numbers it takes a collection for ten documents and walks all of it rather
    than sort what an index finds, https://sqlite.org/optoverview.html#manual_control_of_query_plans_using_sqlite_stat_tables.
    """
    connection.execute("ANALYZE sqlite_schema")  # makes the table for the numbers
    connection.execute("DELETE FROM sqlite_stat1")
    rows = [("sqlite_autoindex_documents_1", f"{_MANY} {_MANY // 3} 1")]
    for name in _indexes():
        rows.append((name, f"{_MANY // 3} " + "100 " * name.count("__") + "1"))
    connection.executemany("INSERT INTO sqlite_stat1 VALUES ('documents', ?, ?)", rows)
    connection.execute("ANALYZE sqlite_schema")  # this connection reads them, too
