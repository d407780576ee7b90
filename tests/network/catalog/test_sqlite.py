"""What is particular to the SQLite catalog: one file, many processes, every kind of damage."""

from __future__ import annotations

import multiprocessing
import os
import resource
import signal
import sqlite3
import traceback
from concurrent.futures import ProcessPoolExecutor
from contextlib import closing
from datetime import UTC, datetime
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from panoptes.network.catalog import sqlite_file
from panoptes.network.catalog.catalog import AlreadyExists, Query, Stored
from panoptes.network.catalog.queries import FIELDS, LOOKUPS, Index, plan
from panoptes.network.catalog.sqlite import SqliteCatalog, select
from panoptes.network.documents import GeoPoint
from panoptes.network.errors import ConfigurationError, TransientError
from tests.network.old_sqlite import make_version_1

FORK = multiprocessing.get_context("fork")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "catalog.sqlite"


def write_many(path: Path, writer: int) -> int:
    catalog = SqliteCatalog(path)
    for number in range(20):
        catalog.create("images", f"{writer}-{number}", {"writer": writer})
    catalog.close()
    return writer


def test_eight_processes_may_make_the_file_and_write_at_once(path: Path) -> None:
    with ProcessPoolExecutor(8, FORK) as pool:
        assert len(list(pool.map(write_many, [path] * 8, range(8)))) == 8
    assert SqliteCatalog(path).aggregate(Query("images")) == {"count": 160}


def create_and_tell(catalog: SqliteCatalog, told: Connection) -> None:
    try:
        catalog.create("images", "child", {})
        told.send("child")
    except BaseException:
        told.send(traceback.format_exc())
        raise


def test_a_forked_child_and_its_parent_both_go_on(path: Path) -> None:
    catalog = SqliteCatalog(path)
    catalog.create("images", "before", {})
    receiver, sender = FORK.Pipe(duplex=False)
    child = FORK.Process(target=create_and_tell, args=(catalog, sender))
    child.start()
    catalog.create("images", "parent", {})
    assert receiver.recv() == "child"
    child.join()
    assert [stored.key for stored in catalog.query(Query("images"))] == [
        "before",
        "child",
        "parent",
    ]


def write_until_killed(path: Path, acknowledged: Connection) -> None:
    catalog = SqliteCatalog(path)
    for number in range(1_000_000):
        catalog.create("images", str(number), {"n": number})
        acknowledged.send(str(number))


def test_what_a_killed_process_was_told_is_written_is_there(path: Path) -> None:
    receiver, sender = FORK.Pipe(duplex=False)
    writer = FORK.Process(target=write_until_killed, args=(path, sender))
    writer.start()
    sender.close()
    told = [receiver.recv() for _ in range(50)]
    assert writer.pid is not None
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    with receiver:
        try:
            while True:
                told.append(receiver.recv())
        except (EOFError, OSError):
            pass
    catalog = SqliteCatalog(path)
    written = {stored.key for stored in catalog.query(Query("images"))}
    assert written.issuperset(told)
    assert len(written) <= len(told) + 1
    catalog.create("images", "afterwards", {})


def test_a_commit_is_synced_to_the_disk(path: Path) -> None:
    with sqlite_file.SqliteFile(path).session() as connection:
        assert connection.execute("PRAGMA synchronous").fetchone() == (2,)
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("wal",)


def test_check_makes_the_missing_folder(tmp_path: Path) -> None:
    catalog = SqliteCatalog(tmp_path / "new" / "deeper" / "catalog.sqlite")
    with pytest.raises(ConfigurationError, match="does not exist"):
        catalog.get("images", "one")
    catalog.check()
    assert catalog.get("images", "one") is None


def test_a_file_in_place_of_the_folder_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigurationError, match="cannot be made"):
        SqliteCatalog(tmp_path / "file" / "catalog.sqlite").check()


def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="is a folder"):
        SqliteCatalog(tmp_path).check()


def test_a_file_of_newer_software_is_left_alone(path: Path) -> None:
    SqliteCatalog(path).check()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(ConfigurationError, match=r"newer software.*update"):
        SqliteCatalog(path).check()


def test_a_file_of_other_software_is_left_alone(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE theirs (a)")
    with pytest.raises(ConfigurationError, match="other software"):
        SqliteCatalog(path).check()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("theirs",)]


