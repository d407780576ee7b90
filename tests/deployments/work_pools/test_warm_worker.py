"""Runs are forked from a process that has imported everything, and are processes all the same."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
from prefect import Flow, flow
from prefect.client.schemas import OrchestrationResult
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import FlowRun
from prefect.client.schemas.responses import SetStateStatus
from prefect.states import Cancelling

from deployments.local_stack.stack import LocalStack
from deployments.work_pools import template_process
from deployments.work_pools.deploy import JOB_TEMPLATE, WORK_POOL
from deployments.work_pools.pool_types import WARM
from deployments.work_pools.template_process import RUN
from deployments.work_pools.warm_worker import METRICS_PORT
from tests.local_http import free_port
from tests.patience import PATIENT_SECONDS

PROBE = """
import json, os, signal, subprocess, sys, threading, time
from pathlib import Path
from prefect import flow, get_run_logger

WARM = "numpy" in sys.modules

@flow(name="probe")
def probe(said: str, then: str = "") -> None:
    found = {
        "pid": os.getpid(), "parent": os.getppid(), "warm": WARM,
        "probe": os.environ.get("PROBE"), "argv": sys.argv, "random": os.urandom(4).hex(),
        "main": sys.modules["__main__"].__name__, "threads": threading.active_count(),
    }
    get_run_logger().info("logged by the probe")
    print("printed by the probe", found["pid"], flush=True)
    if then == "leave":
        found["left"] = subprocess.Popen(["true"], start_new_session=True).pid
    Path(said + ".part").write_text(json.dumps(found))
    os.rename(said + ".part", said)
    if then == "hang":
        while not Path(said + ".go").exists():
            time.sleep(0.05)
    elif then == "exit":
        os._exit(3)
    elif then == "fail":
        raise ValueError("as asked for")
"""


class Probe:
    """A flow of the test's own on the stack's work pool, that says where it runs."""

    def __init__(self, stack: LocalStack, folder: Path, pool: str = WORK_POOL) -> None:
        self.stack, self.folder = stack, folder
        (folder / "probe.py").write_text(PROBE)
        self.name = f"probe-{uuid.uuid4().hex[:8]}"
        with stack.settings():
            loaded = flow.from_source(source=str(folder), entrypoint="probe.py:probe")
            assert isinstance(loaded, Flow)
            loaded.deploy(
                self.name, work_pool_name=pool, print_next_steps=False,
                ignore_warnings=True,
            )  # fmt: skip

    def start(self, then: str = "", **environment: str) -> tuple[UUID, Path]:
        """The run, and the file in which it says what it found."""
        said = self.folder / uuid.uuid4().hex
        with self.stack.client() as client:
            deployment = client.read_deployment_by_name(f"probe/{self.name}")
            run = client.create_flow_run_from_deployment(
                deployment.id,
                parameters={"said": str(said), "then": then},
                job_variables={"env": environment} if environment else None,
            )
        return run.id, said

    def end(self, run: UUID) -> FlowRun:
        (ended,) = self.stack.await_runs([run])
        return ended

    def run(self, then: str = "", **environment: str) -> dict[str, Any]:
        run, said = self.start(then, **environment)
        ended = self.end(run)
        assert ended.state is not None
        assert ended.state.is_completed(), ended.state.message
        return read(said)

    @property
    def worker(self) -> int:
        return self.stack.process_id("worker")

    @property
    def log(self) -> str:
        return (self.stack.home / "logs" / "worker.log").read_text()


@pytest.fixture
def probe(prefect_stack: LocalStack, tmp_path: Path) -> Probe:
    return Probe(prefect_stack, tmp_path)


def read(said: Path) -> dict[str, Any]:
    await_that(said.exists)
    found: dict[str, Any] = json.loads(said.read_text())
    return found


def await_that(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENT_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not come to be"
        time.sleep(0.05)


def template_of(worker: int) -> int | None:
    """The living process that forks for a worker; its runs have its command line."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            fields = (process / "stat").read_text().rpartition(")")[2].split()
            is_template = b"template_process" in (process / "cmdline").read_bytes()
            is_run = (process / "comm").read_bytes().strip() == RUN
            if int(fields[1]) == worker and is_template and not is_run:
                return int(process.name)
    return None


def test_a_run_is_a_process_of_its_own_with_its_own_surroundings(probe: Probe) -> None:
    with probe.stack.client() as client:
        assert client.read_work_pool(WORK_POOL).type == WARM
    first, second = probe.run(), probe.run()
    assert first["warm"]
    assert second["warm"]
    assert first["parent"] == second["parent"] == probe.worker
    assert first["pid"] != second["pid"]
    assert first["random"] != second["random"]
    assert first["main"] == "__main__"
    assert first["argv"][0].endswith("prefect/engine.py")


def test_what_a_run_prints_and_logs_is_kept(probe: Probe) -> None:
    run, said = probe.start()
    probe.end(run)
    assert f"printed by the probe {read(said)['pid']}" in probe.log
    with probe.stack.client() as client:
        await_that(lambda: any("logged by the probe" in e.message for e in client.read_logs()))


