"""The socket of a service, bound before anything else is started, and what answers there."""

from __future__ import annotations

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
_MOST_AT_ONCE = 950
"""Connections, few enough for a process that may open 1,024 files. Those that have not asked
yet are never so many, see `punctual`: beyond this, as many are being answered."""
_BACKLOG = 100
"""So many connections are taken before anything else is done."""


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
    listener.listen(_BACKLOG)
    return listener


def answer(app: ASGIApp, listener: socket.socket, *, access_log: bool) -> None:
    """Serve there until SIGINT or SIGTERM."""
    import uvicorn

    uvicorn.Server(config(app, access_log=access_log)).run(sockets=[listener])


def config(app: ASGIApp, *, access_log: bool = False) -> uvicorn.Config:
    """How every service is served."""
    import uvicorn

    from deployments.services.punctual import PunctualProtocol

    return uvicorn.Config(
        app,
        http=PunctualProtocol,
        ws="none",
        backlog=_BACKLOG,
        # Who is at the other end must not be what a header says.
        proxy_headers=False,
        server_header=False,
        access_log=access_log,
        log_config=None,
        h11_max_incomplete_event_size=_MOST_HEADER_BYTES,
        limit_concurrency=_MOST_AT_ONCE,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
