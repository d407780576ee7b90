"""The files of one image, one after the other; images go side by side on the task runner."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture, as_completed

from blocks.network import PanoptesNetwork
from panoptes.network.errors import BadInput
from panoptes.network.ingest.outcome import Derived, FileResult
from panoptes.network.ingest.take import Taken, images_in_flight, take
from panoptes.network.names import FileType, Sequence
from panoptes.network.upload import Source
from tasks.derive import compress, keep_compressed, keep_media, make_rgb, verify
from tasks.record import quarantine, record, settle

DERIVING = {
    FileType.FITS: compress,
    FileType.FITS_FZ: keep_compressed,
    FileType.CR2: make_rgb,
    FileType.JPG: keep_media,
    FileType.MP4: keep_media,
}


@task(
    name="ingest image",
    task_run_name="ingest {files[0].label}",
    cache_policy=NO_CACHE,
    persist_result=False,
)
def ingest_image(network: PanoptesNetwork, files: list[Source]) -> list[Taken]:
    """Take each file of an image; the steps within are tasks, which retry by themselves."""
    steps = AsTasks(network)
    return [(source, take(network.site, source, steps)) for source in files]


class AsTasks:
    """The steps of an ingest as Prefect tasks, see `panoptes.network.ingest.take.Steps`."""

    def __init__(self, network: PanoptesNetwork) -> None:
        self.network = network

    def derive(self, source: Source, file_type: FileType, *, fresh: bool) -> Derived:
        return DERIVING[file_type].with_options(refresh_cache=fresh)(self.network, source)

    def verify(self, source: Source, derived: Derived) -> None:
        verify(self.network, source, derived)

    def record(self, source: Source, derived: Derived) -> FileResult:
        return record(self.network, source, derived)

    def quarantine(self, source: Source, bad: BadInput) -> FileResult:
        return quarantine(self.network, source, bad)

    def settle(self, sequence: Sequence) -> None:
        settle(self.network, sequence)

    def images(self, groups: Iterable[list[Source]]) -> Iterator[list[Taken]]:
        """On the flow's task runner, no more at a time than the network's `workers`."""
        pending: set[PrefectFuture[list[Taken]]] = set()
        room = images_in_flight(self.network.workers)
        for group in groups:
            if len(pending) >= room:
                yield _next(pending)
            pending.add(ingest_image.submit(self.network, group))
        while pending:
            yield _next(pending)


def _next(pending: set[PrefectFuture[list[Taken]]]) -> list[Taken]:
    done = next(iter(as_completed(list(pending))))
    pending.remove(done)
    return done.result()
