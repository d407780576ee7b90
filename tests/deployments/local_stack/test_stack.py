"""One machine, the real server and worker: what runs, and that nothing stays behind."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from deployments.local_stack.claims import StackError
from deployments.local_stack.guard import marked_processes
from deployments.local_stack.stack import LocalStack
from tests.patience import PATIENT_SECONDS

pytestmark = pytest.mark.xdist_group("local_stack")

FLOW = """
import json, os, sys, time
from pathlib import Path
from prefect import flow, task

@task
def double(n: int) -> int:
    return 2 * n

@flow(name="trivial")
def trivial(n: int = 1, seconds: float = 0, report: str | None = None) -> int:
    if report:
        Path(report).write_text(json.dumps([os.getcwd(), dict(os.environ)]))
    time.sleep(seconds)
    return double(n)
"""
PREFECT_YAML = """
name: trivial
pull:
  - prefect.deployments.steps.set_working_directory:
      directory: "{{ $PWD }}"
deployments:
  - name: local
    entrypoint: flows/trivial.py:trivial
    work_pool: {name: panoptes, work_queue_name: default}
"""
OTHER_PROCESS = """
import sys
import time
from pathlib import Path
from deployments.local_stack.stack import LocalStack
from tests.patience import PATIENT_SECONDS

def started(runs):
    print(stack.environment, flush=True) if runs[0].state_name == "Running" else None

with LocalStack(Path(sys.argv[1]), project=Path(sys.argv[2])) as stack:
    print(stack.stack_id, flush=True)
    stack.await_runs([stack.run_deployment("trivial/local", {"seconds": 600})], started)
