"""Storage events under load: ``python -m benchmarks.events --rate 33 --seconds 60``.

Each event is of another observation, so each must have a run of its own: the hardest case
there is. Needs a machine with nothing else to do; its figures go into docs/events.md.
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from deployments.local_stack.stack import LocalStack
from panoptes.network.site import Site

SECRET = "only for this measurement"
MOST_TRIES = 30
SENDERS = 200


@dataclass
class Seen:
    """What the senders saw."""

    answered: list[float] = field(default_factory=list)
    """Seconds from POST to 204."""
    statuses: list[int] = field(default_factory=list)
    """0 for no answer."""
    sent: dict[str, float] = field(default_factory=dict)
    """When an event was accepted, by observation; seconds since 1970."""


def event(number: int, bucket: str) -> tuple[str, dict[str, Any]]:
    """The observation, and a Pub/Sub push about its first file."""
    start = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=number)
    sequence = f"{start:%Y%m%dT%H%M%S}"
    unit, camera = f"PAN{1 + number % 200:03d}", f"{0xABC000 + number % 7:06x}"
    attributes = {
        "bucketId": bucket,
        "objectId": f"{unit}/{camera}/{sequence}/{sequence}.fits",
        "objectGeneration": str(10**9 + number),
        "eventType": "OBJECT_FINALIZE",
        "payloadFormat": "NONE",
    }
    message = {"attributes": attributes, "messageId": str(number)}
    return f"{unit}_{camera}_{sequence}", {"message": message, "subscription": "load"}


def send_all(base: str, count: int, rate: float, bucket: str) -> Seen:
    """Events at `rate` a second, however long the answers take; who is refused comes again.

    With http.client, because a client that costs more than the receiver measures itself.
    """
    seen = Seen()
    address = base.removeprefix("http://")
    headers = {"Authorization": f"Bearer {SECRET}", "Content-Type": "application/json"}
    own = threading.local()

    def post(body: str) -> int:
        if not hasattr(own, "connection"):
            own.connection = http.client.HTTPConnection(address, timeout=60)
        try:
            own.connection.request("POST", "/events", body, headers)
            with own.connection.getresponse() as answer:
                answer.read()
                return int(answer.status)
        except (OSError, http.client.HTTPException):  # an idle connection was just being closed
            own.connection.close()
            return 0

    def send(number: int) -> None:
        observation, content = event(number, bucket)
        body = json.dumps(content)
        for attempt in range(MOST_TRIES):
            sent = time.time()
            status = post(body)
            seen.statuses.append(status)
            if status == 204:
                seen.answered.append(time.time() - sent)
                seen.sent[observation] = sent
                return
            time.sleep((1 + attempt) if status else 0)

    begun = time.monotonic()
    with ThreadPoolExecutor(SENDERS) as senders:
        sending = []
        for number in range(count):
            time.sleep(max(0.0, begun + number / rate - time.monotonic()))
            sending.append(senders.submit(send, number))
        for each in sending:
            each.result()
    return seen


def await_runs(api: str, seen: Seen, seconds: float) -> list[float]:
    """Seconds from an event to its run, of the runs that exist `seconds` later at most."""
    deadline = time.monotonic() + seconds
    ingesting = {"flows": {"name": {"any_": ["ingest-observation"]}}}
    with httpx.Client(base_url=api, timeout=120) as client:
        while (
            client.post("/flow_runs/count", json=ingesting).json() < len(seen.sent)
            and time.monotonic() < deadline
        ):
            time.sleep(2)
        lags: dict[str, float] = {}
        query: dict[str, Any] = {"limit": 200, "offset": 0, "sort": "ID_DESC"}
        while page := client.post("/flow_runs/filter", json=query).json():
            query["offset"] += len(page)
            for run in page:
                name = run["parameters"].get("sequence_id")
                if name in seen.sent:
                    created = datetime.fromisoformat(run["created"]).timestamp()
                    lags[name] = created - seen.sent[name]
    return sorted(lags.values())


def await_receiver(base: str) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"{base}/readyz").is_success:
                time.sleep(3)  # an automation is not awake at once
                return
        except httpx.TransportError:
            pass
        time.sleep(0.3)
    sys.exit("the receiver did not become ready")


def cpu_seconds(stack: LocalStack, name: str) -> float:
    """Of a process of the stack so far."""
    fields = Path(f"/proc/{stack.process_id(name)}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def quantiles(values: Sequence[float]) -> str:
    if not values:
        return "none"
    ordered = sorted(values)
    parts = [(50, 0.5), (90, 0.9), (99, 0.99)]
    words = [f"p{name} {ordered[int(len(ordered) * part)]:.2f}" for name, part in parts]
    return ", ".join([*words, f"most {ordered[-1]:.2f} s"])


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.events", description=__doc__)
    parser.add_argument("--rate", type=float, default=33, help="events a second")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--database", help="postgresql+asyncpg://..., for SQLite leave it out")
    parser.add_argument("--patience", type=float, default=300, help="seconds to wait for runs")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="panoptes-load-") as folder:
        home = Path(folder)
        site = Site.in_folder(home / "data", rest_seconds=0)
        site.check()
        with LocalStack(
            home / "prefect", site=site, worker=False, database=given.database
        ) as stack:
            measure(stack, site, given)


def measure(stack: LocalStack, site: Site, given: argparse.Namespace) -> None:
    port = 8477
    stack.run_beside(
        "receiver",
        ["-m", "deployments.command_line.main", "receiver", "--port", str(port)],
        settings={"PANOPTES_RECEIVER_SECRET": SECRET, "PANOPTES_RECEIVER_LIVE_NIGHTS": "36500"},
    )
    base = f"http://127.0.0.1:{port}"
    await_receiver(base)
    before = {name: cpu_seconds(stack, name) for name in ("server", "receiver")}
    begun = time.monotonic()
    count = int(given.rate * given.seconds)
    seen = send_all(base, count, given.rate, site.settings.incoming)
    print(f"{len(seen.sent)} of {count} events accepted in {time.monotonic() - begun:.0f} s")
    print(f"answers: {dict(Counter(seen.statuses))}; POST to 204: {quantiles(seen.answered)}")
    lags = await_runs(stack.api_url, seen, given.patience)
    print(f"{len(lags)} runs; event to run: {quantiles(lags)}")
    print(f"all of it in {time.monotonic() - begun:.0f} s, load {os.getloadavg()[0]:.1f}")
    for name, spent in before.items():
        each = (cpu_seconds(stack, name) - spent) / max(1, len(lags))
        print(f"{name}: {each * 1000:.0f} ms of CPU a run")


if __name__ == "__main__":
    main()
