"""The headers of a stored FITS file."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.network import PanoptesNetwork
from panoptes.network.fits.header_json import Json
from panoptes.network.header_answer import stored_header
from panoptes.network.ingest.retries import RETRIES
from tasks.naming import task_run_named
from tasks.policies import BACKOFF


@task(
    name="header",
    task_run_name=task_run_named("header {bucket_path}"),
    retries=RETRIES,
    **BACKOFF,
    cache_policy=NO_CACHE,
    persist_result=False,
)
def header(
    network: PanoptesNetwork,
    bucket_path: str,
    hdu: int | str | None = None,
    bucket_name: str | None = None,
) -> dict[str, Json]:
    """``{success, header, ...}`` of a stored file."""
    return stored_header(network.site, bucket_path, hdu, bucket_name)
