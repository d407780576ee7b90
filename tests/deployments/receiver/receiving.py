"""A receiver on a free port of this machine, in a thread, on real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx

from deployments.receiver.app import create_app
from deployments.receiver.settings import ReceiverSettings
from deployments.web.guards import Guard
from tests.local_http import serving
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
        chosen = ReceiverSettings(**given)
        url = stack.enter_context(serving(lambda: create_app(chosen, guard)))
        yield stack.enter_context(httpx.Client(base_url=url, timeout=PATIENT_SECONDS))
