"""A process that has imported everything a run needs, and forks for each run.

Importing Prefect and the flows costs a fresh interpreter seconds of the processor; a fork costs
hundredths. Here nothing but imports has happened: no thread runs and no client is open, so a
fork starts where a fresh ``python -m prefect.engine`` would be once it has imported all.

For each request of the worker (`deployments.work_pools.forks`), this process forks twice.
The one in between ends at once, so the run is left to the worker, which adopts orphans: the run
is the worker's own child, with an exit code that the worker sees, and lives on if this process
is killed. A run waits for the worker's word before it does anything, so none can begin of which
the worker does not know.

This process ends when the worker is gone, when a file of what it has imported has changed, and
after `MOST_RUNS`.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import itertools
import json
import os
import pkgutil
import runpy
import signal
import socket
import ssl
import sys
import threading
import time
from collections.abc import Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

MOST_RUNS = 500
"""After which a new one is made: what a process keeps for itself grows with what it does."""
CONTEXTS = 16
MOST_BYTES = 1 << 20
"""Of a request."""
RUN = b"prefect-run"
"""What `ps` and `top` call the process of a run, which has this one's command line."""
_SET_NAME = 15  # PR_SET_NAME of linux/prctl.h
LIBRARIES = (
    *("prefect.engine", "prefect.flow_engine", "prefect.task_engine", "prefect.artifacts"),
    *("prefect.client.orchestration", "prefect.logging.handlers", "prefect._internal.metrics"),
    *("prefect.utilities.visualization", "anyio._backends._asyncio", "anyio.streams.tls"),
    *("rich._emoji_codes", "_strptime"),
    *("panoptes.network.catalog.sqlite", "panoptes.network.fits.archive"),
    *("panoptes.network.fits.content", "panoptes.network.cr2.frame", "panoptes.network.pictures"),
    *("numpy", "imagecodecs", "PIL.Image", "rawpy", "scipy.spatial", "sep"),
)
"""What a run imports by itself while it works, beside the flows and what they import."""
SETTINGS_FILES = ("prefect.toml", "pyproject.toml", ".env")
"""From which Prefect takes settings in the folder of a run."""


def main() -> None:
    """``python -m deployments.work_pools.template_process FILE_DESCRIPTOR``."""
    worker = socket.socket(fileno=int(sys.argv[1]))
    # Ctrl-C in a terminal is for the worker, which ends its runs.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    _import_all()
    _tell(worker, {"ready": os.getpid(), "obstacle": obstacle()})
    run = serve(worker)
    if run is not None:
        _become(run)


def _import_all() -> None:
    import flows

    for name in (
        *LIBRARIES,
        *(f"flows.{each.name}" for each in pkgutil.iter_modules(flows.__path__)),
    ):
        importlib.import_module(name)
    _complete_models()
    _make_contexts()
    _leave_heartbeats()
    gc.collect()
    gc.freeze()


def _complete_models() -> None:
    """Build the validators that pydantic puts off until they are first asked for."""
    from pydantic import BaseModel

    models = BaseModel.__subclasses__()
    while models:
        model = models.pop()
        models += model.__subclasses__()
        if not model.__pydantic_complete__:
            model.model_rebuild(raise_errors=False)


def _authorities() -> str:
    """The file of certificate authorities that Prefect's clients read."""
    import certifi
    from prefect.settings import get_current_settings

    return get_current_settings().api.ssl_cert_file or certifi.where()


def _make_contexts() -> None:
    """Have TLS contexts at hand, one for each client that a run makes.

    A context reads 140 certificate authorities, 15 ms of the processor; a run's clients make a
    dozen, though most talk to a server without TLS. Each still gets one of its own.
    """
    authorities, make = _authorities(), ssl.create_default_context
    made = [make(cafile=authorities) for _ in range(CONTEXTS)]

    def take(*arguments: Any, **options: Any) -> ssl.SSLContext:
        if made and not arguments and options == {"cafile": authorities}:
            return made.pop()
        return make(*arguments, **options)

    ssl.create_default_context = take


