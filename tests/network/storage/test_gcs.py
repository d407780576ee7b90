"""What holds for buckets alone: lost answers, failing servers, objects of other programs."""

from __future__ import annotations

import gzip
import http.client
import json
import pickle
import socket
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from google.auth.credentials import AnonymousCredentials

from panoptes.network.errors import BadInput, ConfigurationError, TransientError
from panoptes.network.storage.checksums import crc32c
from panoptes.network.storage.folder import FolderStore
from panoptes.network.storage.gcs import GcsStore
from panoptes.network.storage.store import NotFound, PreconditionFailed

Faults = Callable[..., None]
Requests = Callable[[], list[str]]
LARGE = bytes(range(256)) * (20 << 12)


@pytest.fixture
def store(make_bucket: Callable[[], str], gcs_emulator: str) -> GcsStore:
    return GcsStore(make_bucket(), endpoint=gcs_emulator)


def names(store: GcsStore, prefix: str = "") -> list[str]:
    return [info.name for info in store.list(prefix)]


def write_raw(store: GcsStore, name: str, data: bytes, **query: str) -> None:
    """Write as another program would."""
    options = "".join(f"&{key}={value}" for key, value in query.items())
    url = f"{store.endpoint}/upload/storage/v1/b/{store.bucket}/o?uploadType=media"
    with urllib.request.urlopen(
        urllib.request.Request(f"{url}&name={quote(name, safe='')}{options}", data)
    ):
        pass


# Lost answers


def test_a_creation_whose_answer_was_lost_is_success(
    store: GcsStore, gcs_faults: Faults, gcs_requests: Requests
) -> None:
    gcs_faults("lose")
    info = store.put("a", b"x", if_generation=0)

    assert sum("upload" in request for request in gcs_requests()) == 2
    assert store.read("a") == (b"x", info)


def test_a_replacement_whose_answer_was_lost_is_success(
    store: GcsStore, gcs_faults: Faults
) -> None:
    first = store.put("a", b"first")
    gcs_faults("lose")
    second = store.put("a", b"second", if_generation=first.generation)

    assert store.read("a") == (b"second", second)


def test_a_replacement_by_somebody_else_with_the_same_bytes_is_not_taken_for_ours(
    store: GcsStore,
) -> None:
    first = store.put("count", b"1")
    store.put("count", b"2", if_generation=first.generation)

    with pytest.raises(PreconditionFailed):
        store.put("count", b"2", if_generation=first.generation)


def test_a_removal_whose_answer_was_lost_is_success(store: GcsStore, gcs_faults: Faults) -> None:
    gcs_faults(None, "lose")
    info = store.put("a", b"x")
    store.delete("a", if_generation=info.generation)
    assert names(store) == []

    gcs_faults(None, "lose")
    store.put("a", b"x")
    store.delete("a")
    assert names(store) == []


@pytest.mark.parametrize("creates", [True, False])
def test_a_copy_whose_answer_was_lost_is_success(
    store: GcsStore, gcs_faults: Faults, creates: bool
) -> None:
    store.put("a", b"x")
    expected = 0 if creates else store.put("b", b"y").generation
    gcs_faults(None, "lose")
    info = store.copy_to("a", store, "b", if_generation=expected)

    assert store.read("b") == (b"x", info)


# Failing servers


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_passing_failures_are_sat_out(store: GcsStore, gcs_faults: Faults, status: int) -> None:
    gcs_faults(status)
    info = store.put("a", b"x", if_generation=0)
    gcs_faults(status)
    assert store.stat("a") == info
    gcs_faults(None, status)
    assert store.read("a")[0] == b"x"
    gcs_faults(status)
    assert names(store) == ["a"]
    gcs_faults(status)
    store.delete("a", if_generation=info.generation)


def impatient(store: GcsStore, endpoint: str | None = None) -> GcsStore:
    return GcsStore(store.bucket, endpoint=endpoint or store.endpoint, timeout=1, patience=0.3)


def operations(store: GcsStore, folder: Path) -> list[Callable[[], object]]:
    other = FolderStore(folder, durable=False)
    other.put("a", b"x")
    return [
        lambda: store.stat("a"),
        lambda: store.read("a"),
        lambda: store.read_range("a", 0, 1),
        lambda: store.put("b", b"x", if_generation=0),
        lambda: store.put("b", LARGE, if_generation=0),
        lambda: store.delete("a"),
        lambda: store.copy_to("a", store, "b"),
        lambda: store.copy_to("a", other, "b"),
        lambda: other.copy_to("a", store, "b"),
        lambda: list(store.list()),
        lambda: list(store.folders("")),
        lambda: store.check(),
    ]


def test_failures_that_last_are_tried_again_later(
    store: GcsStore, gcs_faults: Faults, tmp_path: Path
) -> None:
    store.put("a", b"x")
    for operation in operations(impatient(store), tmp_path):
        gcs_faults(*[503] * 100)
        with pytest.raises(TransientError):
            operation()
    gcs_faults()
    assert names(store) == ["a"]


