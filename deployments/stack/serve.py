"""The Prefect server of a local stack, on a socket that is already bound.

``prefect server start`` binds its port seconds after it was chosen, and another program
may have taken it by then. Here the socket comes from the starter: no port is lost, two
stacks never meet, and a client that connects early waits instead of being refused.
"""

from __future__ import annotations

import socket
import sys


def main() -> None:
    """``python -m deployments.stack.serve FILE_DESCRIPTOR``; settings come from the environment."""
    import uvicorn
    from prefect.server.api.server import create_app
    from prefect.settings import get_current_settings

    server = get_current_settings().server
    config = uvicorn.Config(
        create_app(final=True),
        timeout_keep_alive=server.api.keepalive_timeout,
        timeout_graceful_shutdown=2,
        log_level=server.logging_level.lower(),
    )
    uvicorn.Server(config).run(sockets=[socket.socket(fileno=int(sys.argv[1]))])


if __name__ == "__main__":
    main()
