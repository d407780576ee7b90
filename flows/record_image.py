"""One image's documents: its unit, camera, observation and itself."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.client.schemas.objects import State

from blocks.network import PanoptesNetwork
from flows.one_file import on_one_file
from panoptes.network.file_types import IMAGES
from panoptes.network.ingest.one_file import NamedUpload
from panoptes.network.ingest.outcome import Derived
from panoptes.network.ingest.rebuilding import Archived
from tasks.derive_again import read_again
from tasks.naming import flow_run_named
from tasks.refusing import unless_refused


@flow(
    name="record-image",
    flow_run_name=flow_run_named("record {bucket_path}"),
    persist_result=False,
)
def record_image(
    bucket_path: str,
    again: bool = False,
    network: str = "default",
) -> State[Any]:
    """Catalogue one image; a file that still waits is archived first, as an ingest does.

    Completes when the file is archived or in quarantine with a reason. Safe to run again.

    Args:
        bucket_path: A file that waits in incoming or was archived already: its path, such as
            UNIT/CAMERA/SEQUENCE/IMAGE.fits, its gs:// or public URL, or an image's id.
        again: Also where it is recorded already, after a correction: read the archived file's
            header anew and write what it says. The file and its colour planes stay.
        network: Name of the 'PANOPTES network' block to work on.
    """
    return on_one_file(network, bucket_path, IMAGES, _read if again else None)


def _read(network: PanoptesNetwork, file: Archived, upload: NamedUpload) -> Derived:
    return unless_refused(read_again(network, file, upload.entry))