def test_a_server_that_is_gone_is_reported_soon(store: GcsStore, tmp_path: Path) -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        gone = impatient(store, f"http://127.0.0.1:{nobody.getsockname()[1]}")
    for operation in operations(gone, tmp_path):
        begin = time.monotonic()
        with pytest.raises(TransientError):
            operation()
        assert time.monotonic() - begin < 60


@pytest.mark.parametrize("status", [401, 403])
def test_missing_permission_is_a_matter_of_configuration(
    store: GcsStore, gcs_faults: Faults, tmp_path: Path, status: int
) -> None:
    for operation in operations(store, tmp_path):
        gcs_faults(status)
        with pytest.raises(ConfigurationError, match=f"gs://{store.bucket}"):
            operation()


def test_a_missing_bucket_is_a_matter_of_configuration(gcs_emulator: str) -> None:
    store = GcsStore("absent", endpoint=gcs_emulator)

    for ask in (
        lambda: store.check(),
        lambda: list(store.list()),
        lambda: list(store.folders("")),
        lambda: store.put("a", b"x"),
        lambda: store.put("a", LARGE),
    ):
        with pytest.raises(ConfigurationError, match="gs://absent does not exist"):
            ask()


def test_missing_credentials_are_a_matter_of_configuration(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "absent.json"))

    with pytest.raises(ConfigurationError, match="no Google credentials for gs://any"):
        GcsStore("any").check()


# Reading


PIXELS = bytes(range(256)) * 40


@pytest.mark.parametrize("faults", [["damage"], ["damage", None, "damage"], ["cut", "damage"]])
def test_damage_on_the_way_here_is_read_again_from_the_start(
    store: GcsStore, gcs_faults: Faults, tmp_path: Path, faults: list[str | None]
) -> None:
    info = store.put("a", PIXELS)
    gcs_faults(None, *faults)
    assert store.read("a") == (PIXELS, info)

    folder = FolderStore(tmp_path, durable=False)
    gcs_faults(None, *faults)
    store.copy_to("a", folder, "b", if_generation=0)
    assert folder.read("b")[0] == PIXELS


def test_a_way_that_damages_all_it_carries_is_no_verdict_on_the_file(
    store: GcsStore, gcs_faults: Faults, tmp_path: Path
) -> None:
    store.put("a", PIXELS)
    folder = FolderStore(tmp_path, durable=False)
    for read in (lambda: store.read("a"), lambda: store.copy_to("a", folder, "b")):
        gcs_faults(*[None, "damage"] * 4)
        with pytest.raises(TransientError):
            read()
    assert list(folder.list()) == []


def test_damage_that_stays_is_bad_input(
    store: GcsStore, gcs_faults: Faults, tmp_path: Path
) -> None:
    store.put("a", PIXELS)
    folder = FolderStore(tmp_path, durable=False)
    for read in (lambda: store.read("a"), lambda: store.copy_to("a", folder, "b")):
        gcs_faults(None, "rot", None, "rot")
        with pytest.raises(BadInput, match="transfer-damage"):
            read()
    assert list(folder.list()) == []


def test_a_range_is_read_in_one_request(store: GcsStore, gcs_requests: Requests) -> None:
    store.put("a", LARGE)
    gcs_requests()

    assert store.read_range("a", 1 << 10, 19 << 20) == LARGE[1 << 10 : 19 << 20]
    assert len(gcs_requests()) == 1
    assert store.read_range("a", 5, 5) == b""
    assert gcs_requests() == []


def test_a_copy_to_a_folder_holds_one_generation(
    store: GcsStore, gcs_faults: Faults, tmp_path: Path
) -> None:
    old = store.put("a", LARGE)
    folder = FolderStore(tmp_path, durable=False)
    copied = store.copy_to("a", folder, "b", generation=old.generation)

    assert (copied.size, copied.crc32c) == (len(LARGE), crc32c(LARGE))
    store.put("a", b"new")
    with pytest.raises(NotFound):
        store.copy_to("a", folder, "c", generation=old.generation)
    assert [info.name for info in folder.list()] == ["b"]


def test_what_another_program_compressed_is_read_as_it_is_kept(store: GcsStore) -> None:
    data = gzip.compress(b"pixels" * 100)
    write_raw(store, "a.txt", data, contentEncoding="gzip")

    assert store.read("a.txt")[0] == data
    assert store.read_range("a.txt", 0, 4) == data[:4]


