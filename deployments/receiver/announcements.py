"""What Prefect is told of a file: one event, about the observation that it belongs to.

The automation in prefect.yaml is written against these events, and so is the template of
Prefect Cloud's webhook in docs/events.md; a test holds the three together.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from urllib.parse import urlsplit

from deployments.work_pools.queues import BACKFILL, LIVE
from flows.events import prefect_event
from panoptes.network.errors import BadInput
from panoptes.network.events import FileArrived
from panoptes.network.names import parse_upload
from panoptes.network.safe_text import one_line

ARRIVED = "panoptes.file.arrived"
UNROUTABLE = "panoptes.file.unroutable"
LABELS = frozenset(
    f"panoptes.{label}" for label in ("observation.id", "unit.id", "camera.id", "queue")
)
"""What the resource of an arrival says beside its id and name."""

_MOST_SHOWN = 300


@dataclass(frozen=True)
class Incoming:
    """The one place whose files are ours: a bucket, a prefix in it, or a watched folder."""

    bucket: str
    prefix: str = ""

    @classmethod
    def at(cls, address: str) -> Incoming:
        """Of the network's `incoming`: ``gs://BUCKET/PREFIX``, or a folder's own address."""
        parts = urlsplit(address)
        if parts.scheme != "gs":
            return cls(bucket=address)
        prefix = parts.path.strip("/")
        return cls(bucket=parts.netloc, prefix=f"{prefix}/" if prefix else "")

    def name_of(self, arrived: FileArrived) -> str | None:
        """The name under which the network knows the file; None if it lies elsewhere."""
        if arrived.bucket != self.bucket or not arrived.name.startswith(self.prefix):
            return None
        return arrived.name.removeprefix(self.prefix) or None


Event: TypeAlias = Mapping[str, Any]
"""As Prefect's ``POST /events`` takes it."""


def announce(arrived: FileArrived, name: str, *, received: datetime, live_nights: int) -> Event:
    """The event of a file that lies in `incoming` as `name`: ARRIVED or UNROUTABLE.

    `received` is the receiver's own clock: the automation counts time by it, and the
    clocks of others may be wrong. An observation that began more than `live_nights` days
    before is left to the sweep, which queues it behind tonight's: a unit that was offline
    for weeks uploads thousands.
    """
    payload: dict[str, Any] = {
        "bucket": arrived.bucket,
        "name": one_line(name, most=_MOST_SHOWN),
        "generation": str(arrived.generation),
        "size": arrived.size,
        "file_type": None,
        "image_id": None,
        "stored": arrived.time.isoformat() if arrived.time else None,
        "delivery": one_line(arrived.delivery, most=_MOST_SHOWN),
    }
    try:
        upload = parse_upload(name)
    except BadInput as bad:
        payload["code"] = bad.code
        payload["reason"] = one_line(bad.reason, most=_MOST_SHOWN)
        payload["next_step"] = bad.next_step
        resource = {
            "prefect.resource.id": f"panoptes.file.{arrived.id}",
            "prefect.resource.name": one_line(name, most=_MOST_SHOWN),
        }
        return prefect_event(UNROUTABLE, resource, payload, id_=arrived.id, occurred=received)
    payload |= {"file_type": upload.file_type.value, "image_id": upload.image_id}
    sequence = upload.sequence
    is_live = received - sequence.time <= timedelta(days=live_nights)
    resource = {
        "prefect.resource.id": f"panoptes.observation.{sequence.sequence_id}",
        "prefect.resource.name": sequence.sequence_id,
        "panoptes.observation.id": sequence.sequence_id,
        "panoptes.unit.id": sequence.unit_id,
        "panoptes.camera.id": sequence.camera_id,
        "panoptes.queue": LIVE if is_live else BACKFILL,
    }
    return prefect_event(ARRIVED, resource, payload, id_=arrived.id, occurred=received)
