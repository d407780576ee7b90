"""Services on a free port of this machine, on real sockets."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import httpx

from deployments.services.app import create_app
from deployments.services.settings import ServiceSettings
from panoptes.network.lookup.sesame import Sesame
from panoptes.network.site import Site
from tests.archives import IMAGE
from tests.local_http import serving
from tests.patience import PATIENT_SECONDS

FILE = f"/files/images/{IMAGE}.fits.fz"
NOWHERE = "http://127.0.0.1:1/nph-sesame"
"""A Sesame that is away."""


@contextmanager
def served(site: Site, sesame_url: str = NOWHERE, **settings: Any) -> Iterator[httpx.Client]:
    """A client of the services, open unless a token is given."""
    chosen = ServiceSettings(**{"open": "token" not in settings} | settings)
    with ExitStack() as stack:
        asked = Sesame((sesame_url,), timeout=10.0, pause=0.0)
        url = stack.enter_context(serving(lambda: create_app(site, chosen, sesame=asked)))
        yield stack.enter_context(httpx.Client(base_url=url, timeout=PATIENT_SECONDS))
