"""One camera raw, kept, and its colour planes R, G and B made."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.network import PanoptesNetwork
from flows.one_file import on_one_file
from panoptes.network.file_types import FileType
from panoptes.network.ingest.one_file import NamedUpload
from panoptes.network.ingest.outcome import Derived
from panoptes.network.ingest.rebuilding import Archived
from tasks.ingest_image import AsTasks
from tasks.naming import flow_run_named


@flow(
    name="make-rgb-fits",
    flow_run_name=flow_run_named("make rgb {bucket_path}"),
    persist_result=False,
)
def make_rgb_fits(
    bucket_path: str,
    again: bool = False,
    interpolated: bool | None = None,
    network: str = "default",
) -> State[Any]:
    """Take one `.cr2` as an ingest does, whatever else waits.

    Completes when the file is archived or in quarantine with a reason. Safe to run again.

    Args:
        bucket_path: A file that waits in incoming or was archived already: its path, such as
            UNIT/CAMERA/SEQUENCE/IMAGE.fits, its gs:// or public URL, or an image's id.
        again: Also where it is archived already: make the planes anew from the kept original, and
            replace those that differ.
        interpolated: LibRaw's interpolated planes in place of the raw samples, for looking at and
            not for measuring; empty: as the network is set.
        network: Name of the 'PANOPTES network' block to work on.
    """
    make = _make if again else None
    return on_one_file(network, bucket_path, (FileType.CR2,), make, interpolated=interpolated)


def _make(network: PanoptesNetwork, file: Archived, upload: NamedUpload) -> Derived:
    steps = AsTasks(network)
    derived = steps.derive(file.source, FileType.CR2, fresh=True)
    steps.verify(file.source, derived)
    return derived
