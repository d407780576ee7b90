"""Parts of a local stack that go away and come back, as nobody but a test has them do."""

from __future__ import annotations

import signal
import time

from deployments.local_stack.claims import claim_port
from deployments.local_stack.stack import LocalStack

SECONDS = 240.0


def end_process(stack: LocalStack, name: str, *, with_signal: int = signal.SIGTERM) -> None:
    """End one alone, as an outage does; the others go on without it."""
    process = stack._processes._running.pop(name)
    process.send_signal(with_signal)
    process.wait()


def start_server_again(stack: LocalStack) -> None:
    """Start the server where it was, on its database. Raises StackError."""
    with claim_port(stack.port) as listener:
        stack._start_server(listener)
    stack._await_server(time.monotonic() + SECONDS)


def start_worker_again(stack: LocalStack) -> None:
    """Start a worker; it comes when it is ready."""
    stack._start_worker()


def deploy_again(stack: LocalStack) -> None:
    """Apply prefect.yaml once more, as after an update. Raises StackError."""
    LocalStack._start_deploying(stack)  # a stack of `tests.stacks` does not by itself
    LocalStack._await_deployments(stack, time.monotonic() + SECONDS)
