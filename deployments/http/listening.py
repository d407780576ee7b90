"""The socket of a service, bound before anything else is started, and what answers there."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

from models.errors import ConfigurationError

if TYPE_CHECKING:
    from starlette.applications import Starlette

_GRACE_SECONDS = 10
_MOST_HEADER_BYTES = 32_768
_MOST_AT_ONCE = 1_000


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. Raises ConfigurationError, in one sentence."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        listener = socket.socket(family, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((host, port))
    except OSError as error:
        raise ConfigurationError(
            f"{host} port {port} cannot be used ({error.strerror}): stop what listens there, or "
            "choose another port"
        ) from error
    listener.listen(256)
    return listener


def answer(app: Starlette, listener: socket.socket, *, access_log: bool) -> None:
    """Serve there until SIGINT or SIGTERM."""
    import uvicorn

    from deployments.http.punctual import PunctualProtocol

    config = uvicorn.Config(
        app,
        http=PunctualProtocol,
        # Who is at the other end must not be what a header says.
        proxy_headers=False,
        server_header=False,
        access_log=access_log,
        log_config=None,
        h11_max_incomplete_event_size=_MOST_HEADER_BYTES,
        limit_concurrency=_MOST_AT_ONCE,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    uvicorn.Server(config).run(sockets=[listener])
