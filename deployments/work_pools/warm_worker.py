"""A work-pool worker whose runs are forked from a process that has imported everything.

Each run is a process of its own with all that Prefect's process worker gives it: environment and
job variables, output, cancellation, exit code, detection of crashes, memory that ends with it.
Only its start differs (`deployments.work_pools.forks`). Where that process cannot
be had or does not answer, a run starts as the process worker starts it, and the log says so.

It needs Linux, whose processes can adopt their descendants' orphans; elsewhere it is the process
worker.
"""

from __future__ import annotations

import os
import shlex
import signal
import tempfile
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self
from wsgiref.simple_server import WSGIServer

import anyio
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

from deployments.work_pools.forks import LeftBehind, NoFork, Template, adopts_orphans
from deployments.work_pools.pool_types import WARM

if TYPE_CHECKING:
    import anyio.abc
    from prefect.client.schemas.objects import FlowRun

ENGINE = ["-m", "prefect.engine"]

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

log = get_logger("worker.warm")


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
