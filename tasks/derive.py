"""What is made of an uploaded file, and comparing it with the file."""

from __future__ import annotations

from prefect import task
from prefect.cache_policies import NO_CACHE

from blocks.network import PanoptesNetwork
from panoptes.network.ingest import derive
from panoptes.network.ingest.outcome import Derived
from panoptes.network.ingest.retries import RETRIES
from panoptes.network.upload import Source
from tasks.policies import BACKOFF, DerivationKey
from tasks.refusing import refusing


@task(
    name="compress",
    task_run_name="compress {source.label}",
    retries=RETRIES,
    **BACKOFF,
    cache_policy=DerivationKey(version="4"),
    persist_result=True,
    result_serializer="json",
)
@refusing
def compress(network: PanoptesNetwork, source: Source) -> Derived:
    """Compress an uploaded `.fits` without loss into `images`."""
    return derive.compress(network.site, source)


@task(
    name="check and keep",
    task_run_name="check and keep {source.label}",
    retries=RETRIES,
    **BACKOFF,
    cache_policy=DerivationKey(version="3"),
    persist_result=True,
    result_serializer="json",
)
@refusing
def keep_compressed(network: PanoptesNetwork, source: Source) -> Derived:
    """Decode a unit's `.fits.fz` whole, hold its checksums, and keep it in `images`."""
    return derive.keep_compressed(network.site, source)


@task(
    name="make rgb",
    task_run_name="make rgb {source.label}",
    retries=RETRIES,
    **BACKOFF,
    cache_policy=DerivationKey(version="3"),
    persist_result=True,
    result_serializer="json",
)
@refusing
def make_rgb(network: PanoptesNetwork, source: Source) -> Derived:
    """Keep a `.cr2` in `originals` and make its R, G and B planes."""
    return derive.make_rgb(network.site, source)


@task(
    name="keep",
    task_run_name="keep {source.label}",
    retries=RETRIES,
    **BACKOFF,
    cache_policy=DerivationKey(version="1"),
    persist_result=True,
    result_serializer="json",
)
@refusing
def keep_media(network: PanoptesNetwork, source: Source) -> Derived:
    """Keep a unit's `.jpg` or `.png` in `previews`, or its `.mp4` in `timelapse`."""
    return derive.keep_media(network.site, source)


@task(
    name="verify",
    task_run_name="verify {source.label}",
    retries=RETRIES,
    **BACKOFF,
    cache_policy=NO_CACHE,
    persist_result=False,
)
@refusing
def verify(network: PanoptesNetwork, source: Source, derived: Derived) -> None:
    """Read back what was made and compare it with the file."""
    derive.verify(network.site, source, derived)
