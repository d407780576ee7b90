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
from tests.local_http import free_port
from tests.patience import PATIENT_SECONDS

REACHED = ("STORAGE_EMULATOR_HOST", "FIRESTORE_EMULATOR_HOST")
"""What a worker needs of this process's environment: where the stores are."""


def _processes(root: Path) -> tuple[Processes, Callable[..., None]]:
    """None yet, and what starts one: by a name, as ``python -m ARGUMENTS``."""
    processes = Processes(root / "logs", grace=5)

    def start(name: str, *arguments: str) -> None:
        home = root / name
        home.mkdir()
        environment = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
            "HOME": str(home),
            "PREFECT_HOME": str(home / "prefect"),
            "OMP_NUM_THREADS": "1",
            "RAY_DISABLE_IMPORT_WARNING": "1",
            **{name: os.environ[name] for name in REACHED},
        }
        processes.start(name, [sys.executable, "-m", *arguments], environment)

    return processes, start


@contextmanager
def dask_cluster(root: Path, preloads: Mapping[str, str]) -> Iterator[tuple[str, Processes]]:
    """The address of a scheduler with a worker of one thread for each name of `preloads`.

    Each has a program that its worker runs first, twice (Dask loads it again).
    """
    from distributed import Client

    processes, start = _processes(root)
    port = free_port()
    address = f"tcp://127.0.0.1:{port}"
    try:
        start(
            "scheduler", "distributed.cli.dask_scheduler", "--host", "127.0.0.1",
            "--port", str(port), "--no-dashboard",
        )  # fmt: skip
        for name, program in preloads.items():
            path = root / f"{name}.py"
            path.write_text(program)
            start(
                name, "distributed.cli.dask_worker", address, "--nthreads", "1", "--name", name,
                "--no-nanny", "--no-dashboard", "--preload", str(path),
            )  # fmt: skip
        client = Client(address, timeout=PATIENT_SECONDS, set_as_default=False)  # type: ignore[no-untyped-call]
        with client:
            client.wait_for_workers(len(preloads), timeout=PATIENT_SECONDS)
        yield address.replace("tcp:", "dask:"), processes
    finally:
        processes.end_all()


@contextmanager
def ray_cluster(root: Path, names: Sequence[str]) -> Iterator[tuple[str, Processes]]:
    """The address of a head that works on nothing, with a node of one processor for each name."""
    processes, start = _processes(root)
    sockets = tempfile.mkdtemp(prefix="ray-")  # their names have room for a short path only
    port, client_port = free_port(), free_port()
    common = ("ray.scripts.scripts", "start", "--block", "--disable-usage-stats")
    local = ("--node-ip-address", "127.0.0.1")
    try:
        start(
            "head", *common, *local, "--head", "--port", str(port), "--num-cpus", "0",
            "--ray-client-server-port", str(client_port), "--include-dashboard", "false",
            "--temp-dir", sockets, "--object-store-memory", str(100 << 20),
        )  # fmt: skip
        _await_up("head", processes, root)
        for name in names:  # one after the other: Ray gives a node's helpers 15 seconds
            start(
                name, *common, *local, "--address", f"127.0.0.1:{port}", "--num-cpus", "1",
                "--object-store-memory", str(100 << 20),
            )  # fmt: skip
            _await_up(name, processes, root)
        yield f"ray://127.0.0.1:{client_port}", processes
    finally:
        processes.end_all()
        shutil.rmtree(sockets, ignore_errors=True)


def _await_up(name: str, processes: Processes, root: Path) -> None:
    """Wait for a node; one that was too slow for itself is started again."""
    log, deadline = root / "logs" / f"{name}.log", time.monotonic() + PATIENT_SECONDS
    while "This command will now block" not in log.read_text():
        assert time.monotonic() < deadline, processes.last_words(name)
        if processes.status(name, within=0.5) is not None:
            processes.start_again(name)
