"""One FITS file, compressed without loss, archived and catalogued."""

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
from tasks.derive_again import check_archived
from tasks.naming import flow_run_named
from tasks.refusing import unless_refused


@flow(
    name="compress-fits",
    flow_run_name=flow_run_named("compress {bucket_path}"),
    persist_result=False,
)
def compress_fits(
    bucket_path: str,
    again: bool = False,
    network: str = "default",
) -> State[Any]:
    """Take one `.fits` or `.fits.fz` as an ingest does, whatever else waits.

    Completes when the file is archived or in quarantine with a reason. Safe to run again.

    Args:
        bucket_path: A file that waits in incoming or was archived already: its path, such as
            UNIT/CAMERA/SEQUENCE/IMAGE.fits, its gs:// or public URL, or an image's id.
        again: Also where it is archived already: decode the archive whole, compare it with its
            checksums, and make picture and documents anew. The archive itself stays.
        network: Name of the 'PANOPTES network' block to work on.
    """
    takes = (FileType.FITS, FileType.FITS_FZ)
    return on_one_file(network, bucket_path, takes, _check if again else None)


def _check(network: PanoptesNetwork, file: Archived, upload: NamedUpload) -> Derived:
    return unless_refused(check_archived(network, file))
