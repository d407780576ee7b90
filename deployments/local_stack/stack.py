"""The whole stack on one machine: a Prefect server, a worker, and what prefect.yaml deploys.

Everything a stack writes lies below its home: the server's database, results and logs. The
server listens on 127.0.0.1 only. Nothing of it outlives the process that started it, however
that ends (see `guard`), and a home that a killed stack left behind starts again.

Linux and macOS.
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import KW_ONLY, dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self
from uuid import UUID

from deployments.local_stack.claims import GRACE_SECONDS, HOST, StackError, claim_home, claim_port
from deployments.local_stack.processes import Processes
from deployments.work_pools.deploy import PROJECT, WORK_POOL, make_work_pool
from panoptes.network.structured_log import wants_json

if TYPE_CHECKING:
    from prefect.client.orchestration import SyncPrefectClient
    from prefect.client.schemas.objects import FlowRun

    from panoptes.network.site import Site

TUNING = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    # What the server records of tasks and events, written in batches: 4 times the rate.
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "200",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL": "1",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_BATCH_SIZE": "500",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_READ_BATCH_SIZE": "100",
    "PREFECT_SERVER_SERVICES_EVENT_PERSISTER_FLUSH_INTERVAL": "1",
    # Runs of more than 90 days ago, with all that hangs on them; events of more than 7.
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs,orphans",
    "PREFECT_WORKER_QUERY_SECONDS": "1",
    # A run that fell silent is found after three and a half of them (see `deploy`).
    "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
}

ON_SQLITE = {
    # It marks many runs at once, which lock each other out: the server stands still for the
    # minute that Prefect waits for a lock. The receiver counts overdue runs by their times.
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
}

JSON_LOGGING = Path(__file__).parents[1] / "work_pools" / "logging.yml"
START_SECONDS = 240.0
"""Until everything has to be ready."""

MOST_RESTARTS = 3
"""Of one process in an hour."""

# Settings of other installations that would reach our processes, and what slows them down.
_FOREIGN = ("PYTHONPATH", "PYTHONHOME", "PYTHONDONTWRITEBYTECODE", "PYTHONOPTIMIZE")


@dataclass(eq=False)
class LocalStack:
    """A Prefect server, a process worker and our deployments, as child processes.

    It runs in a ``with`` block.
    """

    home: Path
    _: KW_ONLY
    port: int | None = None
    """None takes a free one."""
    site: Site | None = None
    """Saved as the block ``default``."""
    worker: bool = True
    """Without one, runs stay scheduled until another worker comes."""
    ui: bool = False
    """Whether Prefect's user interface is served."""
    project: Path = PROJECT
    """The folder whose prefect.yaml is deployed."""
    database: str | None = None
    """Where the server keeps its runs, ``postgresql+asyncpg://...``; None: SQLite in the home."""
    while_starting: Callable[[LocalStack], None] = lambda stack: None
    """Called as soon as the processes are on their way, for work that needs no server yet."""

    def __post_init__(self) -> None:
        self.home = self.home.expanduser().resolve()
        self.logs = self.home / "logs"
        self._auth = os.environ.get("PREFECT_SERVER_API_AUTH_STRING")
        self._processes = Processes(self.logs, grace=GRACE_SECONDS, folder=self.home)
        self._lock: IO[str] | None = None
        self._restarts: dict[str, list[float]] = {}

    @property
    def stack_id(self) -> str:
        """The mark of every process of this stack."""
        return self._processes.stack_id

    @property
    def url(self) -> str:
        """Where the user interface is, if there is one."""
        return f"http://{HOST}:{self.port}"

    @property
    def api_url(self) -> str:
        return f"{self.url}/api"

    @property
    def environment(self) -> dict[str, str]:
        """What another process needs in its environment to reach this stack."""
        environment = TUNING | {
            "PREFECT_HOME": str(self.home / "prefect"),
            "PREFECT_LOCAL_STORAGE_PATH": str(self.home / "results"),
            "PREFECT_API_URL": self.api_url,
        }
        if wants_json():
            environment["PREFECT_LOGGING_CONFIG_PATH"] = str(JSON_LOGGING)
        if self._auth:
            environment["PREFECT_API_AUTH_STRING"] = self._auth
        return environment

    # -- start and stop -----------------------------------------------------------------

    def __enter__(self) -> Self:
        """Start everything and wait until it is ready. Raises StackError."""
        try:
            self._start(time.monotonic() + START_SECONDS)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """End everything that was started: runs and worker, then the server."""
        self._processes.end_all(last="server")
        if self._lock is not None:
            self._lock.close()

    def _start(self, deadline: float) -> None:
        self.logs.mkdir(parents=True, exist_ok=True)
        self._lock = claim_home(self.home)
        self._processes.begin(self._lock)
        with claim_port(self.port) as listener:
            self.port = listener.getsockname()[1]
            self._start_server(listener)
        # Deploying spends its first seconds on imports, and then waits on the socket.
        self._start_deploying()
        self.while_starting(self)
        self._await_server(deadline)
        with self.client() as client:
            make_work_pool(client)
            if self.worker:
                self._start_worker()
        self._await_deployments(deadline)
        if self.site is not None:  # its block type is registered by now
            from blocks.network import PanoptesNetwork

            with self.settings():
                PanoptesNetwork.of(self.site).save("default", overwrite=True)

    def restart_ended(self) -> list[str]:
        """Start again what has ended by itself, and give its names; runs wait meanwhile.

        Keeps the logs short. Raises StackError for what ended more than `MOST_RESTARTS` times
        in an hour.
        """
        self._processes.trim_logs()
        again = []
        for name, status in self._processes.ended().items():
            if name == "deploy":
                continue
            now = time.monotonic()
            before = [when for when in self._restarts.get(name, ()) if now - when < 3600]
            if len(before) >= MOST_RESTARTS:
                times = f"{len(before) + 1} times in an hour, the last with status {status}"
                raise self._failure(name, f"ended {times}")
            self._restarts[name] = [*before, now]
            if name == "server":
                with claim_port(self.port) as listener:
                    self._start_server(listener)
            else:
                self._processes.start_again(name)
            again.append(name)
        return again

    def check(self) -> None:
        """Keep the logs short. Raises StackError if the server or the worker has ended."""
        self._processes.trim_logs()
        for name, status in self._processes.ended().items():
            if name != "deploy":
                raise self._failure(name, f"ended with status {status}")

    def run_beside(
        self,
        name: str,
        arguments: Sequence[str],
        *,
        settings: Mapping[str, str] | None = None,
        pass_fds: Collection[int] = (),
    ) -> None:
        """Run ``python ARGUMENTS`` as a part of this stack: reaches its server, ends with it.

        Its output goes to logs/NAME.log.
        """
        inherited = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith("PREFECT_") and key not in _FOREIGN
        }
        self._processes.start(
            name,
            [sys.executable, *arguments],
            {**inherited, **self.environment, **(settings or {})},
            pass_fds=pass_fds,
        )

    def process_id(self, name: str) -> int:
        """Of ``server``, ``worker``, or what `run_beside` started."""
        return self._processes.process_id(name)

    # -- use ----------------------------------------------------------------------------

    @contextmanager
    def settings(self) -> Iterator[None]:
        """Prefect's own settings of this process and thread, set to reach this stack."""
        from prefect.settings import (
            PREFECT_API_AUTH_STRING,
            PREFECT_API_URL,
            PREFECT_LOCAL_STORAGE_PATH,
            temporary_settings,
        )

        with temporary_settings(
            {
                PREFECT_API_URL: self.api_url,
                PREFECT_API_AUTH_STRING: self._auth,
                PREFECT_LOCAL_STORAGE_PATH: self.home / "results",
            }
        ):
            yield

    @contextmanager
    def client(self) -> Iterator[SyncPrefectClient]:
        """A client of this stack's server."""
        from prefect.client.orchestration import get_client

        with self.settings(), get_client(sync_client=True) as client:
            yield client

    def run_deployment(
        self,
        name: str,
        parameters: Mapping[str, Any] | None = None,
        *,
        idempotency_key: str | None = None,
    ) -> UUID:
        """Have a worker run a deployment, named FLOW/DEPLOYMENT; gives the flow run's id."""
        with self.client() as client:
            deployment = client.read_deployment_by_name(name)
            run = client.create_flow_run_from_deployment(
                deployment.id, parameters=dict(parameters or {}), idempotency_key=idempotency_key
            )
            return run.id

    def await_runs(
        self,
        ids: Collection[UUID],
        on_progress: Callable[[Sequence[FlowRun]], None] | None = None,
        *,
        timeout: float = 600.0,
    ) -> list[FlowRun]:
        """Wait until every run has ended; gives the runs, in the order of `ids`.

        `on_progress` is called with all runs whenever the state of one has changed. Raises
        StackError when server or worker end meanwhile, and after `timeout` seconds.
        """
        begun = time.monotonic()
        seen: dict[UUID, str | None] = {}
        with self.client() as client:
            while True:
                runs = _read_runs(client, ids)
                states = {run.id: run.state_name for run in runs}
                if states != seen:
                    seen = states
                    if on_progress is not None:
                        on_progress(runs)
                if all(run.state is not None and run.state.is_final() for run in runs):
                    return runs
                self.check()
                waited = time.monotonic() - begun
                if waited > timeout:
                    waiting = ", ".join(
                        f"{run.name} is {run.state_name}"
                        for run in runs
                        if run.state is None or not run.state.is_final()
                    )
                    reason = f"left runs unfinished after {timeout:.0f} s ({waiting})"
                    raise self._failure("worker", reason)
                # Each question costs the server hundredths of a second of the processor.
                time.sleep(min(1.0, max(0.25, waited / 8)))

    # -- parts --------------------------------------------------------------------------

    def _start_server(self, listener: socket.socket) -> None:
        private = {"PREFECT_SERVER_API_AUTH_STRING": self._auth} if self._auth else {}
        if self.database:
            private["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = self.database
        else:
            private |= ON_SQLITE
        self.run_beside(
            "server",
            ["-m", "deployments.local_stack.serve", str(listener.fileno())],
            pass_fds=[listener.fileno()],
            settings=private
            | {
                "PREFECT_SERVER_API_HOST": HOST,
                "PREFECT_SERVER_API_PORT": str(self.port),
                "PREFECT_SERVER_UI_ENABLED": str(self.ui).lower(),
                "PREFECT_UI_STATIC_DIRECTORY": str(self.home / "prefect" / "ui"),
            },
        )

    def _start_deploying(self) -> None:
        self.run_beside("deploy", ["-m", "deployments.work_pools.deploy", str(self.project)])

    def _start_worker(self) -> None:
        command = ["-m", "prefect", "worker", "start", "--pool", WORK_POOL]
        self.run_beside("worker", [*command, "--limit", str(runs_at_a_time())])

    def _await_server(self, deadline: float) -> None:
        import httpx

        while True:
            # The socket listens before the server does, so a request waits for it.
            with suppress(httpx.TransportError):
                if httpx.get(f"{self.api_url}/health", timeout=1).is_success:
                    return
            self._check_start("server", deadline)

    def _await_deployments(self, deadline: float) -> None:
        """As long as one deployment after the other is made, however slowly."""
        said = self._processes.last_words("deploy")
        while self._processes.status("deploy", within=0.25) is None:
            if (now_said := self._processes.last_words("deploy")) != said:
                said, deadline = now_said, max(deadline, time.monotonic() + START_SECONDS / 2)
            self._check_start("deploy", deadline)
        self._check_start("deploy", deadline)

    def _check_start(self, awaited: str, deadline: float) -> None:
        """Raises StackError if a process has failed, or `awaited` is late."""
        for name, status in self._processes.ended().items():
            if (name, status) != ("deploy", 0):
                raise self._failure(name, f"ended with status {status} at its start")
        if time.monotonic() > deadline:
            slow = f"was not ready after {START_SECONDS:.0f} s"
            raise self._failure(awaited, f"{slow}; on a busy machine try again, nothing is lost")

    def _failure(self, name: str, reason: str) -> StackError:
        return StackError(f"The local stack's {name} {reason}. {self._processes.last_words(name)}")


def runs_at_a_time() -> int:
    """Of a stack's worker: one more than there are cores, since a run waits for the server now
    and then."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return (cores or 1) + 1


def _read_runs(client: SyncPrefectClient, ids: Collection[UUID]) -> list[FlowRun]:
    """All runs in the order of `ids`; the server gives at most 200 at once."""
    from prefect.client.schemas.filters import FlowRunFilter

    wanted = list(ids)
    found: dict[UUID, FlowRun] = {}
    for start in range(0, len(wanted), 200):
        chosen = FlowRunFilter.model_validate({"id": {"any_": wanted[start : start + 200]}})
        found |= {run.id: run for run in client.read_flow_runs(flow_run_filter=chosen)}
    return [found[id_] for id_ in wanted]
