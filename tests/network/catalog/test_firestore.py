"""What is particular to the Firestore catalog: the network, the service, other software."""

from __future__ import annotations

import math
import multiprocessing
import random
import socket
import time
import traceback
import uuid
from collections.abc import Callable, Iterator
from concurrent import futures
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import grpc
import pytest

from panoptes.network.catalog import firestore_link
from panoptes.network.catalog.catalog import Catalog, Query, Stored, modify
from panoptes.network.catalog.firestore import FirestoreCatalog
from panoptes.network.catalog.sqlite import SqliteCatalog
from panoptes.network.documents import GeoPoint
from panoptes.network.errors import ConfigurationError, TransientError

FORK = multiprocessing.get_context("fork")
PRODUCT = (firestore_link._CALL_SECONDS, firestore_link._RETRY_SECONDS)
"""The limits of the network's runs; tests give the emulator more, see `tests.patience`."""


@pytest.fixture
def catalog(firestore_emulator: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[FirestoreCatalog]:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator)
    made = FirestoreCatalog(f"test-{uuid.uuid4().hex[:20]}")
    yield made
    made.close()


@pytest.fixture
def refusing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., FirestoreCatalog]]:
    """Makes a catalog whose service refuses every call, the last of the given ways for ever."""
    servers: list[grpc.Server] = []

    def make(*answers: tuple[grpc.StatusCode, str]) -> FirestoreCatalog:
        left = list(answers)

        def refuse(_: bytes, context: grpc.ServicerContext) -> bytes:
            context.abort(*(left.pop(0) if len(left) > 1 else left[0]))
            return b""

        class Refusing(grpc.GenericRpcHandler):
            def service(self, _: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[Any, Any]:
                return grpc.unary_unary_rpc_method_handler(refuse)

        server = grpc.server(futures.ThreadPoolExecutor(1), handlers=[Refusing()])
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        servers.append(server)
        monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{port}")
        return FirestoreCatalog("project")

    yield make
    for server in servers:
        server.stop(None).wait()


def test_both_catalogs_answer_random_queries_alike(
    catalog: FirestoreCatalog, tmp_path: Path
) -> None:
    chance = random.Random(20180216)
    noon = datetime(2018, 2, 16, 12, tzinfo=UTC)
    wanted: dict[str, list[Any]] = {
        "time": [noon + timedelta(microseconds=n) for n in range(4)],
        "healpix": [-1, 0, 1, 2, 2**53 + 1, 2**62],
        "name": ["", "a", "A", "ab", "ä", "a\x00", "🔭"],
        "announced": [False, True],
    }
    foreign = [None, False, 0, 0.5, 2.0**53, "x", noon, GeoPoint(1.0, 2.0), [1], {"a": 1}]
    members: list[Catalog] = [SqliteCatalog(tmp_path / "catalog.sqlite"), catalog]
    documents = {
        f"{number:03}": {
            name: chance.choice(values if chance.random() < 0.8 else foreign)
            for name, values in (*wanted.items(), ("exptime", [0.5, 1, 1 / 3]))
            if chance.random() < 0.9
        }
        for number in range(120)
    }
    for member in members:
        with futures.ThreadPoolExecutor(8) as pool:
            list(pool.map(lambda key: member.create("things", key, documents[key]), documents))  # noqa: B023  called at once

    def equality() -> tuple[str, Any, Any]:
        name = chance.choice(list(wanted))
        if chance.random() < 0.3:
            return name, "in", chance.sample(wanted[name], 2)
        return name, "==", chance.choice(wanted[name])

    unequal = 0
    for _ in range(80):
        where = [equality() for _ in range(chance.choice([0, 0, 1, 2]))]
        totals = [member.aggregate(Query("things", where), sums=["exptime"]) for member in members]
        assert totals[0] == pytest.approx(totals[1]), where
        name = chance.choice(["time", "healpix", "name"])
        for _ in range(chance.choice([0, 1, 2])):
            where.append((name, chance.choice(["<", "<=", ">", ">="]), chance.choice(wanted[name])))
        order_by: Any = [(name, chance.choice(["asc", "desc"]))] if chance.random() < 0.6 else []
        query = Query("things", where, order_by, limit=chance.choice([None, 5]))
        results = [[(each.key, each.fields) for each in member.query(query)] for member in members]
        assert results[0] == results[1], query
        unequal += 0 < len(results[0]) < 96
        if results[0]:
            key, given = results[0][len(results[0]) // 2]
            behind = Query("things", where, order_by, start_after=Stored("things", key, given, ""))
            after = [[each.key for each in member.query(behind)] for member in members]
            assert after[0] == after[1], behind
    assert unequal > 25, "the queries were too dull to tell anything"


def test_a_server_that_is_gone_or_silent_is_given_up_within_ten_seconds(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(firestore_link, "_CALL_SECONDS", PRODUCT[0])
    monkeypatch.setattr(firestore_link, "_RETRY_SECONDS", PRODUCT[1])
    assert sum(PRODUCT) < 10
    with socket.socket() as silent, socket.socket() as gone:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        gone.bind(("127.0.0.1", 0))

        def catalog_at(server: socket.socket) -> FirestoreCatalog:
            monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", f"127.0.0.1:{server.getsockname()[1]}")
            return FirestoreCatalog("project")

        def give_up(catalog: FirestoreCatalog, call: Callable[[FirestoreCatalog], object]) -> float:
            started = time.monotonic()
            with pytest.raises(TransientError, match="project"):
                call(catalog)
            return time.monotonic() - started

        calls: list[Callable[[FirestoreCatalog], object]] = [
            lambda catalog: catalog.check(),
            lambda catalog: catalog.create("images", "one", {}),
            lambda catalog: list(catalog.query(Query("images"))),
            lambda catalog: catalog.aggregate(Query("images")),
        ]
        with futures.ThreadPoolExecutor(8) as pool:
            waits = [
                pool.submit(give_up, catalog_at(server), call)
                for server in (silent, gone)
                for call in calls
            ]
            # As long again where the machine is busy; Google's own client goes on for minutes.
            assert max(wait.result() for wait in waits) < 60


@pytest.mark.parametrize(
    ("code", "message", "sentence"),
    [
        (grpc.StatusCode.PERMISSION_DENIED, "Missing permissions.", "refuses these credentials"),
        (grpc.StatusCode.UNAUTHENTICATED, "Bad token.", "refuses these credentials"),
        (
            grpc.StatusCode.NOT_FOUND,
            "The database (default) does not exist for project project.",
            "does not exist",
        ),
        (
            grpc.StatusCode.FAILED_PRECONDITION,
            "The Cloud Firestore API is not available for Firestore in Datastore Mode database",
            "cannot answer",
        ),
        (grpc.StatusCode.INVALID_ARGUMENT, "Invalid project.", "cannot be used"),
    ],
    ids=str,
)
def test_check_says_what_is_wrong_with_the_settings(
    refusing: Callable[..., FirestoreCatalog], code: grpc.StatusCode, message: str, sentence: str
) -> None:
    with pytest.raises(ConfigurationError, match=sentence) as caught:
        refusing((code, message)).check()
    assert message in str(caught.value)
    assert "project" in str(caught.value)


@pytest.mark.parametrize(
    "code",
    [grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN, grpc.StatusCode.DEADLINE_EXCEEDED],
    ids=str,
)
def test_trouble_of_the_service_is_passing(
    refusing: Callable[..., FirestoreCatalog], code: grpc.StatusCode
) -> None:
    with pytest.raises(TransientError):
        refusing((code, "oops")).create("images", "one", {})


def test_a_short_trouble_is_not_noticed(refusing: Callable[..., FirestoreCatalog]) -> None:
    catalog = refusing(
        (grpc.StatusCode.UNAVAILABLE, "restarting"),
        (grpc.StatusCode.ABORTED, "too much contention"),
        (grpc.StatusCode.NOT_FOUND, "no such document"),
    )
    assert catalog.get("images", "one") is None


def test_a_query_that_lacks_an_index_says_so(refusing: Callable[..., FirestoreCatalog]) -> None:
    catalog = refusing((grpc.StatusCode.FAILED_PRECONDITION, "The query requires an index."))
    with pytest.raises(ConfigurationError, match="requires an index"):
        list(catalog.query(Query("images", [("status", "==", "x")], [("time", "asc")])))


def test_missing_credentials_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    with pytest.raises(ConfigurationError, match="credentials"):
        FirestoreCatalog("project").check()


def test_databases_of_a_project_are_apart(catalog: FirestoreCatalog) -> None:
    one, two = (FirestoreCatalog(catalog.project, name) for name in ("a1b2", "c3d4"))
    one.create("images", "one", {})
    assert two.get("images", "one") is None


def test_what_only_other_software_writes_is_read_and_kept(catalog: FirestoreCatalog) -> None:
    from google.cloud import firestore

    theirs = firestore.Client(project=catalog.project)
    document = theirs.collection("units").document("PAN001")
    other = theirs.collection("units").document("PAN002")
    # Google's own client cannot read such a document, nor answer a query that finds it.
    elsewhere = firestore.Client(project="elsewhere").collection("units").document("PAN003")
    document.set(
        {
            "bytes": b"\x00",
            "friend": other,
            "stranger": elsewhere,
            "nan": math.nan,
            "place": firestore.GeoPoint(1, 2),
        }
    )
    fields = modify(catalog, "units", "PAN001", lambda _: {"name": "Mauna Loa"})
    assert math.isnan(fields.pop("nan"))
    root = f"projects/{catalog.project}/databases/(default)/documents"
    assert fields == {
        "bytes": b"\x00",
        "friend": f"{root}/units/PAN002",
        "stranger": "projects/elsewhere/databases/(default)/documents/units/PAN003",
        "place": GeoPoint(1.0, 2.0),
        "name": "Mauna Loa",
    }
    assert [each.key for each in catalog.query(Query("units"))] == ["PAN001"]
    document.update({"stranger": firestore.DELETE_FIELD})
    kept = document.get().to_dict() or {}
    assert kept["friend"] == other
    assert kept["bytes"] == b"\x00"
    theirs.close()  # type: ignore[no-untyped-call]


def test_a_collection_is_read_across_pages(catalog: FirestoreCatalog) -> None:
    def make(number: int) -> None:
        catalog.create("images", f"{number:04}", {"healpix": number // 2})

    with futures.ThreadPoolExecutor(16) as pool:
        list(pool.map(make, range(1000)))
    assert [each.key for each in catalog.query(Query("images"))] == [
        f"{number:04}" for number in range(1000)
    ]
    query = Query("images", order_by=[("healpix", "desc")], limit=900)
    assert [int(each.key) for each in catalog.query(query)] == list(range(999, 99, -1))


def create_and_tell(catalog: FirestoreCatalog, told: Connection) -> None:
    try:
        catalog.create("images", "child", {})
        told.send("child")
    except BaseException:
        told.send(traceback.format_exc())
        raise


def test_a_forked_child_opens_a_connection_of_its_own(catalog: FirestoreCatalog) -> None:
    catalog.create("images", "before", {})
    receiver, sender = FORK.Pipe(duplex=False)
    child = FORK.Process(target=create_and_tell, args=(catalog, sender))
    child.start()
    catalog.create("images", "parent", {})
    assert receiver.poll(30)
    assert receiver.recv() == "child"
    child.join()
    assert [each.key for each in catalog.query(Query("images"))] == ["before", "child", "parent"]


def test_nested_documents_are_read_in_pages_by_their_paths(catalog: FirestoreCatalog) -> None:
    from google.cloud import firestore

    catalog.create("images", "flat", {"number": 1})
    client = firestore.Client(project=catalog.project)
    paths = [
        f"units/PAN00{unit}/observations/S{sequence}/images/I{image}"
        for unit in (1, 2)
        for sequence in (1, 2)
        for image in range(3)
    ]
    for path in paths:
        client.document(path).set({"path": path, "camera": {"iso": 100}})
    client.document("units/PAN001/metadata/AUTO").set({"path": "no image"})
    client.close()  # type: ignore[no-untyped-call]

    found: list[Stored] = []
    while page := catalog.nested("images", after=found[-1] if found else None, limit=5):
        found += page
        assert len(page) <= 5
    assert [f"{each.collection}/{each.key}" for each in found] == paths
    assert [each.fields["path"] for each in found] == paths
    assert found[0].fields["camera"] == {"iso": 100}
    below = catalog.nested("images", below="units/PAN002", limit=100)
    assert [f"{each.collection}/{each.key}" for each in below] == paths[6:]
    after = catalog.nested("images", below="units/PAN002", after=below[1], limit=100)
    assert len(after) == 4
