"""As much of a Kubernetes cluster as a worker and kubectl see, in a thread, with faults.

It answers what prefect-kubernetes and kubectl ask of jobs and pods, as the API's reference says
(https://kubernetes.io/docs/reference/kubernetes-api/), and writes down what it was asked. A job
has one pod, whose container is a process of this machine.
"""

from __future__ import annotations

import copy
import json
import re
import signal
import threading
import time
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.deployments.work_pools.containers_beside import Container
from tests.deployments.work_pools.refusals import Refusals

Object = dict[str, Any]
JOBS, PODS = "jobs", "pods"
KINDS = {JOBS: ("batch/v1", "Job"), PODS: ("v1", "Pod")}
RESOURCES: Object = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {
        "kind": "APIGroupList",
        "apiVersion": "v1",
        "groups": [
            {
                "name": "batch",
                "versions": [{"groupVersion": "batch/v1", "version": "v1"}],
                "preferredVersion": {"groupVersion": "batch/v1", "version": "v1"},
            }
        ],
    },
    "/version": {"major": "1", "minor": "33", "gitVersion": "v1.33.0"},
}
RESOURCES |= {
    path: {
        "kind": "APIResourceList",
        "apiVersion": "v1",
        "groupVersion": KINDS[plural][0],
        "resources": [
            {
                "name": plural,
                "singularName": KINDS[plural][1].lower(),
                "kind": KINDS[plural][1],
                "namespaced": True,
                "verbs": ["create", "delete", "get", "list", "watch"],
            }
        ],
    }
    for path, plural in (("/api/v1", PODS), ("/apis/batch/v1", JOBS))
}
"""What there is, for who asks first: kubectl and the operator within the worker."""
NO_ROOM = {
    "type": "PodScheduled",
    "status": "False",
    "reason": "Unschedulable",
    "message": "0/3 nodes are available: 3 Insufficient memory.",
}


