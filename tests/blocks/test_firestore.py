"""What is particular to the Firestore catalog: the network, the service, other software."""

from __future__ import annotations

import math
import pickle
import random
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent import futures
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest

from blocks import firestore_link
from blocks.catalog import Catalog, Create, Query, Stored, modify
from blocks.firestore import FirestoreCatalog
from blocks.sqlite import SqliteCatalog
from models.documents import GeoPoint
from models.errors import ConfigurationError, TryAgain

PRODUCT = (firestore_link._CALL_SECONDS, firestore_link._RETRY_SECONDS)
"""The limits of the network's runs; tests give the emulator more, see `tests.patience`."""


@pytest.fixture
def catalog(firestore_emulator: str) -> Iterator[FirestoreCatalog]:
    made = FirestoreCatalog(f"test-{uuid.uuid4().hex[:20]}", emulator=firestore_emulator)
    yield made
    made.close()


@pytest.fixture
def refusing() -> Iterator[Callable[..., FirestoreCatalog]]:
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
        return FirestoreCatalog("project", emulator=f"127.0.0.1:{port}")

    yield make
    for server in servers:
        server.stop(None).wait()


def test_both_catalogs_answer_random_queries_alike(
    catalog: FirestoreCatalog, tmp_path: Path
) -> None:
    chance = random.Random(20180216)
    noon = datetime(2018, 2, 16, 12, tzinfo=UTC)
    values: list[Any] = [
        *(None, False, True, -1, 0, 1, 2, 0.5, 1.0, 1 / 3, 1e300, -1e-300, 2**53 + 1, 2.0**53),
        *("", "a", "A", "ab", "ä", "a\x00", "🔭", GeoPoint(1.0, 2.0), GeoPoint(-1.0, 2.0)),
        *(noon + timedelta(microseconds=n) for n in range(3)),
    ]
    members: list[Catalog] = [SqliteCatalog(tmp_path / "catalog.sqlite"), catalog]
    writes = []
    for number in range(120):
        fields = {name: chance.choice(values) for name in "abc" if chance.random() < 0.8}
        writes.append(
            Create("things", f"{number:03}", {**fields, "d": {"e": chance.choice(values)}})
        )
    for member in members:
        member.write_batch(writes)

    def condition() -> tuple[str, Any, Any]:
        path = chance.choice(["a", "b", "d.e"])
        operator = chance.choice(["==", "==", "<", "<=", ">", ">=", "in"])
        if operator == "in":
            return path, operator, [each for each in chance.sample(values, 4) if each is not None]
        value = chance.choice(values)
        if operator != "==" and (value is None or isinstance(value, GeoPoint)):
            operator = "=="
        return path, operator, value

    unequal = 0
    for _ in range(80):
        where = [condition() for _ in range(chance.choice([0, 1, 1, 2]))]
        paths = chance.sample(["a", "b", "c", "d.e"], chance.choice([0, 1, 1, 2]))
        order_by = [(path, chance.choice(["asc", "desc"])) for path in paths]
        query = Query("things", where, order_by, limit=chance.choice([None, 5]))  # type: ignore[arg-type]
        results = [[(each.key, each.fields) for each in member.query(query)] for member in members]
        assert results[0] == results[1], query
        assert members[0].aggregate(query) == members[1].aggregate(query), query
        unequal += 0 < len(results[0]) < 96
        if results[0]:
            key, given = results[0][len(results[0]) // 2]
            behind = Query("things", where, order_by, start_after=Stored("things", key, given, ""))  # type: ignore[arg-type]
            after = [[each.key for each in member.query(behind)] for member in members]
            assert after[0] == after[1], behind
        if query.limit is None:
            sums = [member.aggregate(query, sums=["c", "d.e"]) for member in members]
            assert sums[0] == pytest.approx(sums[1]), query
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

        def give_up(server: socket.socket, call: Callable[[FirestoreCatalog], object]) -> float:
            catalog = FirestoreCatalog("project", emulator=f"127.0.0.1:{server.getsockname()[1]}")
            started = time.monotonic()
            with pytest.raises(TryAgain, match="project"):
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
                pool.submit(give_up, server, call) for server in (silent, gone) for call in calls
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
    with pytest.raises(TryAgain):
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
        list(catalog.query(Query("images", order_by=[("a", "asc"), ("b", "asc")])))


def test_missing_credentials_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    with pytest.raises(ConfigurationError, match="credentials"):
        FirestoreCatalog("project").check()


def test_the_emulator_may_be_named_by_the_usual_variable(
    firestore_emulator: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator)
    catalog = FirestoreCatalog("test-by-variable")
    monkeypatch.delenv("FIRESTORE_EMULATOR_HOST")
    pickle.loads(pickle.dumps(catalog)).check()


def test_databases_of_a_project_are_apart(firestore_emulator: str) -> None:
    project = f"test-{uuid.uuid4().hex[:20]}"
    one, two = (
        FirestoreCatalog(project, name, emulator=firestore_emulator) for name in ("a1b2", "c3d4")
    )
    one.create("images", "one", {})
    assert two.get("images", "one") is None


def test_what_only_other_software_writes_is_read_and_kept(
    catalog: FirestoreCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    from google.cloud import firestore

    assert catalog.emulator is not None
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", catalog.emulator)
    theirs = firestore.Client(project=catalog.project)
    document = theirs.collection("units").document("PAN001")
    other = theirs.collection("units").document("PAN002")
    document.set(
        {"bytes": b"\x00", "friend": other, "nan": math.nan, "place": firestore.GeoPoint(1, 2)}
    )
    fields = modify(catalog, "units", "PAN001", lambda _: {"name": "Mauna Loa"})
    assert math.isnan(fields.pop("nan"))
    root = f"projects/{catalog.project}/databases/(default)/documents"
    assert fields == {
        "bytes": b"\x00",
        "friend": f"{root}/units/PAN002",
        "place": GeoPoint(1.0, 2.0),
        "name": "Mauna Loa",
    }
    kept = document.get().to_dict() or {}
    assert kept["friend"] == other
    assert kept["bytes"] == b"\x00"
    theirs.close()  # type: ignore[no-untyped-call]


def test_a_collection_is_read_across_pages(catalog: FirestoreCatalog) -> None:
    for start in (0, 500):
        catalog.write_batch(
            Create("images", f"{n:04}", {"n": n, "deep": {"half": n // 2}})
            for n in range(start, start + 500)
        )
    by_key = [stored.fields["n"] for stored in catalog.query(Query("images"))]
    assert by_key == list(range(1000))
    query = Query("images", order_by=[("deep.half", "desc")], limit=900)
    assert [stored.fields["n"] for stored in catalog.query(query)] == list(range(999, 99, -1))
