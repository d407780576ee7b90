"""As much of Cloud Run's API v2 as a worker sees, in a thread, with faults.

The worker's client knows one address, https://run.googleapis.com, so this is the proxy that leads
there, with a certificate of its own for that name. It answers as the API's reference says
(https://cloud.google.com/run/docs/reference/rest/v2/projects.locations.jobs), and writes down what
it was asked. An execution's container is a process of this machine.
"""

from __future__ import annotations

import copy
import ipaddress
import json
import re
import signal
import ssl
import threading
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from googleapiclient import discovery_cache

from tests.deployments.work_pools.containers_beside import Container
from tests.deployments.work_pools.refusals import Refusals
from tests.google_key import service_account

Object = dict[str, Any]
HOST = "run.googleapis.com"
PROJECT, REGION = "panoptes", "us-central1"
PARENT = f"projects/{PROJECT}/locations/{REGION}"


JOB, EXECUTION = "GoogleCloudRunV2Job", "GoogleCloudRunV2Execution"
OPERATION = "GoogleLongrunningOperation"


@cache
def _schemas() -> Object:
    """Of the API, by Google's own description of it."""
    path = Path(discovery_cache.__file__).parent / "documents" / "run.v2.json"
    found: Object = json.loads(path.read_text())["schemas"]
    return found


def unknown_fields(data: Any, kind: str, where: str = "") -> Iterator[str]:
    """Fields of `data` that the API's schema of this kind lacks."""
    yield from _unknown(data, {"$ref": kind}, where)


def _unknown(data: Any, schema: Object, where: str) -> Iterator[str]:
    schema = _schemas()[schema["$ref"]] if "$ref" in schema else schema
    if isinstance(data, list):
        for each in data:
            yield from _unknown(each, schema.get("items", {}), where)
    elif isinstance(data, dict) and "properties" in schema:
        for key, value in data.items():
            if key not in schema["properties"]:
                yield f"{where}.{key}"
            else:
                yield from _unknown(value, schema["properties"][key], f"{where}.{key}")


class CloudRun:
    """Jobs of one project and region, and their executions."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.proxy = ""
        self.refusals = Refusals()
        self.has_room = True
        """Else executions wait for a machine, without end."""
        self.holds_begin = threading.Event()
        """Set: whoever wants to begin an execution gets no answer."""
        self.waits_to_begin = False
        self.unknown: set[str] = set()
        """Fields of what was asked and answered that the API's schema lacks."""
        self._jobs: dict[str, Object] = {}
        self._executions: dict[str, Object] = {}
        self._containers: dict[str, Container] = {}
        self._lock = threading.RLock()

    @property
    def environment(self) -> dict[str, str]:
        """How a Google client in another process finds here."""
        return {
            "HTTPS_PROXY": self.proxy,
            "NO_PROXY": "127.0.0.1,localhost",
            "HTTPLIB2_CA_CERTS": str(self.folder / "ca.pem"),
            "GOOGLE_APPLICATION_CREDENTIALS": str(self.folder / "key.json"),
        }

    def jobs(self) -> list[str]:
        with self._lock:
            return list(self._jobs)

    def job_of(self, run: object) -> str:
        """The name of the job of a flow run."""
        with self._lock:
            return next(
                name
                for name, job in self._jobs.items()
                if job["labels"].get("prefect-io-flow-run-id") == str(run)
            )

    def make_job_of_somebody_else(self, name: str) -> None:
        self._create(name, {"labels": {}, "template": {}})

    def age(self, by: timedelta) -> None:
        """As if everything here had happened earlier."""
        with self._lock:
            for each in (*self._jobs.values(), *self._executions.values()):
                for key in ("createTime", "completionTime"):
                    if key in each:
                        moment = datetime.fromisoformat(each[key]) - by
                        each[key] = moment.isoformat().replace("+00:00", "Z")

    def kill_for_memory(self, job: str) -> None:
        for name in self._of(job):
            self._containers[name].end()

    def close(self) -> None:
        for container in self._containers.values():
            container.end()

    def _of(self, job: str) -> list[str]:
        with self._lock:
            return [name for name in self._executions if f"/jobs/{job}/" in name]

    # -- what it answers ------------------------------------------------------------------

    def answer(
        self, method: str, path: str, query: dict[str, str], body: Object
    ) -> tuple[int, Any]:
        if self.refusals.refuses(f"{method} {path}"):
            return 503, _error(503, "The service is currently unavailable.")
        try:
            answer, kind = self._do(method, path, query, body)
        except KeyError:
            return 404, _error(404, f"{path} was not found")
        self.unknown |= set(unknown_fields(answer, kind))
        return 200, answer

    def _do(
        self, method: str, path: str, query: dict[str, str], body: Object
    ) -> tuple[Object, str]:
        """The answer, and its kind in the API's schema."""
        name = path.removeprefix("/v2/")
        if name == f"{PARENT}/jobs":
            if method == "POST":
                self.unknown |= set(unknown_fields(body, JOB))
                return self._create(query["jobId"], body), OPERATION
            return self._page(query), "GoogleCloudRunV2ListJobsResponse"
        match = re.fullmatch(rf"{PARENT}/jobs/([^/:]+)(:run|/executions(?:/[^/]+)?)?", name)
        if match is None:
            raise KeyError(name)
        job, rest = match[1], match[2] or ""
        with self._lock:
            if not rest and method == "DELETE":
                if any("completionTime" not in self._seen(each) for each in self._of(job)):
                    raise AssertionError("a job with an execution that runs was deleted")
                del self._jobs[job]
                return {"done": True}, OPERATION
            if not rest:
                return self._job(job), JOB
            if rest == ":run":
                return self._run(job), OPERATION
            if rest == "/executions":
                found = [self._seen(each) for each in self._of(job)]
                return {"executions": found}, "GoogleCloudRunV2ListExecutionsResponse"
            if method == "DELETE":
                self._delete_execution(name)
                return {"done": True}, OPERATION
            return self._seen(name), EXECUTION

    def _create(self, name: str, body: Object) -> Object:
        with self._lock:
            self._jobs[name] = (
                copy.deepcopy(body)
                | _born(f"{PARENT}/jobs/{name}")
                | {"terminalCondition": {"type": "Ready", "state": "CONDITION_SUCCEEDED"}}
            )
        return {"name": "operation", "done": False}

    def _job(self, name: str) -> Object:
        found = copy.deepcopy(self._jobs[name])
        executions = [self._seen(each) for each in self._of(name)]
        last = executions[-1] if executions else {}
        kept = ("name", "createTime", "completionTime")
        found["latestCreatedExecution"] = {k: last[k] for k in kept if k in last}
        return found

    def _page(self, query: dict[str, str]) -> Object:
        """One job a page, so that whoever lists has to turn pages."""
        with self._lock:
            names, first = list(self._jobs), int(query.get("pageToken") or 0)
            found: Object = {"jobs": [self._job(name) for name in names[first : first + 1]]}
            if first + 1 < len(names):
                found["nextPageToken"] = str(first + 1)
            return found

    def _run(self, job: str) -> Object:
        template = self._jobs[job]["template"]["template"]
        name = f"{PARENT}/jobs/{job}/executions/{job}-{uuid.uuid4().hex[:5]}"
        self._executions[name] = _born(name) | {
            "job": job, "parallelism": 1, "taskCount": 1, "template": template,
            "logUri": "https://console.cloud.google.com/logs",
        }  # fmt: skip
        self._seen(name)
        return {"name": "operation", "metadata": {"name": name}}

    def _start(self, name: str) -> None:
        (container,) = self._executions[name]["template"]["containers"]
        env = {each["name"]: each["value"] for each in container["env"]}
        folder = self.folder / name.rpartition("/")[2]
        self._containers[name] = Container(folder, container["command"], env)

    def _seen(self, name: str) -> Object:
        """An execution as it is by now."""
        execution = self._executions[name]
        if self.has_room and name not in self._containers:
            self._start(name)
        container = self._containers.get(name)
        code = container.exit_code if container else None
        if code is not None and "completionTime" not in execution:
            state = "CONDITION_FAILED" if code else "CONDITION_SUCCEEDED"
            told = {"type": "Completed", "state": state}
            if code:
                told["message"] = f"The container exited with an error ({code})."
            execution |= {"completionTime": _now(), "conditions": [told]}
        return copy.deepcopy(execution)

    def _delete_execution(self, name: str) -> None:
        del self._executions[name]
        if container := self._containers.get(name):
            container.end(signal.SIGTERM)