class Cluster:
    """Jobs, their pods, and whoever watches them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = ""
        self.refusals = Refusals()
        """Of requests for jobs and pods."""
        self.has_room = True
        """Else pods wait for a machine, without end."""
        self.closed = False
        self._objects: dict[tuple[str, str], Object] = {}
        self._containers: dict[str, Container] = {}
        self._log: list[tuple[int, str, str, Object]] = []
        self._changed = threading.Condition()
        self._acting = threading.RLock()

    @property
    def kubeconfig(self) -> Object:
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "here", "cluster": {"server": self.url}}],
            "users": [{"name": "worker", "user": {"token": "none"}}],
            "contexts": [{"name": "here", "context": {"cluster": "here", "user": "worker"}}],
            "current-context": "here",
        }

    @property
    def environment(self) -> dict[str, str]:
        """How a Kubernetes client in another process finds here."""
        return {"KUBECONFIG": str(self.folder / "kubeconfig")}

    def job_of(self, run: object) -> str:
        """The name of the job of a flow run."""
        label = "prefect.io/flow-run-id"
        return next(n for n in self.jobs() if self.job(n)["metadata"]["labels"][label] == str(run))

    # -- what happens in it ---------------------------------------------------------------

    def create(self, job: Object) -> Object:
        name = f"{job['metadata']['generateName']}{uuid.uuid4().hex[:5]}"
        job = copy.deepcopy(job)
        job["metadata"] |= _born(name)
        job["status"] = {"active": 1}
        template = job["spec"]["template"]
        labels = {**job["metadata"]["labels"], **template.get("metadata", {}).get("labels", {})}
        pod: Object = {
            "metadata": {**_born(f"{name}-pod"), "labels": labels | {"job-name": name}},
            "spec": template["spec"],
            "status": {"phase": "Pending"},
        }
        pod["metadata"]["namespace"] = job["metadata"]["namespace"]
        if not self.has_room:
            pod["status"]["conditions"] = [NO_ROOM]
        self._write("ADDED", JOBS, job)
        self._write("ADDED", PODS, pod)
        return self.job(name)

    def jobs(self) -> list[str]:
        with self._changed:
            return [name for kind, name in self._objects if kind == JOBS]

    def job(self, name: str) -> Object:
        with self._changed:
            return copy.deepcopy(self._objects[JOBS, name])

    def control(self) -> None:
        """As its controllers do: start what may start, write down what ended. Until `closed`."""
        while not self.closed:
            for name in self.jobs():
                with suppress(KeyError), self._acting:  # it may have been deleted just now
                    self._look_after(name)
            time.sleep(0.1)

    def _look_after(self, name: str) -> None:
        if not self.job(name)["status"].get("active"):
            return
        if (container := self._containers.get(name)) is None:
            if self.has_room:
                self._start(name)
        elif (code := container.exit_code) is not None:
            self._ended(name, code, "Completed" if code == 0 else "Error")

    def _start(self, name: str) -> None:
        with self._changed:
            pod = copy.deepcopy(self._objects[PODS, f"{name}-pod"])
        (container,) = pod["spec"]["containers"]
        env = {each["name"]: each.get("value", "") for each in container["env"]}
        self._containers[name] = Container(self.folder / name, container["args"], env)
        pod["status"] = {"phase": "Running", "startTime": _now()}
        self._write("MODIFIED", PODS, pod)

    def kill_for_memory(self, name: str) -> None:
        """What the kernel does to a container over its limit."""
        self._end(name, signal.SIGKILL, 137, "OOMKilled")

    def evict(self, name: str) -> None:
        """What a node does that is short of something: it asks first."""
        self._end(name, signal.SIGTERM, 143, "Evicted")

    def pass_deadline(self, name: str) -> None:
        """As if the seconds that the job may take had gone by."""
        assert self.job(name)["spec"]["activeDeadlineSeconds"] > 0
        self._end(name, signal.SIGTERM, 143, "DeadlineExceeded")

    def output(self, name: str) -> str:
        """What the container of a job said."""
        return self._containers[name].output if name in self._containers else ""

    def delete(self, name: str) -> None:
        """A job with its pod; KeyError where there is none."""
        with self._acting:
            job = self.job(name)
            if container := self._containers.get(name):
                container.end(signal.SIGTERM)
            with self._changed:
                pod = self._objects.pop((PODS, f"{name}-pod"))
                del self._objects[JOBS, name]
        self._tell("DELETED", PODS, pod)
        self._tell("DELETED", JOBS, job)

    def close(self) -> None:
        for container in self._containers.values():
            container.end()

    def _end(self, name: str, how: signal.Signals, code: int, reason: str) -> None:
        with self._acting:
            if container := self._containers.get(name):
                container.end(how)
            self._ended(name, code, reason)

    def _ended(self, name: str, code: int, reason: str) -> None:
        job = self.job(name)
        with self._changed:
            pod = copy.deepcopy(self._objects[PODS, f"{name}-pod"])
        state = {"exitCode": code, "reason": reason, "finishedAt": _now()}
        pod["status"] = {
            "phase": "Failed" if code else "Succeeded",
            "containerStatuses": [
                {"name": "prefect-job", "restartCount": 0, "state": {"terminated": state}}
            ],
        }
        if reason == "Evicted":
            pod["status"] |= {"reason": reason, "message": "The node was low on resource: memory."}
        self._write("MODIFIED", PODS, pod)
        assert job["spec"]["backoffLimit"] == 0, "another pod would be made"
        told = {"status": "True", "lastTransitionTime": _now()}
        if code:
            why = reason if reason == "DeadlineExceeded" else "BackoffLimitExceeded"
            failed = told | {"type": "Failed", "reason": why}
            job["status"] = {"failed": 1, "conditions": [failed]}
        else:
            job["status"] = {"succeeded": 1, "conditions": [told | {"type": "Complete"}]}
        self._write("MODIFIED", JOBS, job)

    def _write(self, what: str, plural: str, one: Object) -> None:
        with self._changed:
            self._objects[plural, one["metadata"]["name"]] = one
        self._tell(what, plural, one)

    def _tell(self, what: str, plural: str, one: Object) -> None:
        with self._changed:
            version = len(self._log) + 1
            one["metadata"]["resourceVersion"] = str(version)
            self._log.append((version, what, plural, copy.deepcopy(one)))
            self._changed.notify_all()

    # -- what it answers ------------------------------------------------------------------

    def listed(self, plural: str, selector: str) -> Object:
        with self._changed:
            found = [copy.deepcopy(o) for (kind, _), o in self._objects.items() if kind == plural]
            version = str(len(self._log))
        version_, kind = KINDS[plural]
        return {
            "apiVersion": version_,
            "kind": f"{kind}List",
            "metadata": {"resourceVersion": version},
            "items": [each for each in found if _selected(each, selector)],
        }

    def watched(self, plural: str, selector: str, since: int, seconds: float) -> Iterator[Object]:
        """Changes as they come."""
        api_version, kind = KINDS[plural]
        deadline = time.monotonic() + seconds
        while not self.closed and time.monotonic() < deadline:
            with self._changed:
                if len(self._log) == since:
                    self._changed.wait(0.2)
                news, since = self._log[since:], len(self._log)
            for _, what, of, one in news:
                if of == plural and _selected(one, selector):
                    yield {"type": what, "object": {"apiVersion": api_version, "kind": kind, **one}}


def _born(name: str) -> Object:
    return {"name": name, "uid": str(uuid.uuid4()), "creationTimestamp": _now()}


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"


def _selected(one: Object, selector: str) -> bool:
    labels: Mapping[str, str] = one["metadata"].get("labels", {})
    for part in filter(None, selector.split(",")):
        key, has_value, value = part.partition("=")
        if key not in labels or (has_value and labels[key] != value):
            return False
    return True


PATH = re.compile(
    r"/apis?(?:/batch)?/v1(?:/namespaces/(?P<namespace>[^/]+))?/(?P<plural>jobs|pods)"
    r"(?:/(?P<name>[^/]+))?(?P<log>/log)?"
)


class _Handler(BaseHTTPRequestHandler):
    cluster: Cluster

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def do_DELETE(self) -> None:
        self._answer()

    def _answer(self) -> None:
        url = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        if url.path in RESOURCES:
            return self._send(200, RESOURCES[url.path])
        if not (found := PATH.fullmatch(url.path)):
            return self._send(404, _status(404, "NotFound"))
        if self.cluster.refusals.refuses(f"{self.command} {url.path}"):
            return self._send(503, _status(503, "ServiceUnavailable"))
        plural, name, selector = found["plural"], found["name"], query.get("labelSelector", "")
        api_version, kind = KINDS[plural]
        if found["log"]:
            return self._send(200, self.cluster.output(str(name).removesuffix("-pod")))
        if self.command == "POST":
            return self._send(201, self.cluster.create(json.loads(body)))
        if name:
            items = self.cluster.listed(plural, "")["items"]
            one = next((each for each in items if each["metadata"]["name"] == name), None)
            if one is None:
                return self._send(404, _status(404, "NotFound"))
            if self.command == "DELETE":
                self.cluster.delete(name)
            return self._send(200, {"apiVersion": api_version, "kind": kind, **one})
        if query.get("watch") not in ("true", "1", "True"):
            return self._send(200, self.cluster.listed(plural, selector))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        since = int(query.get("resourceVersion") or 0)
        seconds = float(query.get("timeoutSeconds") or 300)
        try:
            for news in self.cluster.watched(plural, selector, since, seconds):
                self.wfile.write(json.dumps(news).encode() + b"\n")
                self.wfile.flush()
        except OSError:
            pass  # whoever watched has gone
        return None

    def _send(self, status: int, content: Object | str) -> None:
        kind = "text/plain" if isinstance(content, str) else "application/json"
        data = (content if isinstance(content, str) else json.dumps(content)).encode()
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, format: str, *args: object) -> None:
        pass


def _status(code: int, reason: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Status",
        "status": "Failure",
        "message": reason,
        "reason": reason,
        "code": code,
    }


@contextmanager
def cluster_in(folder: Path) -> Iterator[Cluster]:
    """A cluster whose pods are processes, which end with it; `folder`/kubeconfig leads to it."""
    cluster = Cluster(folder)
    handler = type("Handler", (_Handler,), {"cluster": cluster})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    cluster.url = f"http://127.0.0.1:{server.server_address[1]}"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kubeconfig").write_text(json.dumps(cluster.kubeconfig))
    threads = [
        threading.Thread(target=server.serve_forever, args=[0.05]),
        threading.Thread(target=cluster.control),
    ]
    for thread in threads:
        thread.start()
    try:
        yield cluster
    finally:
        cluster.closed = True
        server.shutdown()
        server.server_close()
        for thread in threads:
            thread.join()
        cluster.close()
