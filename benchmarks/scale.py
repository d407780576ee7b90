"""Events and runs of many units against a real Prefect server: ``python -m benchmarks.scale``.

Each event is of another observation, so that an automation makes a run of each, and the workers
ask Prefect all that a run of one file asks, but only sleep for its work. What is measured is
Prefect's server: its processor time a run, and the time from an event to its run's begin. The
figures are in docs/scale.md. `--servers 2` starts two of them and their services, with Redis, as
Prefect's documentation says (it needs prefect-redis and redis-server).
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import shutil
import sys
import tempfile
import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from benchmarks.events import quantiles
from deployments.local_stack.processes import Processes
from deployments.local_stack.stack import ON_SQLITE, TUNING
from deployments.work_pools.deploy import WORK_POOL
from tests.local_http import free_port, free_ports
from tests.postgres import postgres

CAMERAS = 2
"""Of a unit."""
CADENCE = 120.0
"""Seconds between two frames of a camera."""
SLEEP_SECONDS = 2.0
"""What the work of a run takes."""
SEQUENCE_LABEL = "panoptes.observation.id"


@dataclass
class Night:
    """What became of the events, in seconds since 1970, by observation."""

    sent: dict[str, float] = field(default_factory=dict)
    made: dict[str, float] = field(default_factory=dict)
    begun: dict[str, float] = field(default_factory=dict)
    ended: dict[str, float] = field(default_factory=dict)


@contextmanager
def servers(folder: Path, count: int, database: str | None) -> Iterator[tuple[list[str], Load]]:
    """The addresses of one or more Prefect servers over one database."""
    processes = Processes(folder / "logs", grace=5)
    home = {"PATH": os.environ["PATH"], "HOME": str(folder), "PREFECT_HOME": str(folder / "home")}
    settings = {**home, **TUNING, "PREFECT_SERVER_UI_ENABLED": "false"}
    if database:
        settings["PREFECT_SERVER_DATABASE_CONNECTION_URL"] = database
    else:
        settings |= ON_SQLITE
    ports = free_ports(count)
    names = [f"server-{number}" for number in range(count)]
    try:
        if count > 1:
            settings |= _redis(processes, settings)
        for name, port in zip(names, ports, strict=True):
            own = settings | {
                "PREFECT_SERVER_API_HOST": "127.0.0.1",
                "PREFECT_SERVER_API_PORT": str(port),
            }
            command = ["-m", "deployments.local_stack.serve"]
            if count > 1:
                command = ["-m", "prefect", "server", "start", "--no-services", "--port", str(port)]
            processes.start(name, [sys.executable, *command], own)
            _await(f"http://127.0.0.1:{port}/api/health", processes)
        if count > 1:
            names.append("services")
            command = ["-m", "prefect", "server", "services", "start"]
            processes.start("services", [sys.executable, *command], settings)
        urls = [f"http://127.0.0.1:{port}/api" for port in ports]
        yield urls, Load(processes, names, folder / "postgres" / "postmaster.pid")
    finally:
        processes.end_all()


def _redis(processes: Processes, settings: dict[str, str]) -> dict[str, str]:
    port = str(free_port())
    program = shutil.which("redis-server")
    if program is None:
        sys.exit("two servers need redis-server")
    command = [program, "--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", "/tmp"]
    processes.start("redis", command, settings)
    return {
        "PREFECT_MESSAGING_BROKER": "prefect_redis.messaging",
        "PREFECT_MESSAGING_CACHE": "prefect_redis.messaging",
        "PREFECT_SERVER_EVENTS_CAUSAL_ORDERING": "prefect_redis.ordering",
        "PREFECT_SERVER_CONCURRENCY_LEASE_STORAGE": "prefect_redis.lease_storage",
        "PREFECT_REDIS_MESSAGING_HOST": "127.0.0.1",
        "PREFECT_REDIS_MESSAGING_PORT": port,
        "PREFECT_REDIS_MESSAGING_DB": "0",
    }


def _await(url: str, processes: Processes) -> None:
    deadline = time.monotonic() + 300
    while time.monotonic() < deadline:
        with contextlib.suppress(httpx.TransportError):
            if httpx.get(url, timeout=2).is_success:
                return
        if gone := processes.ended():
            sys.exit(processes.last_words(next(iter(gone))))
        time.sleep(0.5)
    sys.exit(f"{url} did not answer")


@dataclass(frozen=True)
class Load:
    """Processor seconds so far."""

    processes: Processes
    names: list[str]
    postmaster: Path

    def seconds(self) -> dict[str, float]:
        spent = {name: cpu_seconds(self.processes.process_id(name)) for name in self.names}
        if self.postmaster.exists():
            spent["postgres"] = cpu_seconds(
                int(self.postmaster.read_text().split()[0]), children=True
            )
        return spent


def cpu_seconds(process: int, *, children: bool = False) -> float:
    """Of a process; `children`: and of those that it has, and of those that have ended."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    ticks = sum(int(each) for each in fields[11 : 15 if children else 13])
    spent = ticks / os.sysconf("SC_CLK_TCK")
    if children:
        tasks = Path(f"/proc/{process}/task/{process}/children").read_text().split()
        for child in tasks:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                spent += cpu_seconds(int(child))
    return spent