def test_a_run_that_fails_or_ends_or_is_killed_is_told_apart(probe: Probe) -> None:
    failed = probe.end(probe.start("fail")[0])
    assert failed.state is not None
    assert failed.state.is_failed()
    assert "as asked for" in str(failed.state.message)
    ended = probe.end(probe.start("exit")[0])
    assert ended.state is not None
    assert ended.state.is_crashed()
    assert "status code: 3" in str(ended.state.message)
    run, said = probe.start("hang")
    os.kill(read(said)["pid"], signal.SIGKILL)
    killed = probe.end(run)
    assert killed.state is not None
    assert killed.state.is_crashed()
    assert "status code: -9" in str(killed.state.message)


def test_what_a_run_leaves_behind_does_not_stay_with_the_worker(probe: Probe) -> None:
    left = Path("/proc", str(probe.run("leave")["left"]))
    await_that(lambda: not left.exists())


def test_a_run_is_cancelled(probe: Probe) -> None:
    run, said = probe.start("hang")
    pid = read(said)["pid"]
    with probe.stack.client() as client:
        asked: OrchestrationResult[Any] = client.set_flow_run_state(run, Cancelling())
    assert asked.status is SetStateStatus.ACCEPT
    ended = probe.end(run)
    assert ended.state is not None
    assert ended.state.is_cancelled()
    await_that(lambda: not Path(f"/proc/{pid}").exists())


def test_runs_live_on_when_the_process_that_forks_is_killed(probe: Probe) -> None:
    probe.run()  # so that there is one
    runs = [probe.start("hang") for _ in range(2)]
    for _, said in runs:
        read(said)
    template = template_of(probe.worker)
    assert template is not None
    os.kill(template, signal.SIGKILL)
    for run, said in runs:
        Path(f"{said}.go").touch()
        ended = probe.end(run)
        assert ended.state is not None
        assert ended.state.is_completed()
    assert "starts in a fresh interpreter" not in probe.log
    assert probe.run()["parent"] == probe.worker
    assert "starts in a fresh interpreter" in probe.log
    assert probe.run()["warm"]


def test_one_that_does_not_answer_is_replaced(probe: Probe) -> None:
    probe.run()
    template = template_of(probe.worker)
    assert template is not None
    os.kill(template, signal.SIGSTOP)
    assert probe.run()["parent"] == probe.worker
    assert probe.run()["warm"]
    assert not Path(f"/proc/{template}").exists()


@pytest.fixture
def started_with(tmp_path: Path) -> Path:
    """A module that every interpreter imports whose PYTHONPATH has its folder."""
    folder = tmp_path / "path"
    folder.mkdir()
    return folder / "sitecustomize.py"


def test_changed_code_is_imported_anew_and_a_run_has_the_environment_that_it_asks_for(
    probe: Probe, started_with: Path
) -> None:
    environment = {"PYTHONPATH": str(started_with.parent), "PROBE": "one"}
    started_with.write_text("VERSION = 1\n")
    assert probe.run(**environment)["probe"] == "one"
    before = template_of(probe.worker)
    assert probe.run(**environment)["probe"] == "one"
    assert template_of(probe.worker) == before
    started_with.write_text("VERSION = 22\n")
    probe.run(**environment)
    assert template_of(probe.worker) not in (before, None)


def test_after_so_many_runs_another_process_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """The worker starts one, and has the run forked from that: none starts slowly for it."""
    monkeypatch.setattr(template_process, "MOST_RUNS", 0)
    worker, template = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with worker, template:
        worker.send(b"{}")
        assert template_process.serve(template) is None
        assert json.loads(worker.recv(1000)) == {"stale": True}


def test_where_a_fork_is_not_safe_a_run_starts_afresh(probe: Probe, started_with: Path) -> None:
    started_with.write_text(
        "import threading\nthreading.Thread(target=threading.Event().wait, daemon=True).start()\n"
    )
    found = probe.run(PYTHONPATH=str(started_with.parent))
    assert not found["warm"]
    assert found["probe"] is None, "another run's"
    assert "it cannot be forked: a thread runs in it" in probe.log


def test_a_worker_tells_prometheus_what_is_at_work_and_how_runs_ended(
    prefect_stack: LocalStack, tmp_path: Path
) -> None:
    pool, port = f"measured-{uuid.uuid4().hex[:8]}", free_port()

    def told() -> list[str]:
        return httpx.get(
            f"http://127.0.0.1:{port}/metrics", timeout=PATIENT_SECONDS
        ).text.splitlines()

    with prefect_stack.client() as client:
        client.create_work_pool(
            WorkPoolCreate(name=pool, type=WARM, base_job_template=JOB_TEMPLATE)
        )
    prefect_stack.run_beside(
        pool,
        ["-m", "prefect", "worker", "start", "--pool", pool, "--type", WARM],
        settings={METRICS_PORT: str(port)},
    )
    try:
        probe = Probe(prefect_stack, tmp_path, pool)
        run, said = probe.start("hang")
        read(said)
        assert "panoptes_worker_runs 1.0" in told()
        Path(f"{said}.go").touch()
        probe.end(run)
        probe.end(probe.start("exit")[0])
        await_that(lambda: "panoptes_worker_runs 0.0" in told())
        for code in "03":
            assert f'panoptes_worker_ended_runs_total{{exit_code="{code}"}} 1.0' in told()
    finally:
        os.kill(prefect_stack.process_id(pool), signal.SIGTERM)
        with prefect_stack.client() as client:
            client.delete_work_pool(pool)
