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
from panoptes.network.errors import BadInput
from panoptes.network.events import FileArrived
from panoptes.network.names import UploadName, parse_upload
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
    try:
        upload = parse_upload(name)
    except BadInput as bad:
        return _unroutable(arrived, name, bad, received)
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
    return _event(arrived, ARRIVED, resource, _payload(arrived, name, upload), received)


def _unroutable(arrived: FileArrived, name: str, bad: BadInput, received: datetime) -> Event:
    resource = {
        "prefect.resource.id": f"panoptes.file.{arrived.id}",
        "prefect.resource.name": one_line(name, most=_MOST_SHOWN),
    }
    payload = _payload(arrived, name, None) | {
        "code": bad.code,
        "reason": one_line(bad.reason, most=_MOST_SHOWN),
        "next_step": bad.next_step,
    }
    return _event(arrived, UNROUTABLE, resource, payload, received)


def _event(
    arrived: FileArrived,
    event: str,
    resource: dict[str, str],
    payload: dict[str, Any],
    received: datetime,
) -> Event:
    return {
        # Prefect lets no event of an id that it has just seen trigger anything again.
        "id": str(arrived.id),
        "occurred": received.isoformat(),
        "event": event,
        "resource": resource,
        "related": [],
        "payload": payload,
    }


def _payload(arrived: FileArrived, name: str, upload: UploadName | None) -> dict[str, Any]:
    return {
        "bucket": arrived.bucket,
        "name": one_line(name, most=_MOST_SHOWN),
        "generation": str(arrived.generation),
        "size": arrived.size,
        "file_type": upload.file_type.value if upload else None,
        "image_id": upload.image_id if upload else None,
        "stored": arrived.time.isoformat() if arrived.time else None,
        "delivery": one_line(arrived.delivery, most=_MOST_SHOWN),
    }