class Api:
    """Prefect's, asked as its client does: again where it is busy or breaks off."""

    def __init__(self, url: str) -> None:
        limits = httpx.Limits(max_connections=200, keepalive_expiry=2.0)
        self.client = httpx.AsyncClient(base_url=url, timeout=120, limits=limits)

    async def ask(self, method: str, path: str, document: Any = None) -> Any:
        for pause in (1.0, 2.0, 4.0, 8.0, None):
            try:
                answer = await self.client.request(method, path, json=document)
                if answer.status_code not in (429, 502, 503) or pause is None:
                    answer.raise_for_status()
                    return answer.json() if answer.content else None
            except httpx.TransportError:
                if pause is None:
                    raise
            await asyncio.sleep(pause)
        raise AssertionError


async def prepare(api: Api) -> tuple[str, str]:
    """A work pool, a deployment and the automation of prefect.yaml; the pool's name, deployment."""

    async def made(path: str, **document: Any) -> dict[str, Any]:
        found: dict[str, Any] = await api.ask("POST", path, document)
        return found

    flow = await made("/flows/", name="ingest-observation")
    await made("/work_pools/", name=WORK_POOL, type="process", base_job_template={})
    deployment = await made(
        "/deployments/", name="local", flow_id=flow["id"], work_pool_name=WORK_POOL,
        parameters={}, entrypoint="flows.ingest_observation.ingest_observation",
    )  # fmt: skip
    await made(
        "/automations/",
        name="ingest what has arrived",
        enabled=True,
        trigger={
            "type": "event", "posture": "Reactive", "threshold": 1, "within": 15,
            "match": {"prefect.resource.id": "panoptes.observation.*"},
            "expect": ["panoptes.file.arrived"], "for_each": ["prefect.resource.id"],
        },
        actions=[{
            "type": "run-deployment", "source": "selected", "deployment_id": deployment["id"],
            "parameters": {"sequence_id": {
                "__prefect_kind": "jinja",
                "template": "{{ event.resource['panoptes.observation.id'] }}",
            }},
        }],
    )  # fmt: skip
    await asyncio.sleep(5)  # an automation is not awake at once
    return WORK_POOL, str(deployment["id"])


async def send(api: Api, night: Night, rate: float, seconds: float) -> None:
    """Events at this rate, those of half a second in one request, as the receiver does."""
    begun, number = time.time(), 0
    while number < rate * seconds:
        due = min(int((time.time() - begun) * rate) + 1, int(rate * seconds + 0.5))
        batch = [_event(each) for each in range(number, due)]
        if batch:
            await api.ask("POST", "/events", batch)
            for each in batch:
                night.sent[each["resource"][SEQUENCE_LABEL]] = time.time()
            number = due
        if number >= int(rate * seconds + 0.5):
            return
        await asyncio.sleep(0.5)


def _event(number: int) -> dict[str, Any]:
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
    name = f"PAN{1 + number % 999:03d}_{0xABC000 + number % 7:06x}_{start:%Y%m%dT%H%M%S}"
    resource = {"prefect.resource.id": f"panoptes.observation.{name}", SEQUENCE_LABEL: name}
    return _document("panoptes.file.arrived", resource)


def _document(event: str, resource: dict[str, str]) -> dict[str, Any]:
    now = datetime.now(UTC).isoformat()
    return {"id": str(uuid.uuid4()), "occurred": now, "event": event, "resource": resource}


async def work(apis: list[Api], pool: str, night: Night, events: int) -> None:
    """A worker that asks once a second, and has any number of runs at once."""
    running: set[asyncio.Task[None]] = set()
    seen: set[str] = set()
    turn = 0
    while len(night.ended) < events:
        waiting = await apis[0].ask(
            "POST", f"/work_pools/{pool}/get_scheduled_flow_runs", {"limit": 200}
        )
        for each in waiting:
            run = each["flow_run"]
            if run["id"] not in seen:
                seen.add(run["id"])
                turn += 1
                running.add(asyncio.create_task(_run(apis[turn % len(apis)], night, run)))
        running = {task for task in running if not task.done() or task.result()}
        await asyncio.sleep(1.0)


