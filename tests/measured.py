"""An observation of real stars, small enough for tests, ingested and solved."""

from __future__ import annotations

from pathlib import Path

from panoptes.network.ingest.folder import files_in, ingest_folder
from panoptes.network.ingest.take import Watch
from panoptes.network.simulator.headers import Target
from panoptes.network.simulator.observed_sky import ObservedSky
from panoptes.network.site import Site

FRAMES = 7
SKY = ObservedSky(
    seed=21, frame_size="small", frames=FRAMES, target=Target("field", 301.6, 44.5), faintest=11.0
)
SEQUENCE_ID = SKY.sequence_id


def ingested(root: Path, sky: ObservedSky = SKY) -> Site:
    """A network in `root` that has it."""
    sky.write(root / "uploads")
    (root / "data").mkdir()
    site = Site.in_folder(root / "data", incoming=root / "uploads", rest_seconds=0)
    ingest_folder(site, files_in(site, root / "data"), watch=Watch())
    return site
