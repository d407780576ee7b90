"""What Prometheus reads of the receiver: whether an event would start a run, and what waits."""

from __future__ import annotations

from collections.abc import Mapping

from deployments.receiver.health_monitor import Report
from panoptes.network.ingest.backlog import Backlog


def exposed(report: Report, backlog: Backlog | None, runs: Mapping[str, int]) -> bytes:
    """Prometheus's text. `backlog` is the last sweep's; None where none has told yet.

    `runs` are those of the ingest by their state; none where Prefect has not been asked yet.
    """
    from prometheus_client import CollectorRegistry, Gauge, generate_latest

    registry = CollectorRegistry()
    ready = Gauge(
        "panoptes_receiver_ready", "1 if an event sent now would start a run", registry=registry
    )
    ready.set(report.is_ready)
    concerns = Gauge(
        "panoptes_concern", "1 for each thing that is wrong, by its kind", ["kind"],
        registry=registry,
    )  # fmt: skip
    for concern in report.concerns:
        concerns.labels(concern.kind.partition(".")[0]).set(1)
    queue = Gauge(
        "panoptes_runs", "Runs of the ingest that are overdue, and at work", ["state"],
        registry=registry,
    )  # fmt: skip
    for state, count in runs.items():
        queue.labels(state).set(count)
    if backlog is not None:
        for name, said, value in (
            ("waiting", "Files that wait in incoming", backlog.files),
            ("overdue", "Files that nobody took in three windows", backlog.overdue),
            ("over_limit", "Files of units that have sent enough for a day", backlog.over_limit),
            ("stuck", "Files that are done and cannot be removed from incoming", backlog.stuck),
        ):
            Gauge(f"panoptes_files_{name}", said, registry=registry).set(value)
        oldest = Gauge(
            "panoptes_oldest_waiting_seconds", "How long the oldest of them has waited",
            registry=registry,
        )  # fmt: skip
        oldest.set(backlog.oldest_seconds)
    text: bytes = generate_latest(registry)
    return text