@pytest.mark.parametrize("name", ["/a", "a//b", "folder/", "./a", "a/../b", "a\tb", "\u00e9\u0301"])
def test_objects_with_names_that_no_folder_could_hold_can_be_worked_with(
    store: GcsStore, tmp_path: Path, name: str
) -> None:
    write_raw(store, name, b"x")

    [info] = store.list()
    assert info.name == name
    assert store.read(name, generation=info.generation)[0] == b"x"
    assert store.copy_to(name, FolderStore(tmp_path, durable=False), "copy").size == 1
    store.delete(name, if_generation=info.generation)
    assert names(store) == []


def test_a_name_that_is_no_unicode_is_refused(store: GcsStore) -> None:
    asks: list[Callable[[], object]] = [
        lambda: store.put("caf\udce9", b"x"),
        lambda: store.stat("caf\udce9"),
        lambda: store.put("line\nbreak", b"x"),
        lambda: store.stat("x" * 1025),
    ]
    for ask in asks:
        with pytest.raises(ValueError, match=r"\w+ \w+"):
            ask()


def test_a_name_may_have_1024_bytes(store: GcsStore) -> None:
    name = "/".join(["x" * 255] * 3 + ["x" * 100, "é" * 77 + "x"])
    store.put(name, b"x", if_generation=0)

    assert names(store) == [name]


# Writing


def test_a_large_object_is_uploaded_in_chunks(
    store: GcsStore, gcs_requests: Requests, gcs_faults: Faults
) -> None:
    gcs_faults(None, 503)
    info = store.put("a", LARGE, if_generation=0)

    assert len([each for each in gcs_requests() if "uploadType=resumable" in each]) >= 3
    assert (info.size, info.crc32c) == (len(LARGE), crc32c(LARGE))
    assert store.read("a") == (LARGE, info)
    with pytest.raises(PreconditionFailed):
        store.put("a", LARGE + b"more", if_generation=0)
    assert store.put("a", LARGE, if_generation=0) == info


def test_a_large_file_is_copied_from_a_folder(store: GcsStore, tmp_path: Path) -> None:
    folder = FolderStore(tmp_path, durable=False)
    folder.put("a", LARGE)
    info = folder.copy_to("a", store, "b", if_generation=0)

    assert (info.size, info.crc32c) == (len(LARGE), crc32c(LARGE))
    assert store.read("b") == (LARGE, info)


def test_images_are_served_under_their_type(store: GcsStore) -> None:
    for name, expected in (
        ("a.JPG", "image/jpeg"),
        ("a.fits.fz", "application/fits"),
        ("a", "application/octet-stream"),
    ):
        store.put(name, b"x")
        url = f"{store.endpoint}/storage/v1/b/{store.bucket}/o/{name}"
        with urllib.request.urlopen(url) as answer:
            assert json.load(answer)["contentType"] == expected


# Listing


def test_a_listing_follows_its_pages(store: GcsStore, gcs_requests: Requests) -> None:
    wanted = [f"{i:05d}" for i in range(1010)]
    connection = http.client.HTTPConnection(urlsplit(store.endpoint).netloc)  # type: ignore[arg-type]
    for name in wanted:
        path = f"/upload/storage/v1/b/{store.bucket}/o?uploadType=media&name={name}"
        connection.request("POST", path, b"")
        connection.getresponse().read()
    connection.close()
    gcs_requests()

    assert names(store) == wanted
    assert len(gcs_requests()) == 2
    assert next(store.list()).name == "00000"
    assert len(gcs_requests()) == 1


# Prefixes, credentials


def test_a_prefix_is_a_place_of_its_own(store: GcsStore) -> None:
    inner = GcsStore(store.bucket, "/network/incoming", endpoint=store.endpoint)
    store.put("network/incoming2", b"x")
    inner.put("PAN001/a", b"x")

    assert inner == GcsStore(store.bucket, "network/incoming/", endpoint=store.endpoint)
    assert str(inner) == f"gs://{store.bucket}/network/incoming"
    assert names(inner) == names(inner, "PAN") == ["PAN001/a"]
    assert list(inner.folders("")) == ["PAN001/"]
    assert names(store) == ["network/incoming/PAN001/a", "network/incoming2"]
    assert store.copy_to("network/incoming2", inner, "b").name == "b"


def test_making_a_store_asks_nobody() -> None:
    def refuse() -> AnonymousCredentials:
        raise AssertionError("asked for credentials")

    store = GcsStore("any", credentials=refuse)
    assert store == GcsStore("any")
    assert str(store) == "gs://any"


def test_credentials_are_sent_along(store: GcsStore) -> None:
    wanted = GcsStore(store.bucket, credentials=AnonymousCredentials, endpoint=store.endpoint)
    sent = pickle.loads(pickle.dumps(wanted))
    sent.put("a", b"x")

    assert sent.credentials is AnonymousCredentials
    assert names(store) == ["a"]


def test_the_environments_emulator_is_used_without_credentials(
    store: GcsStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert store.endpoint is not None
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", store.endpoint)
    GcsStore(store.bucket).put("a", b"x")

    assert names(store) == ["a"]
