"""Clusters of Dask and Ray: processes that know no Prefect server and share no folder."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from deployments.local_stack.processes import Processes
from tests.local_http import free_port, free_ports
from tests.patience import PATIENT_SECONDS

REACHED = ("STORAGE_EMULATOR_HOST", "FIRESTORE_EMULATOR_HOST")
"""What a worker needs of this process's environment: where the stores are."""

RAYS_PATIENCE = {
    "RAY_agent_register_timeout_ms": str(int(1000 * PATIENT_SECONDS)),
    "RAY_health_check_timeout_ms": str(int(1000 * PATIENT_SECONDS)),
    "RAY_worker_register_timeout_seconds": str(int(PATIENT_SECONDS)),
    "RAY_CLIENT_SERVER_CHECK_CHANNEL_TIMEOUT_S": str(int(PATIENT_SECONDS)),
    "GRPC_ENABLE_FORK_SUPPORT": "0",
}
"""What a head and its nodes wait for their helpers, workers and each other. A head forks for each
client, and of gRPC's own way to go through a fork the child now and then dies."""
HELPERS = ("dashboard-agent-grpc-port", "runtime-env-agent-port", "metrics-export-port")
"""A node waits 15 seconds, and no setting makes it more, for a helper to tell its port in a file;
it does not wait for one whose port it was given. `ray start` forgets to hand it a fourth."""
FOURTH = "dashboard_agent_listen_port"


def _processes(root: Path, settings: Mapping[str, str]) -> tuple[Processes, Callable[..., None]]:
    """None yet, and what starts one: by a name, as ``python -m ARGUMENTS``."""
    processes = Processes(root / "logs", grace=5)

    def start(name: str, *arguments: str, **further: str) -> None:
        home = root / name
        home.mkdir()
        environment = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
            "HOME": str(home),
            "PREFECT_HOME": str(home / "prefect"),
            "OMP_NUM_THREADS": "1",
            **settings,
            **further,
            **{name: os.environ[name] for name in REACHED},
        }
        processes.start(name, [sys.executable, "-m", *arguments], environment)

    return processes, start


def tls_settings(folder: Path) -> dict[str, str]:
    """Dask's settings for a cluster that speaks nothing but TLS, with its certificate there."""
    from distributed import Security

    made = Security.temporary()  # type: ignore[no-untyped-call]
    certificate, key = folder / "certificate.pem", folder / "key.pem"
    certificate.write_text(made.tls_ca_file)  # signed by itself
    key.write_text(made.tls_client_key)
    settings = {"require-encryption": "true", "tls.ca-file": str(certificate)}
    for role in ("client", "scheduler", "worker"):
        settings |= {f"tls.{role}.cert": str(certificate), f"tls.{role}.key": str(key)}
    return {f"distributed.comm.{name}": value for name, value in settings.items()}


def _variable(setting: str) -> str:
    """The environment variable in which Dask looks for a setting."""
    return f"DASK_{setting.replace('.', '__').replace('-', '_').upper()}"


@contextmanager
def dask_cluster(
    root: Path,
    preloads: Mapping[str, str],
    *,
    nannies: bool = False,
    tls: Mapping[str, str] | None = None,
) -> Iterator[tuple[str, Processes]]:
    """The address of a scheduler with a worker of one thread for each name of `preloads`.

    Each has a program that its worker runs first, twice (Dask loads it again). A worker with a
    nanny is started again when it has died. With `tls_settings`, this process has them as well.
    """
    import dask
    from distributed import Client

    tls = tls or {}
    processes, start = _processes(root, {_variable(name): said for name, said in tls.items()})
    port, protocol = free_port(), "tls" if tls else "tcp"
    address = f"{protocol}://127.0.0.1:{port}"
    try:
        start(
            "scheduler", "distributed.cli.dask_scheduler", "--host", "127.0.0.1",
            "--port", str(port), "--protocol", protocol, "--no-dashboard",
        )  # fmt: skip
        for name, program in preloads.items():
            path = root / f"{name}.py"
            path.write_text(program)
            start(
                name, "distributed.cli.dask_worker", address, "--nthreads", "1", "--name", name,
                "--nanny" if nannies else "--no-nanny", "--no-dashboard", "--preload", str(path),
            )  # fmt: skip
        with dask.config.set(tls):
            client = Client(address, timeout=PATIENT_SECONDS, set_as_default=False)  # type: ignore[no-untyped-call]
            with client:
                client.wait_for_workers(len(preloads), timeout=PATIENT_SECONDS)
            yield f"{'dask+tls' if tls else 'dask'}://127.0.0.1:{port}", processes
    finally:
        processes.end_all()


@contextmanager
def ray_cluster(root: Path, names: Sequence[str]) -> Iterator[tuple[str, Processes]]:
    """The address of a head that works on nothing, with a node of one processor for each name."""
    processes, start = _processes(root, RAYS_PATIENCE)
    sockets = tempfile.mkdtemp(prefix="ray-")  # their names have room for a short path only
    port, client_port = free_ports(2)

    def node(name: str, *options: str) -> None:
        taken = zip(HELPERS, free_ports(len(HELPERS)), strict=True)
        ports = [word for each, free in taken for word in (f"--{each}", str(free))]
        start(
            name, "ray.scripts.scripts", "start", "--block", "--disable-usage-stats",
            "--node-ip-address", "127.0.0.1", "--object-store-memory", str(100 << 20),
            "--min-worker-port", "0", "--max-worker-port", "0", *ports, *options,
            RAY_OVERRIDE_NODE_ID_FOR_TESTING=_node_id(name),
        )  # fmt: skip
        _await_up(name, processes, root, Path(sockets))

    try:
        node(
            "head", "--head", "--port", str(port), "--num-cpus", "0",
            "--ray-client-server-port", str(client_port), "--include-dashboard", "false",
            "--temp-dir", sockets,
        )  # fmt: skip
        for name in names:
            node(name, "--address", f"127.0.0.1:{port}", "--num-cpus", "1")
        yield f"ray://127.0.0.1:{client_port}", processes
    finally:
        processes.end_all()
        shutil.rmtree(sockets, ignore_errors=True)


def _node_id(name: str) -> str:
    return name.encode().hex().ljust(56, "0")


def _await_up(name: str, processes: Processes, root: Path, temporary: Path) -> None:
    """Wait for a node; one that was too slow for itself is started again."""
    log, deadline = root / "logs" / f"{name}.log", time.monotonic() + PATIENT_SECONDS
    told = temporary / "session_latest" / f"{FOURTH}_{_node_id(name)}"
    while "This command will now block" not in log.read_text():
        assert time.monotonic() < deadline, processes.last_words(name)
        if told.parent.exists() and not told.exists():
            told.write_text("-1")  # what the helper of this installation says: it has none
        if processes.status(name, within=0.1) is not None:
            processes.start_again(name)
