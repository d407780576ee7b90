"""What an archived file says and gives, once more; the archived object stays as it is."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.network import PanoptesNetwork
from panoptes.network.documents import File
from panoptes.network.ingest import one_file, rebuilding
from panoptes.network.ingest.outcome import Derived
from panoptes.network.ingest.rebuilding import Archived
from panoptes.network.ingest.retries import RETRIES
from tasks.policies import BACKOFF
from tasks.refusing import refusing


@task(
    name="check archived",
    task_run_name="check archived {file.source.label}",
    retries=RETRIES,
    **BACKOFF,
    cache_policy=NO_CACHE,
    persist_result=False,
)
@refusing
def check_archived(network: PanoptesNetwork, file: Archived) -> Derived:
    """Decode an archived FITS image whole, and make its picture again."""
    return rebuilding.check_archived(network.site, file)


@task(
    name="read again",
    task_run_name="read again {file.source.label}",
    retries=RETRIES,
    **BACKOFF,
    cache_policy=NO_CACHE,
    persist_result=False,
)
@refusing
def read_again(network: PanoptesNetwork, file: Archived, entry: File | None) -> Derived:
    """Read an archived file's header, or a camera raw's capture data, again."""
    return one_file.read_again(network.site, file, entry)