async def _run(api: Api, night: Night, run: dict[str, Any]) -> None:
    """What a run of one file asks of Prefect."""
    name, path = run["parameters"]["sequence_id"], f"/flow_runs/{run['id']}"

    async def state(kind: str) -> None:
        await api.ask("POST", f"{path}/set_state", {"state": {"type": kind}, "force": False})

    night.made[name] = datetime.fromisoformat(run["created"]).timestamp()
    await state("PENDING")
    await api.ask("GET", path)
    await api.ask("GET", f"/deployments/{run['deployment_id']}")
    await state("RUNNING")
    night.begun[name] = time.time()
    artifact = {"type": "progress", "key": name.lower().replace("_", "-"), "data": 0.0}
    made = await api.ask("POST", "/artifacts/", artifact | {"flow_run_id": run["id"]})
    await asyncio.sleep(SLEEP_SECONDS)
    log = {
        "name": "prefect.flow_runs", "level": 20, "message": "1 catalogued",
        "timestamp": datetime.now(UTC).isoformat(), "flow_run_id": run["id"],
    }  # fmt: skip
    await api.ask("POST", "/logs/", [log] * 6)
    await api.ask("POST", "/events", [_task_event(run["id"], number) for number in range(15)])
    await api.ask("PATCH", f"/artifacts/{made['id']}", {"data": 100.0})
    await state("COMPLETED")
    night.ended[name] = time.time()


def _task_event(run: str, number: int) -> dict[str, Any]:
    """Of five tasks, each of which is pending, runs and completes."""
    kind = ("Pending", "Running", "Completed")[number % 3]
    task = uuid.uuid5(uuid.UUID(run), str(number // 3))
    now = datetime.now(UTC).isoformat()
    document = _document(
        f"prefect.task-run.{kind}", {"prefect.resource.id": f"prefect.task-run.{task}"}
    )
    validated = {"type": kind.upper(), "name": kind, "timestamp": now, "id": str(uuid.uuid4())}
    return document | {
        "related": [
            {"prefect.resource.id": f"prefect.flow-run.{run}", "prefect.resource.role": "flow-run"}
        ],
        "payload": {
            "intended": {"from": None, "to": kind.upper()},
            "validated_state": validated,
            "task_run": {
                "name": f"step {number // 3}", "task_key": "step", "dynamic_key": str(number // 3),
                "run_count": 1, "flow_run_run_count": 1,
            },
        },
    }  # fmt: skip


async def simulate(
    urls: list[str], load: Load, rate: float, seconds: float, patience: float
) -> None:
    night = Night()
    async with contextlib.AsyncExitStack() as opened:
        apis = [Api(url) for url in urls]
        for api in apis:
            await opened.enter_async_context(api.client)
        pool, _ = await prepare(apis[0])
        before, begun = load.seconds(), time.time()
        events = int(rate * seconds + 0.5)
        working = asyncio.create_task(work(apis, pool, night, events))
        await send(apis[-1], night, rate, seconds)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(working, patience)
        spent = {name: used - before[name] for name, used in load.seconds().items()}
    took = max(night.ended.values(), default=begun) - begun
    runs = len(night.ended)
    print(f"{events} events, {rate:.2f} a second; {runs} runs in {took:.0f} s: "
          f"{runs / max(took, 1e-9):.2f} a second")  # fmt: skip
    print("event to run made: " + quantiles([night.made[n] - night.sent[n] for n in night.made]))
    print("event to run begun: " + quantiles([night.begun[n] - night.sent[n] for n in night.begun]))
    for name, used in spent.items():
        print(f"{name}: {used:.1f} CPU s, {1000 * used / max(1, runs):.0f} ms a run")
    print(f"load of the machine: {os.getloadavg()[0]:.1f}")


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--units", type=int, default=50)
    parser.add_argument("--window", type=float, default=CADENCE, help="seconds; a run a window")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--postgres", action="store_true", help="PostgreSQL in place of SQLite")
    parser.add_argument("--servers", type=int, default=1, help="2 or more: with Redis")
    parser.add_argument("--patience", type=float, default=120, help="seconds after the last event")
    given = parser.parse_args()
    rate = given.units * CAMERAS / max(given.window, CADENCE)
    with ExitStack() as opened:
        folder = Path(opened.enter_context(tempfile.TemporaryDirectory(prefix="panoptes-scale-")))
        database = opened.enter_context(postgres(folder)) if given.postgres else None
        urls, load = opened.enter_context(servers(folder, given.servers, database))
        which = "PostgreSQL" if given.postgres else "SQLite"
        print(f"{given.units} units, a run a camera and {max(given.window, CADENCE):.0f} s; "
              f"{which}, {given.servers} server(s)")  # fmt: skip
        asyncio.run(simulate(urls, load, rate, given.seconds, given.patience))


if __name__ == "__main__":
    main()
