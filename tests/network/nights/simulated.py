"""A simulated night of known gaps, on a network of its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from panoptes.network.documents import GeoPoint, Observation
from panoptes.network.file_types import FileType
from panoptes.network.simulator.headers import SITES
from panoptes.network.simulator.night import START, Night
from panoptes.network.site import Site
from tests import sites

NIGHT = "2026-01-14"
"""At Mauna Loa; by UTC it is the 15th."""
OBSERVING, SILENT = "PAN001", "PAN002"
CAMERA = "0a5ee1"
CADENCE, EXPOSURE = 128.0, 120.0
LOST = (3, 4)
"""Of eight exposures, those that were never uploaded."""
USUAL = 145
"""Images that the unit brought in each of the nights before."""
CLOUDY: dict[str, Any] = {"is_safe": False, "cloud_safe": False, "cloud_condition": "Very Cloudy"}


def time_of(index: int) -> datetime:
    """When the exposure of this number was begun."""
    return START + timedelta(seconds=40 + index * CADENCE)


def simulated(folder: Path) -> Site:
    """One unit's camera with a gap and a file that is cut short; another unit in clouds."""
    site = sites.drained(folder)
    lost = {f"{time_of(index):%Y%m%dT%H%M%S}" for index in LOST}
    for sent, data in Night(cameras=1, images=8).uploads():
        is_picture = sent.file_type in (FileType.MP4, FileType.CR2, None)
        if is_picture or any(moment in sent.name for moment in lost):
            continue
        path = sites.incoming(site) / sent.name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    sites.ingest_all(site)
    for days in (1, 2, 3):
        _observed(site, START - timedelta(days=days), USUAL)
    place = SITES[1]
    at = datetime(2026, 1, 15, 8, 30, tzinfo=UTC)
    site.catalog.create(
        "units",
        SILENT,
        {
            "name": "Mount Wilson",
            "location": GeoPoint(place.latitude, place.longitude),
            "metadata": {"weather": {**CLOUDY, "received_time": at}},
        },
    )
    return site


def _observed(site: Site, time: datetime, images: int) -> None:
    sequence_id = f"{OBSERVING}_{CAMERA}_{time:%Y%m%dT%H%M%S}"
    observation = Observation(
        sequence_id=sequence_id,
        unit_id=OBSERVING,
        camera_id=CAMERA,
        time=time,
        night=(time - timedelta(days=1)).date().isoformat(),
        num_images=images,
        total_exptime=images * EXPOSURE,
    )
    site.catalog.create("observations", sequence_id, observation.fields())
