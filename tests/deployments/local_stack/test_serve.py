"""A server that hangs, and what would make it hang."""

from __future__ import annotations

import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress

import httpx

from deployments.local_stack.stack import LocalStack
from flows.runs import INGEST
from tests.patience import PATIENT_SECONDS

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


COLLECTING = """
import socket, sys, threading
import uvicorn
from deployments.local_stack import serve

class Cycle:
    def __init__(self):
        self.me = self
    def __del__(self):
        print(threading.current_thread().name, flush=True)

async def app(scope, receive, send):
    if scope["type"] == "http":
        for _ in range(100_000):
            [].append([])
        Cycle()
        kept = [{} for _ in range(100_000)]  # would have the loop's thread collect
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

serve.COLLECT_SECONDS = 0.1
config = uvicorn.Config(app, lifespan="off", log_level="warning")
serve.serve(config, [socket.socket(fileno=int(sys.argv[1]))])
"""


def test_the_event_loop_frees_no_cursor_of_a_connection_that_waits() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = subprocess.Popen(
            [sys.executable, "-c", COLLECTING, str(listener.fileno())],
            pass_fds=[listener.fileno()],
            stdout=subprocess.PIPE,
            text=True,
        )
        host, port = listener.getsockname()
    try:
        httpx.get(f"http://{host}:{port}/", timeout=600).raise_for_status()
        assert server.stdout is not None
        assert server.stdout.readline().strip() == "garbage collection"
    finally:
        server.kill()
        server.communicate()


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


def test_whoever_writes_beside_others_waits_and_is_not_refused(prefect_stack: LocalStack) -> None:
    with prefect_stack.client() as client:
        flow_id = str(client.read_deployment_by_name(INGEST).flow_id)

    def one_run(number: int) -> list[int]:
        """The statuses of what the server answered to a run from its beginning to its end."""
        with httpx.Client(base_url=prefect_stack.api_url, timeout=600) as http:
            made = http.post(
                "/flow_runs/", json={"flow_id": flow_id, "state": {"type": "SCHEDULED"}}
            )
            made.raise_for_status()
            path = f"/flow_runs/{made.json()['id']}/set_state"
            moves = [
                http.post(path, json={"state": {"type": state}})
                for state in ("PENDING", "RUNNING", "COMPLETED")
            ]
            return [each.status_code for each in (made, *moves)]

    with ThreadPoolExecutor(16) as threads:
        answers = Counter(status for run in threads.map(one_run, range(64)) for status in run)
    assert answers == {201: 256}


def test_reads_are_answered_while_writers_wait_for_another_program(
    prefect_stack: LocalStack,
) -> None:
    with prefect_stack.client() as client:
        flow_id = str(client.read_deployment_by_name(INGEST).flow_id)

    def request(path: str, body: object) -> int:
        return httpx.post(f"{prefect_stack.api_url}{path}", json=body, timeout=600).status_code

    database = prefect_stack.home / "prefect" / "prefect.db"
    other = sqlite3.connect(database, isolation_level=None, timeout=PATIENT_SECONDS)
    with closing(other), ThreadPoolExecutor(40) as threads:
        other.execute("BEGIN IMMEDIATE")
        run = {"flow_id": flow_id, "state": {"type": "SCHEDULED"}}
        writers = [threads.submit(request, "/flow_runs/", run) for _ in range(40)]
        reads = []
        for _ in range(5):
            time.sleep(0.5)
            reads.append(request("/flows/filter", {}))
        waiting = [not writer.done() for writer in writers]
        other.execute("ROLLBACK")
        assert reads == [200] * 5
        assert all(waiting)
        assert {writer.result() for writer in writers} == {201}
