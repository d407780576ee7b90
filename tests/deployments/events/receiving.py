"""A receiver on a free port of this machine, in a thread, on real sockets."""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx
import uvicorn

from deployments.events.authentication import Guard
from deployments.events.settings import ReceiverSettings
from deployments.receiver import create_app
from tests.patience import PATIENT_SECONDS

NOWHERE = "http://127.0.0.1:1/api"
"""A Prefect that is away."""


@contextmanager
def receiving(
    api_url: str = NOWHERE, *, guard: Guard | None = None, **settings: Any
) -> Iterator[httpx.Client]:
    """A client whose base is a running receiver, open unless a guard or secret is given."""
    from prefect.settings import PREFECT_API_URL, temporary_settings

    is_open = guard is None and not settings.keys() & {"secret", "audience", "service_accounts"}
    with ExitStack() as stack:
        stack.enter_context(temporary_settings({PREFECT_API_URL: api_url}))
        # The tests' nights are of a fixed date.
        given = {"open": is_open, "live_nights": 36_500} | settings
        app = create_app(ReceiverSettings(**given), guard)
        config = uvicorn.Config(app, port=0, log_config=None, proxy_headers=False)
        server = uvicorn.Server(config)
        # Prefect's settings are of a context, and a new thread has one of its own.
        thread = threading.Thread(target=contextvars.copy_context().run, args=[server.run])
        thread.start()
        try:
            deadline = time.monotonic() + PATIENT_SECONDS
            while not server.started:
                assert thread.is_alive(), "the receiver has ended at its start"
                assert time.monotonic() < deadline, "the receiver did not start"
                time.sleep(0.01)
            port = server.servers[0].sockets[0].getsockname()[1]
            base = f"http://127.0.0.1:{port}"
            yield stack.enter_context(httpx.Client(base_url=base, timeout=30))
        finally:
            server.should_exit = True
            thread.join()
