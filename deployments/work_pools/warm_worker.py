"""A work-pool worker whose runs are forked from a process that has imported everything.

Each run is a process of its own with all that Prefect's process worker gives it: environment and
job variables, output, cancellation, exit code, detection of crashes, memory that ends with it.
Only its start differs, from `deployments.work_pools.template_process`. Where that process cannot
be had or does not answer, a run starts as the process worker starts it, and the log says so.

It needs Linux, whose processes can adopt their descendants' orphans; elsewhere it is the process
worker.
"""

from __future__ import annotations

import asyncio
import ctypes
import json
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self
from wsgiref.simple_server import WSGIServer

import anyio
import anyio.to_thread
from prefect.flows import load_flow_from_flow_run
from prefect.logging import get_logger
from prefect.runner._flow_run_executor import FlowRunExecutionResult, FlowRunExecutorContext
from prefect.runner._process_manager import ProcessHandle
from prefect.runner._starter_engine import EngineCommandStarter
from prefect.settings import get_current_settings
from prefect.utilities.processutils import sanitize_subprocess_env
from prefect.workers.process import ProcessJobConfiguration, ProcessWorker, ProcessWorkerResult
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    ProcessCollector,
    start_http_server,
)

from deployments.work_pools.pool_types import WARM

if TYPE_CHECKING:
    import anyio.abc
    from prefect.client.schemas.objects import FlowRun

ENGINE = ["-m", "prefect.engine"]
READY_SECONDS = 120.0
"""For importing everything, on a machine that is busy."""
ANSWER_SECONDS = 10.0
"""For a fork; a process that takes longer is replaced."""
_PER_RUN = "PREFECT__"
"""Environment variables that Prefect gives each run, and reads only there."""
_ADOPT_ORPHANS = 36  # PR_SET_CHILD_SUBREAPER of linux/prctl.h

METRICS_PORT = "PANOPTES_WORKER_METRICS_PORT"
"""The variable that says where a worker tells Prometheus of itself; nowhere without it. Prefect's
own PREFECT_CLIENT_METRICS_ENABLED would have every run ask for the worker's port."""
METRICS = CollectorRegistry()
ProcessCollector(registry=METRICS)
AT_WORK = Gauge("panoptes_worker_runs", "Runs at work on this worker", registry=METRICS)
ENDED = Counter(
    "panoptes_worker_ended_runs", "Runs of this worker by the exit code of their process",
    ["exit_code"], registry=METRICS,
)  # fmt: skip

COLLECTED_SECONDS = 5.0
"""In which whoever started a process himself asks how it ended."""

log = get_logger("worker.warm")


class NoFork(Exception):
    """A run cannot be forked; the message says why."""


def adopts_orphans() -> bool:
    """Have this process adopt its descendants' orphans; False where the system cannot."""
    if sys.platform != "linux" or not hasattr(os, "pidfd_open"):
        return False
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    return bool(prctl(_ADOPT_ORPHANS, 1, 0, 0, 0) == 0)


