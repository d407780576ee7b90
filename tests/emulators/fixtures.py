"""Google Cloud's emulators as fixtures.

Each starts when the first test asks for it, and once a session. Isolation is by a fresh
project of Firestore, topic of Pub/Sub or bucket of Cloud Storage a test. Where an emulator
is not installed its tests are skipped; in CI they fail.
"""

from __future__ import annotations

import json
import os
import urllib.request
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, TypeAlias

import pytest

from tests.emulators.servers import EmulatorError, Emulators, NotInstalled
from tests.patience import PATIENT_SECONDS, be_patient

if TYPE_CHECKING:
    from panoptes.network.site import Site

Start: TypeAlias = Callable[[Callable[[Emulators], str]], str]
"""Starts one emulator; gives where it is."""


@pytest.fixture(scope="session")
def emulators(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Start]:
    """Starts emulators, each of which is stopped at the end."""
    with ExitStack() as started:

        def start(emulator: Callable[[Emulators], str]) -> str:
            for tries_left in (2, 1, 0):
                logs = tmp_path_factory.mktemp("emulators")
                try:
                    return emulator(started.enter_context(Emulators(logs)))
                except NotInstalled as error:
                    if os.environ.get("CI"):
                        pytest.fail(str(error))
                    pytest.skip(str(error))
                except EmulatorError:  # another process may have taken its port
                    if not tries_left:
                        raise
            raise AssertionError

        yield start


@pytest.fixture(scope="session")
def firestore_emulator(emulators: Start) -> str:
    """``HOST:PORT``, once it has answered a first call: on a busy machine that takes long."""
    from panoptes.network.catalog.firestore import FirestoreCatalog

    be_patient()
    address = emulators(Emulators.firestore)
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("FIRESTORE_EMULATOR_HOST", address)
        FirestoreCatalog("first-call").get("any", "any")
    return address


@pytest.fixture(scope="session")
def pubsub_emulator(emulators: Start) -> str:
    """``HOST:PORT``."""
    return emulators(Emulators.pubsub)


@pytest.fixture(scope="session")
def gcs_emulator(emulators: Start) -> str:
    """The URL of a Cloud Storage that notifies nobody."""
    return emulators(Emulators.storage)


@pytest.fixture
def on_google(gcs_emulator: str, firestore_emulator: str, monkeypatch: pytest.MonkeyPatch) -> Site:
    """A network of new buckets and an empty database, which this process reaches."""
    from tests.emulators.demo import emulated_network

    monkeypatch.setenv("STORAGE_EMULATOR_HOST", gcs_emulator)
    monkeypatch.setenv("FIRESTORE_EMULATOR_HOST", firestore_emulator)
    return emulated_network(gcs_emulator)


@pytest.fixture
def make_bucket(gcs_emulator: str) -> Callable[[], str]:
    """Makes a new bucket; gives its name."""

    def make() -> str:
        name = f"bucket-{uuid.uuid4().hex}"
        _post(f"{gcs_emulator}/storage/v1/b?project=test", {"name": name})
        return name

    return make


@pytest.fixture
def gcs_requests(gcs_emulator: str) -> Callable[[], list[str]]:
    """Gives the requests about objects since it was last called, and since the test began."""

    def take() -> list[str]:
        with urllib.request.urlopen(f"{gcs_emulator}/requests", timeout=PATIENT_SECONDS) as answer:
            requests: list[str] = json.load(answer)
            return requests

    take()
    return take


@pytest.fixture
def gcs_faults(gcs_emulator: str) -> Iterator[Callable[..., None]]:
    """Sets what becomes of the next requests, see `tests.emulators.preconditions`."""

    def set_faults(*faults: str | int | None) -> None:
        _post(f"{gcs_emulator}/faults", list(faults))

    yield set_faults
    set_faults()


def _post(url: str, document: object) -> None:
    request = urllib.request.Request(
        url, json.dumps(document).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=PATIENT_SECONDS):
        pass
