"""A server that hangs."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import suppress

import httpx

HANGING = """
import socket, sys, time
import uvicorn
from deployments.local_stack import serve

async def app(scope, receive, send):
    if scope["type"] == "http":
        time.sleep(600)

serve.STILL_SECONDS = 2.0
config = uvicorn.Config(app, lifespan="off", log_level="warning")
serve.serve(config, [socket.socket(fileno=int(sys.argv[1]))])
"""


def test_a_server_that_hangs_says_where_and_ends() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = subprocess.Popen(
            [sys.executable, "-c", HANGING, str(listener.fileno())],
            pass_fds=[listener.fileno()],
            stderr=subprocess.PIPE,
            text=True,
        )
        host, port = listener.getsockname()
    with suppress(httpx.TransportError):
        httpx.get(f"http://{host}:{port}/", timeout=600)
    _, said = server.communicate()
    assert server.returncode == 1
    assert "Timeout" in said
    assert "in app" in said  # where it stood