class Template:
    """The process that forks, made when it is first needed and again when it is of no more use."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: socket.socket | None = None
        self._python = ""
        self._environment: dict[str, str] = {}
        self._lock = anyio.Lock()

    async def fork(
        self, python: str, environment: Mapping[str, str], cwd: Path, *, output: bool
    ) -> ForkedProcess:
        """A run that has not begun yet; `ForkedProcess.begin` lets it. Raises NoFork."""
        async with self._lock:
            try:
                return await anyio.to_thread.run_sync(
                    self._fork, python, dict(environment), cwd, output
                )
            except NoFork:
                self.close()
                raise
            except (OSError, ValueError) as error:
                self.close()
                raise NoFork(f"{type(error).__name__}: {error}") from error

    def close(self) -> None:
        """End the process; its runs go on."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
        if self._process is not None:
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(0.2)
            self._process.kill()
            self._process.wait()
            self._process = None

    def _fork(
        self, python: str, environment: dict[str, str], cwd: Path, output: bool
    ) -> ForkedProcess:
        shared = {k: v for k, v in environment.items() if not k.startswith(_PER_RUN)}
        if (python, shared) != (self._python, self._environment):
            self.close()  # what it has imported may have read what is different now
        for _ in range(2):
            if self._process is None:
                self._start(python, shared)
            answer, go = self._ask({"env": environment, "cwd": str(cwd)}, output=output)
            if "pid" in answer:
                return ForkedProcess(int(answer["pid"]), go)
            go.close()
            if "stale" not in answer:
                raise NoFork(str(answer.get("error", "the process that forks has ended")))
            self.close()
        raise NoFork("the code changes faster than it can be imported")

    def _start(self, python: str, environment: dict[str, str]) -> None:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            module = "deployments.work_pools.template_process"
            self._process = subprocess.Popen(
                [python, "-m", module, str(theirs.fileno())],
                env=environment,
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
            )
        self._connection, self._python, self._environment = ours, python, environment
        ours.settimeout(READY_SECONDS)
        data = ours.recv(65536)
        ours.settimeout(ANSWER_SECONDS)
        if not data:
            raise NoFork("the process that forks could not import everything")
        if why := json.loads(data)["obstacle"]:
            raise NoFork(f"it cannot be forked: {why}")

    def _ask(
        self, request: dict[str, Any], *, output: bool
    ) -> tuple[dict[str, Any], socket.socket]:
        """The answer, and the end of a pair on which the run waits for a word."""
        assert self._connection is not None
        go, theirs = socket.socketpair()
        nothing = os.open(os.devnull, os.O_WRONLY)
        try:
            out, err = (1, 2) if output else (nothing, nothing)
            message = json.dumps(request).encode()
            socket.send_fds(self._connection, [message], [theirs.fileno(), out, err])
            data = self._connection.recv(65536)
        except BaseException:
            go.close()
            raise
        finally:
            theirs.close()
            os.close(nothing)
        return (json.loads(data) if data else {}), go


@dataclass
class ForkedProcess:
    """A run's process, as Prefect looks at processes."""

    pid: int
    _go: socket.socket
    returncode: int | None = None
    _watched: int = field(init=False)
    at_work: ClassVar[set[int]] = set()
    """The process ids of those that are still to be collected."""

    def __post_init__(self) -> None:
        self.at_work.add(self.pid)
        self._watched = os.pidfd_open(self.pid)

    def begin(self) -> None:
        """Let it do its work."""
        with self._go, suppress(BrokenPipeError):
            self._go.send(b"g")

    async def wait(self) -> int:
        """Until it has ended; gives its exit code, below zero for a signal."""
        try:
            await anyio.wait_readable(self._watched)
            self.reap()
        finally:
            os.close(self._watched)
        assert self.returncode is not None
        return self.returncode

    def reap(self) -> None:
        _, status = os.waitpid(self.pid, 0)
        self.at_work.discard(self.pid)
        self.returncode = os.waitstatus_to_exitcode(status)


class LeftBehind:
    """What runs started and did not wait for: this worker has adopted it, and collects what of it
    has ended, which would otherwise hold its process id for as long as the worker lives."""

    def __init__(self) -> None:
        self._since: dict[int, float] = {}
        self._again: asyncio.TimerHandle | None = None

    def collect(self) -> None:
        """Collect what nobody else has in `COLLECTED_SECONDS`; comes back to what is younger."""
        moment = time.monotonic()
        ended = [each for each in _ended_children() if each not in ForkedProcess.at_work]
        self._since = {each: self._since.get(each, moment) for each in ended}
        for each, since in list(self._since.items()):
            if moment - since >= COLLECTED_SECONDS:
                with suppress(ChildProcessError):
                    os.waitpid(each, os.WNOHANG)
                del self._since[each]
        if self._again is not None:
            self._again.cancel()
        loop = asyncio.get_running_loop()
        self._again = loop.call_later(COLLECTED_SECONDS, self.collect) if self._since else None