def _born(name: str) -> Object:
    return {
        "name": name, "uid": str(uuid.uuid4()), "generation": "1", "etag": "1",
        "createTime": _now(), "updateTime": _now(),
    }  # fmt: skip


def _now() -> str:
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def _error(code: int, message: str) -> Object:
    return {"error": {"code": code, "message": message}}


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: CloudRun
    tls: ssl.SSLContext

    def do_CONNECT(self) -> None:
        if self.path != f"{HOST}:443":  # clients ask others, too, and go without their answers
            self.close_connection = True
            return self.send_error(502)
        self.send_response(200)
        self.end_headers()
        self.wfile.flush()
        self.connection = self.tls.wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb", -1)
        self.wfile = self.connection.makefile("wb", 0)
        self.close_connection = False
        return None

    def do_GET(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if url.path == "/token":
            status, content = 200, {"access_token": "any", "expires_in": 3600}
        elif url.path.endswith(":run") and self.api.holds_begin.is_set():
            self.api.waits_to_begin = True
            self.rfile.read(1)  # until the asker has gone
            self.close_connection = True
            return
        else:
            given = json.loads(body) if body else {}
            status, content = self.api.answer(self.command, url.path, query, given)
        data = json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _certificate(folder: Path) -> ssl.SSLContext:
    """For Cloud Run's name; whoever is to believe it is given ca.pem."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    names: list[x509.GeneralName] = [x509.DNSName(HOST)]
    names.append(x509.IPAddress(ipaddress.ip_address("127.0.0.1")))
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )  # fmt: skip
    (folder / "ca.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "server.pem").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(folder / "ca.pem", folder / "server.pem")
    return tls


@contextmanager
def cloud_run_in(folder: Path) -> Iterator[CloudRun]:
    """Cloud Run, whose executions are processes, which end with it."""
    folder.mkdir(parents=True, exist_ok=True)
    api = CloudRun(folder)
    handler = type("Handler", (_Handler,), {"api": api, "tls": _certificate(folder)})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True  # clients keep connections open
    api.proxy = f"http://127.0.0.1:{server.server_address[1]}"
    account = service_account() | {"token_uri": f"{api.proxy}/token"}
    (folder / "key.json").write_text(json.dumps(account))
    thread = threading.Thread(target=server.serve_forever, args=[0.05])
    thread.start()
    try:
        yield api
    finally:
        api.close()
        server.shutdown()
        server.server_close()
        thread.join()