def test_what_is_no_sqlite_file_is_named(path: Path) -> None:
    path.write_bytes(b"SIMPLE  =                    T" * 100)
    with pytest.raises(ConfigurationError, match="no SQLite file"):
        SqliteCatalog(path).check()


def test_a_damaged_file_is_named(path: Path) -> None:
    catalog = SqliteCatalog(path)
    for number in range(50):
        catalog.create("images", str(number), {"text": "x" * 1000})
    catalog.close()
    intact = path.read_bytes()
    path.write_bytes(intact[:4096] + b"\xff" * (len(intact) - 4096))
    with pytest.raises(ConfigurationError, match="damaged"):
        list(SqliteCatalog(path).query(Query("images")))


def test_a_lock_that_is_held_too_long_is_passing_trouble(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    SqliteCatalog(path).check()
    monkeypatch.setattr(sqlite_file, "_WAIT_SECONDS", 0.01)
    catalog = SqliteCatalog(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(TransientError, match="locked"):
            catalog.create("images", "one", {})
        assert catalog.get("images", "one") is None
    catalog.create("images", "one", {})


def fill_the_disk(path: Path, answer: Connection) -> None:
    # A file that may not grow fails as a full disk does; Python ignores the signal for it.
    catalog = SqliteCatalog(path)
    catalog.create("images", "small", {})
    resource.setrlimit(resource.RLIMIT_FSIZE, (400_000, resource.RLIM_INFINITY))
    try:
        for number in range(10):
            catalog.create("images", str(number), {"text": "x" * 100_000})
    except TransientError as error:
        answer.send(str(error))
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    catalog.create("images", "later", {})
    answer.send("later")


def test_a_full_disk_is_passing_trouble(path: Path) -> None:
    receiver, sender = FORK.Pipe(duplex=False)
    child = FORK.Process(target=fill_the_disk, args=(path, sender))
    child.start()
    sender.close()
    assert "the catalog" in receiver.recv()
    assert receiver.recv() == "later"
    child.join()
    found = {stored.key for stored in SqliteCatalog(path).query(Query("images"))}
    assert {"small", "0", "later"} <= found


def test_a_failed_write_leaves_the_catalog_usable(path: Path) -> None:
    catalog = SqliteCatalog(path)
    catalog.create("images", "one", {})
    for _ in range(3):
        with pytest.raises(AlreadyExists):
            catalog.create("images", "one", {})
    catalog.create("images", "two", {})


def test_a_query_given_up_half_way_blocks_nobody(path: Path) -> None:
    catalog = SqliteCatalog(path)
    for number in range(5):
        catalog.create("images", str(number), {})
    for stored in catalog.query(Query("images")):
        if stored.key == "1":
            break
    results = catalog.query(Query("images"))
    next(results)
    del results
    catalog.create("images", "more", {})
    catalog.close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0


@pytest.mark.parametrize("index", LOOKUPS, ids=lambda index: f"{index.collection}-{index.fields}")
def test_every_declared_lookup_is_searched_and_sorted_by_its_index(
    path: Path, index: Index
) -> None:
    SqliteCatalog(path).check()
    *equal, (last, descending) = index.ordered
    leasts = {str: "", int: 0, bool: False, float: 0.0, datetime: datetime(1, 1, 1, tzinfo=UTC)}
    least = leasts[FIELDS[last]]
    query = Query(
        index.collection,
        where=[*((name, "==", "x") for name, _ in equal), (last, ">=", least)],
        order_by=[(last, "desc" if descending else "asc")],
        limit=10,
    )
    (step,) = steps(path, query)
    assert f"SEARCH documents USING INDEX {index.collection}__" in step


def steps(path: Path, query: Query) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        statement, parameters = select(plan(query))
        rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
    return [row[3] for row in rows]


@pytest.mark.parametrize(
    "query",
    [
        Query("images", [("sequence_id", "==", "x")], [("time", "asc")], 10,
              Stored("images", "i", {"time": datetime.now(UTC)}, "")),
        Query("observations", [], [("time", "desc")], 10,
              Stored("observations", "o", {"time": datetime.now(UTC)}, "")),
    ],
)  # fmt: skip
def test_a_later_page_begins_where_the_earlier_ended(path: Path, query: Query) -> None:
    SqliteCatalog(path).check()
    (step,) = steps(path, query)
    assert "(time,key)" in step


def test_a_lookup_without_an_order_does_not_walk_the_collection(path: Path) -> None:
    SqliteCatalog(path).check()
    step, *_ = steps(path, Query("images", where=[("sequence_id", "==", "x")]))
    assert "USING INDEX images__sequence_id__" in step


def test_who_has_made_the_file_searches_it_as_anybody_does(path: Path) -> None:
    catalog = SqliteCatalog(path)
    catalog.check()
    query = Query("observations", [("healpix", ">=", 4), ("healpix", "<", 9)])
    statement, parameters = select(plan(query))
    with catalog._file.session() as connection:
        rows = connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
    assert [row[3] for row in rows] == steps(path, query)


def test_an_index_that_a_file_lacks_is_made_when_it_is_opened(path: Path) -> None:
    SqliteCatalog(path).check()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP INDEX files__path")
    SqliteCatalog(path).check()
    assert "files__path" in schema(path)


def test_an_older_file_gets_the_names_that_are_searched_when_it_is_opened(path: Path) -> None:
    """Other software wrote some names that are no texts."""
    catalog = SqliteCatalog(path)
    for number, name in enumerate(["Wasp  35 b", "ÉTOILE \x00", 35, None]):
        catalog.create("observations", str(number), {"field_name": name, "at": datetime.now(UTC)})
    before = {each.key: each.fields for each in catalog.query(Query("observations"))}
    catalog.close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP INDEX observations__field_folded__time")
        connection.execute("ALTER TABLE documents DROP COLUMN field_folded")
    found = {each.key: each.fields for each in SqliteCatalog(path).query(Query("observations"))}
    assert found.pop("0") == before.pop("0") | {"field_folded": "wasp 35 b"}
    assert found.pop("1") == before.pop("1") | {"field_folded": "étoile \x00"}
    assert found == before


def schema(path: Path) -> str:
    """Everything in the file but its documents, as text."""
    with closing(sqlite3.connect(path)) as connection:
        rows = connection.execute("SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL").fetchall()
        assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    return "\n".join(sorted("".join(sql.split()) for (sql,) in rows))


def read_all(path: Path) -> dict[str, str]:
    """Keys and versions, found by what the product asks."""
    catalog, noon = SqliteCatalog(path), datetime(2018, 2, 16, 11, tzinfo=UTC)
    queries = [
        Query("images", [("sequence_id", "==", "s"), ("time", ">", noon)], [("time", "desc")]),
        Query("observations", [("healpix", ">", 2**53), ("healpix", "<", 2**53 + 2)]),
        Query("files", [("outcome", "==", "quarantined"), ("announced", "==", False)]),
        Query("files", [("name", ">", "a\x01")]),
    ]
    found = {each.key: each.version for query in queries for each in catalog.query(query)}
    totals = Query("images", [("unit_id", "==", "u"), ("status", "in", ["received", "uploaded"])])
    assert catalog.aggregate(totals, sums=["exptime"]) == {"count": 2, "exptime": 3.5}
    catalog.close()
    return found


def test_a_file_of_schema_1_is_brought_up_to_date_where_it_is(path: Path, tmp_path: Path) -> None:
    make_version_1(path)
    found = read_all(path)
    assert found == {"i2": "0b", "i1": "0a", "s": "0d", "f1": "0e", "f2": "0f"}
    catalog = SqliteCatalog(path)
    image = catalog.get("images", "i1")
    assert image is not None
    assert image.fields["place"] == GeoPoint(19.5, -155.5)
    assert image.fields["$odd"] == "\x00"
    catalog.update("images", "i1", {"exptime": 4.5}, version="0a", remove=["place"])
    entry = catalog.get("files", "f1")
    assert entry is not None
    assert entry.fields["name"] == "a\x01b"
    new = tmp_path / "new.sqlite"
    SqliteCatalog(new).check()
    assert schema(path) == schema(new)


def test_a_file_of_schema_1_may_be_opened_by_many_at_once(path: Path) -> None:
    make_version_1(path)
    with ProcessPoolExecutor(8, FORK) as pool:
        found = list(pool.map(read_all, [path] * 16))
    assert all(each == found[0] and len(each) == 5 for each in found)


def test_a_relative_path_means_the_same_folder_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    catalog = SqliteCatalog("catalog.sqlite")
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir("elsewhere")
    catalog.create("images", "one", {})
    assert (tmp_path / "catalog.sqlite").is_file()