def _ended_children() -> Iterator[int]:
    for thread in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # a thread, or a child, that went
            for child in (thread / "children").read_text().split():
                # The name before the state may hold blanks; see proc_pid_stat(5).
                if Path(f"/proc/{child}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                    yield int(child)


class ForkStarter(EngineCommandStarter):
    """Starts a run by a fork, and otherwise as Prefect's own starter does."""

    def __init__(self, template: Template, python: str, cwd: Path, **options: Any) -> None:
        super().__init__(cwd=cwd, **options)
        self._template, self._python, self._folder = template, python, cwd

    async def start(
        self,
        flow_run: FlowRun,
        task_status: anyio.abc.TaskStatus[ProcessHandle] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        environment = self._environment_of(flow_run)
        try:
            process = await self._template.fork(
                self._python, environment, self._folder, output=self._stream_output
            )
        except NoFork as why:
            log.warning("Flow run %s starts in a fresh interpreter: %s", flow_run.id, why)
            if self._control_channel is not None:
                self._control_channel.unregister(flow_run.id)
            await super().start(flow_run, task_status)
            return
        try:
            task_status.started(ProcessHandle(process))  # type: ignore[arg-type]
            process.begin()
            await process.wait()
        except BaseException:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGKILL)
                process.reap()
            raise

    def _environment_of(self, flow_run: FlowRun) -> dict[str, str]:
        """What Prefect's starter gives a process."""
        environment: dict[str, str | None] = {
            **os.environ,
            **self._env,
            **get_current_settings().to_environment_variables(exclude_unset=True),
            "PREFECT__FLOW_RUN_ID": str(flow_run.id),
            "PREFECT__ENABLE_CANCELLATION_AND_CRASHED_HOOKS": "false",
        }
        if self._control_channel is not None:
            with suppress(RuntimeError):  # without one, a cancelled run is killed
                port, token = self._control_channel.register(flow_run.id)
                environment["PREFECT__CONTROL_PORT"] = str(port)
                environment["PREFECT__CONTROL_TOKEN"] = token
        return sanitize_subprocess_env(environment)


class WarmProcessWorker(ProcessWorker):
    """Prefect's process worker, but for how a run's process comes to be."""

    type = WARM
    _display_name = "Warm process"
    _description = (
        "Execute flow runs as processes that are forked from one that has imported them. "
        "Starts a run in a tenth of the processor time of a fresh process; needs Linux."
    )
    _documentation_url = "https://docs.prefect.io/v3/concepts/workers"

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._template = Template()
        self._can_adopt = adopts_orphans()
        self._left_behind = LeftBehind()
        self._metrics: WSGIServer | None = None

    async def __aenter__(self) -> Self:
        if port := os.environ.get(METRICS_PORT):
            self._metrics, _ = start_http_server(int(port), registry=METRICS)
        await super().__aenter__()
        return self

    async def run(
        self,
        flow_run: FlowRun,
        configuration: ProcessJobConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None = None,
    ) -> ProcessWorkerResult:
        """Run it; as the process worker does where its command is none of the engine's."""
        with AT_WORK.track_inprogress():
            result = await self._run(flow_run, configuration, task_status)
        if self._can_adopt:
            self._left_behind.collect()
        ENDED.labels(result.status_code).inc()
        return result

    async def _run(
        self,
        flow_run: FlowRun,
        configuration: ProcessJobConfiguration,
        task_status: anyio.abc.TaskStatus[int] | None,
    ) -> ProcessWorkerResult:
        command = shlex.split(configuration.command or "")
        if not self._can_adopt or command[1:] != ENGINE:
            return await super().run(flow_run, configuration, task_status)
        given = configuration.working_dir
        with (
            nullcontext(str(given)) if given else tempfile.TemporaryDirectory(suffix="prefect")
        ) as folder:
            async with FlowRunExecutorContext() as context:
                starter = ForkStarter(
                    self._template,
                    command[0],
                    Path(folder).resolve(),
                    command=configuration.command,
                    env=configuration.env,
                    stream_output=configuration.stream_output,
                    control_channel=context.control_channel,
                )
                executor = context.create_executor(
                    flow_run,
                    starter,
                    resolve_flow=load_flow_from_flow_run,
                    propose_submitting=False,
                )
                execution: FlowRunExecutionResult | None = None

                async def execute(
                    *, task_status: anyio.abc.TaskStatus[ProcessHandle] = anyio.TASK_STATUS_IGNORED
                ) -> None:
                    nonlocal execution
                    execution = await executor.submit(task_status=task_status)

                async with anyio.create_task_group() as group:
                    handle = await group.start(execute)
                    if task_status is not None:
                        task_status.started(handle.pid)
        if execution is None or execution.status_code is None:
            raise RuntimeError("The process of a flow run could not be started.")
        return ProcessWorkerResult(
            status_code=execution.status_code, identifier=str(execution.handle.pid)
        )

    async def __aexit__(self, *exception: Any) -> None:
        try:
            await super().__aexit__(*exception)
        finally:
            self._template.close()
            if self._metrics is not None:
                self._metrics.shutdown()
