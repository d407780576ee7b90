"""Clusters of Dask: processes that know no Prefect server and share no folder."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from deployments.local_stack.processes import Processes
from tests.local_http import free_port
from tests.patience import PATIENT_SECONDS

REACHED = ("STORAGE_EMULATOR_HOST", "FIRESTORE_EMULATOR_HOST")
"""What a worker needs of this process's environment: where the stores are."""


@contextmanager
def dask_cluster(root: Path, preloads: Mapping[str, str]) -> Iterator[tuple[str, Processes]]:
    """The address of a scheduler with a worker of one thread for each name of `preloads`.

    Each has a program that its worker runs first, twice (Dask loads it again).
    """
    from distributed import Client

    processes = Processes(root / "logs", grace=5)

    def start(name: str, *arguments: str) -> None:
        home = root / name
        home.mkdir()
        environment = {
            "PATH": os.pathsep.join([str(Path(sys.executable).parent), "/usr/bin", "/bin"]),
            "HOME": str(home),
            "PREFECT_HOME": str(home / "prefect"),
            "OMP_NUM_THREADS": "1",
            **{name: os.environ[name] for name in REACHED},
        }
        processes.start(name, [sys.executable, "-m", *arguments], environment)

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