"""


@dataclass(frozen=True)
class Killed:
    """A stack whose starter was killed in the middle of a flow run."""

    home: Path
    processes_before: set[int]
    processes_after: set[int]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("a project")
    (folder / "flows").mkdir()
    (folder / "flows" / "trivial.py").write_text(FLOW)
    (folder / "prefect.yaml").write_text(PREFECT_YAML)
    return folder


@pytest.fixture(scope="module")
def killed(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Killed:
    home = tmp_path_factory.mktemp("a home")
    with subprocess.Popen(
        [sys.executable, "-c", OTHER_PROCESS, str(home), str(project)],
        env=os.environ | {"PREFECT_SERVER_API_AUTH_STRING": "observer:s3cret"},
        stdout=subprocess.PIPE,
        text=True,
    ) as starter:
        assert starter.stdout is not None
        stack_id = starter.stdout.readline().strip()
        assert stack_id, "the other process could not start its stack"
        assert "PREFECT_API_AUTH_STRING" in starter.stdout.readline()
        before = marked_processes(stack_id)
        starter.kill()
    # The guard gives this up once it has cleared up.
    with (home / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
    return Killed(home, before, marked_processes(stack_id))


@pytest.fixture(scope="module")
def stack(killed: Killed, project: Path) -> Iterator[LocalStack]:
    with LocalStack(killed.home, project=project) as running:
        yield running
    assert not marked_processes(running.stack_id)


def test_nothing_outlives_a_killed_starter_not_even_a_flow_run(killed: Killed) -> None:
    # Server, worker and flow run at least.
    assert len(killed.processes_before) >= 3
    assert not killed.processes_after


def test_a_run_goes_through_the_worker_of_a_stack_whose_home_was_left_by_a_killed_one(
    stack: LocalStack, project: Path, tmp_path: Path
) -> None:
    report = tmp_path / "report.json"
    states: list[str | None] = []
    run = stack.run_deployment("trivial/local", {"n": 4, "report": str(report)})

    (ended,) = stack.await_runs([run], lambda runs: states.append(runs[0].state_name))

    assert ended.state_name == states[-1] == "Completed"
    folder, environment = json.loads(report.read_text())
    assert Path(folder) == project
    assert Path(environment["PREFECT_HOME"]).is_relative_to(stack.home)
    assert Path(environment["PREFECT_LOCAL_STORAGE_PATH"]).is_relative_to(stack.home)
    assert environment["PREFECT_API_URL"] == stack.api_url
    assert "PYTHONDONTWRITEBYTECODE" not in environment


def test_a_run_asked_for_twice_with_one_key_is_one_run(stack: LocalStack) -> None:
    first, second = (
        stack.run_deployment("trivial/local", idempotency_key="the same") for _ in range(2)
    )
    assert first == second
    stack.await_runs([first])


def test_runs_that_take_too_long_are_named_with_their_state(stack: LocalStack) -> None:
    run = stack.run_deployment("trivial/local", {"seconds": 600})
    with pytest.raises(StackError, match=r"unfinished after 0 s \(.* is "):
        stack.await_runs([run], timeout=0)
    with stack.client() as client:
        client.delete_flow_run(run)


def test_what_was_killed_is_started_again_but_not_for_ever(
    stack: LocalStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("server", "worker"):
        os.kill(stack.process_id(name), signal.SIGKILL)
        assert stack._processes.status(name, within=PATIENT_SECONDS) is not None
    with monkeypatch.context() as patch:
        patch.setattr("deployments.local_stack.stack.MOST_RESTARTS", 0)
        with pytest.raises(StackError, match="ended 1 times in an hour, the last with status -9"):
            stack.restart_ended()
    assert set(stack.restart_ended()) == {"server", "worker"}
    stack._await_server(time.monotonic() + PATIENT_SECONDS)
    (ended,) = stack.await_runs([stack.run_deployment("trivial/local")])
    assert ended.state_name == "Completed"


def test_another_process_reaches_the_stack_by_its_environment(stack: LocalStack) -> None:
    listing = subprocess.run(
        [sys.executable, "-m", "prefect", "deployment", "ls"],
        env=os.environ | stack.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert "trivial/local" in listing.stdout


def test_a_home_in_use_is_refused_at_once(stack: LocalStack) -> None:
    with (
        pytest.raises(StackError, match=f"in use by another local stack .*{os.getpid()}"),
        LocalStack(stack.home),
    ):
        pass


def test_a_taken_port_is_refused_at_once(stack: LocalStack, tmp_path: Path) -> None:
    port = int(stack.url.rpartition(":")[2])
    with (
        pytest.raises(StackError, match=f"Port {port} cannot be used"),
        LocalStack(tmp_path, port=port),
    ):
        pass


def test_an_interrupt_during_the_start_leaves_nothing_running(
    project: Path, tmp_path: Path
) -> None:
    started: list[LocalStack] = []

    def interrupt(stack: LocalStack) -> None:
        assert marked_processes(stack.stack_id)
        started.append(stack)
        raise KeyboardInterrupt

    with (
        pytest.raises(KeyboardInterrupt),
        LocalStack(tmp_path, project=project, while_starting=interrupt),
    ):
        pass
    assert not marked_processes(started[0].stack_id)


def test_a_faulty_prefect_yaml_stops_the_start_and_is_explained(
    project: Path, tmp_path: Path
) -> None:
    faulty = tmp_path / "faulty"
    (faulty / "flows").mkdir(parents=True)
    (faulty / "flows" / "trivial.py").write_text(FLOW)
    (faulty / "prefect.yaml").write_text(PREFECT_YAML + "    tag: [ingest]\n")
    with (
        pytest.raises(StackError, match="'tag' is unknown; did you mean 'tags'"),
        LocalStack(tmp_path / "home", project=faulty),
    ):
        pass


def test_settings_of_the_users_own_prefect_do_not_reach_a_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    monkeypatch.setenv("PREFECT_PROFILE", "production")
    environment = LocalStack(tmp_path, port=4200).environment
    assert environment["PREFECT_API_URL"] == "http://127.0.0.1:4200/api"
    assert "PREFECT_PROFILE" not in environment
