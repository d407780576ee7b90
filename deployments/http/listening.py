"""The socket of a service, bound before anything else is started."""

from __future__ import annotations

import socket

from models.errors import ConfigurationError


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
