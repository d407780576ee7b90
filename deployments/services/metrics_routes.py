"""What Prometheus reads of the network: files by what became of them, units, and their lag.

Counted when it is asked for, at most every `FRESH_SECONDS`. The receiver has metrics of its own,
of Prefect and of what waits (`deployments.receiver.metrics`).
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from threading import Lock
from typing import get_args

from fastapi import APIRouter
from fastapi.responses import Response

from deployments.services.pages.tonight import tonight
from deployments.services.state import Services
from panoptes.network.catalog.catalog import Query
from panoptes.network.documents import Outcome
from panoptes.network.site import Site

FRESH_SECONDS = 15.0


def metrics_router(services: Services) -> APIRouter:
    from prometheus_client import CONTENT_TYPE_LATEST

    router = APIRouter(tags=["operation"])
    lock, kept, taken = Lock(), b"", -float("inf")

    @router.get(
        "/metrics",
        response_class=Response,
        responses={200: {"content": {"text/plain": {}}, "description": "Prometheus's text format"}},
    )
    def metrics() -> Response:
        """Figures for Prometheus."""
        nonlocal kept, taken
        with lock:
            if time.monotonic() - taken >= FRESH_SECONDS:
                kept = exposed(services.site, datetime.now(UTC))
                taken = time.monotonic()
        return Response(kept, media_type=CONTENT_TYPE_LATEST)

    return router


def exposed(site: Site, now: datetime) -> bytes:
    """The figures of this moment, as Prometheus's text. Raises TransientError."""
    from prometheus_client import CollectorRegistry, Gauge, generate_latest

    registry = CollectorRegistry()
    files = Gauge(
        "panoptes_files", "Uploaded files by what became of them", ["outcome"], registry=registry
    )
    for outcome in get_args(Outcome):
        found = site.catalog.aggregate(Query("files", [("outcome", "==", outcome)]))
        files.labels(outcome).set(found["count"])
    labels = ["unit"]
    heard = Gauge(
        "panoptes_unit_heard_timestamp_seconds", "When a unit was last heard of", labels,
        registry=registry,
    )  # fmt: skip
    lag = Gauge(
        "panoptes_unit_lag_seconds",
        "From a file's arrival to the catalogue: the median of a unit's last files",
        labels, registry=registry,
    )  # fmt: skip
    trouble = Gauge(
        "panoptes_unit_troubles", "What is wrong with a unit, as the page of tonight lists it",
        labels, registry=registry,
    )  # fmt: skip
    for unit in tonight(site, now).units:
        trouble.labels(unit.unit_id).set(0 if unit.is_resting else len(unit.trouble))
        if unit.heard is not None:
            heard.labels(unit.unit_id).set(unit.heard.timestamp())
        if unit.lag is not None:
            lag.labels(unit.unit_id).set(unit.lag)
    text: bytes = generate_latest(registry)
    return text