def _leave_heartbeats() -> None:
    """Have a run end when its flow has: the thread of its heartbeat sleeps a second at a time.

    Prefect waits for it, which kept one of the worker's places for half a second a run.
    """
    from prefect import flow_engine

    flow_engine._send_heartbeats = partial(flow_engine._send_heartbeats, join_on_exit=False)


def obstacle() -> str | None:
    """Why this process must not fork; None if nothing speaks against it."""
    if threading.active_count() > 1:
        return f"a thread runs in it: {threading.enumerate()[-1].name}"
    return None


def serve(worker: socket.socket) -> dict[str, Any] | None:
    """Fork for each request. Comes back in each run with its request, at the end with None."""
    seen = _stamps()
    for served in itertools.count():
        data, descriptors, _, _ = socket.recv_fds(worker, MOST_BYTES, 3)
        if not data:
            return None
        is_stale = any(_stamp(path) != stamp for path, stamp in seen.items())
        if is_stale or served == MOST_RUNS:
            _tell(worker, {"stale": True})
            return None
        request: dict[str, Any] = json.loads(data)
        try:
            pid = _fork()
        except OSError as error:
            _tell(worker, {"error": str(error)})
        else:
            if pid == 0:
                worker.close()
                return request | {"descriptors": descriptors}
            _tell(worker, {"pid": pid})
        for descriptor in descriptors:
            os.close(descriptor)
    return None


def _fork() -> int:
    """The process id of a run that the worker has adopted; 0 in the run. Raises OSError."""
    reading, writing = os.pipe()
    between = os.fork()
    if between == 0:
        try:
            run = os.fork()
        except OSError as error:
            os.write(writing, f"!{error}".encode())
            os._exit(1)
        if run == 0:
            os.close(reading)
            os.close(writing)
            return 0
        os.write(writing, str(run).encode())
        os._exit(0)
    os.close(writing)
    try:
        os.waitpid(between, 0)
        said = os.read(reading, 1000).decode()
    finally:
        os.close(reading)
    if not said.isdigit():
        raise OSError(said.lstrip("!") or "the process that forks was ended")
    return int(said)


def _become(run: Mapping[str, Any]) -> None:
    """Be what ``python -m prefect.engine`` would be, with the request's environment and folder."""
    go, stdout, stderr = run["descriptors"]
    if not os.read(go, 1):
        os._exit(0)  # the worker does not know of this run, and starts it otherwise
    for descriptor, standard in ((os.open(os.devnull, os.O_RDONLY), 0), (stdout, 1), (stderr, 2)):
        os.dup2(descriptor, standard)
        os.close(descriptor)
    os.close(go)
    ctypes.CDLL(None).prctl(_SET_NAME, RUN, 0, 0, 0)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    os.environ.clear()
    os.environ.update(run["env"])
    time.tzset()
    os.chdir(run["cwd"])
    sys.path[0] = str(Path.cwd())
    importlib.invalidate_caches()

    if any(Path(name).exists() for name in SETTINGS_FILES):
        from prefect.context import refresh_global_settings_context
        from prefect.logging.configuration import setup_logging

        refresh_global_settings_context()
        setup_logging(incremental=False)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed()
    engine = sys.modules.pop("prefect.engine")
    sys.argv = [str(engine.__file__)]
    runpy.run_module("prefect.engine", run_name="__main__", alter_sys=True)


def _stamps() -> dict[str, tuple[int, int] | None]:
    """Of every file that this process has read: of modules, authorities and settings."""
    paths = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    from prefect.settings import get_current_settings

    paths |= {_authorities(), str(get_current_settings().profiles_path)}
    return {path: _stamp(path) for path in paths if path}


def _stamp(path: str) -> tuple[int, int] | None:
    """Size and time of change; None where there is no such file."""
    try:
        status = Path(path).stat()
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns


def _tell(worker: socket.socket, answer: Mapping[str, Any]) -> None:
    with suppress(BrokenPipeError, ConnectionResetError):
        worker.send(json.dumps(answer).encode())


if __name__ == "__main__":
    main()
