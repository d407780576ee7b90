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
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from blocks.sqlite_text import index_statements
from models.errors import ConfigurationError, TryAgain

SCHEMA_VERSION = 1
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

        Raises TryAgain and ConfigurationError in place of SQLite's errors.
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
        if schema < SCHEMA_VERSION or not names.issuperset(index_statements()):
            _begin_write_ahead(connection)
            _make_schema(connection)

    def _raise_meaning(self, error: sqlite3.Error) -> None:
        code = getattr(error, "sqlite_errorcode", 0)
        kind = code & 0xFF
        if kind in _PASSING or code == sqlite3.SQLITE_READONLY_DBMOVED:
            raise TryAgain(f"the catalog {self.path}: {error}") from error
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
        raise TryAgain(f"the catalog {self.path}: {error}") from error


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
    connection.execute("BEGIN IMMEDIATE")
    if _pragma(connection, "user_version") == 0:
        connection.execute(_TABLE)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
    for statement in index_statements().values():
        connection.execute(statement)
    _describe_large_catalog(connection)
    connection.execute("COMMIT")


def _describe_large_catalog(connection: sqlite3.Connection) -> None:
    """Tell the query planner what a grown catalog looks like.

    Without numbers it takes a collection for ten documents and walks all of it rather
    than sort what an index finds, https://sqlite.org/optoverview.html#manual_control_of_query_plans_using_sqlite_stat_tables.
    """
    connection.execute("ANALYZE")
    connection.execute("DELETE FROM sqlite_stat1")
    rows = [("sqlite_autoindex_documents_1", f"{_MANY} {_MANY // 3} 1")]
    for name in index_statements():
        fields = name.count("__")
        rows.append((name, f"{_MANY // 3} " + f"{_MANY // 3} 100 " * fields + "1"))
    connection.executemany("INSERT INTO sqlite_stat1 VALUES ('documents', ?, ?)", rows)
