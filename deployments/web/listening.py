"""The socket of a service, bound before anything else is started, and what answers there."""

from __future__ import annotations

import resource
import socket
from typing import TYPE_CHECKING

from panoptes.network.errors import ConfigurationError

if TYPE_CHECKING:
    import uvicorn
    from starlette.types import ASGIApp

_GRACE_SECONDS = 10
_STALL_SECONDS = 30
"""For a peer that takes nothing of an answer."""
_MOST_HEADER_BYTES = 32_768
_AT_ONCE = 50
"""So many connections are taken before anything else is done."""
MOST_FILES = 8192
"""That the process opens, where the system lets it."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises ConfigurationError, in one sentence."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if hasattr(socket, "TCP_USER_TIMEOUT"):
            milliseconds = int(_STALL_SECONDS * 1000)
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, milliseconds)
        listener.bind((host, port))
    except OSError as error:
        raise ConfigurationError(
            f"{host} port {port} cannot be used ({error.strerror}): stop what listens there, or "
            "choose another port"
        ) from error
    listener.listen()
    return listener


def _files() -> int:
    """How many files this process may open; more than the usual 1,024 if it can have them."""
    allowed, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if most == resource.RLIM_INFINITY else min(most, MOST_FILES)
    if allowed < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))
    return wanted


def server(app: ASGIApp, *, access_log: bool = False) -> uvicorn.Server:
    """How every service is served: until SIGINT or SIGTERM, where it is run."""
    import uvicorn

    from deployments.web.punctual import LingeringClose, PatientServer, PunctualProtocol

    config = uvicorn.Config(
        LingeringClose(app),
        http=PunctualProtocol,
        ws="none",
        backlog=_AT_ONCE,
        # Who is at the other end must not be what a header says.
        proxy_headers=False,
        server_header=False,
        access_log=access_log,
        log_config=None,
        h11_max_incomplete_event_size=_MOST_HEADER_BYTES,
        limit_concurrency=_files() * 3 // 4,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    return PatientServer(config)
