"""The files of one image, one after the other; images go side by side on the network's task
runner: threads, or a cluster (`tasks.image_runners`)."""

from __future__ import annotations

from collections.abc import Generator, Iterable
from queue import SimpleQueue
from typing import Any, cast

from prefect import State, task
from prefect.cache_policies import NO_CACHE
from prefect.futures import PrefectFuture, wait
from prefect.states import Completed, Failed
from prefect.transactions import CommitMode, transaction
from prefect.utilities.annotations import quote

from blocks.network import PanoptesNetwork
from panoptes.network.errors import BadInput
from panoptes.network.file_types import FileType
from panoptes.network.ingest.outcome import Became, Derived, FileResult, summary
from panoptes.network.ingest.take import Taken, lost, take
from panoptes.network.names import ObservationName
from panoptes.network.safe_text import one_line, safe_log
from panoptes.network.upload import Source
from tasks.derive import compress, keep_compressed, keep_media, make_rgb, verify
from tasks.image_runners import ended_when_stalled_elsewhere, image_runner
from tasks.record import quarantine, record, settle
from tasks.refusing import unless_refused

log = safe_log(__name__)

DERIVING = {
    FileType.FITS: compress,
    FileType.FITS_FZ: keep_compressed,
    FileType.CR2: make_rgb,
    FileType.JPG: keep_media,
    FileType.PNG: keep_media,
    FileType.MP4: keep_media,
}


@task(
    name="ingest image",
    task_run_name="ingest {files[0].label}",
    cache_policy=NO_CACHE,
    persist_result=False,
)
def ingest_image(network: PanoptesNetwork, files: list[Source]) -> State[list[Taken]]:
    """Take each file of an image; the steps within are tasks, which retry by themselves.

    The state's name and message say what became of the files.
    """
    # A task within a task would be cached only when the outer one is done.
    with (
        ended_when_stalled_elsewhere(network.stall_seconds),
        transaction(commit_mode=CommitMode.EAGER, write_on_commit=False),
    ):
        steps = AsTasks(network)
        taken = [(source, take(network.site, source, steps)) for source in files]
    results = [result for _, result in taken]
    became = {result.became for result in results}
    message = one_line("; ".join(filter(None, (summary(results), *map(_trouble, results)))))
    if Became.FAILED in became:
        return Failed(message=message, data=taken)
    named = next((o for o in (Became.QUARANTINED, Became.WAITING) if o in became), None)
    return Completed(name=named.title() if named else None, message=message, data=taken)


def _trouble(result: FileResult) -> str:
    return result.told if result.is_trouble else ""


class AsTasks:
    """The steps of an ingest as Prefect tasks, see `panoptes.network.ingest.take.Steps`.

    Their arguments are quoted: Prefect would look for futures in every field of each.
    """

    def __init__(self, network: PanoptesNetwork) -> None:
        self.network = network

    def derive(self, source: Source, file_type: FileType, *, fresh: bool) -> Derived:
        derivation = DERIVING[file_type]
        if fresh:
            derivation = derivation.with_options(refresh_cache=True)
        return unless_refused(derivation(*_quoted(self.network, source)))

    def verify(self, source: Source, derived: Derived) -> None:
        unless_refused(verify(*_quoted(self.network, source, derived)))

    def record(self, source: Source, derived: Derived) -> FileResult:
        return unless_refused(record(*_quoted(self.network, source, derived)))

    def quarantine(self, source: Source, bad: BadInput) -> FileResult:
        return quarantine(*_quoted(self.network, source, bad))

    def settle(self, sequence: ObservationName) -> None:
        settle(*_quoted(self.network, sequence))

    def images(self, groups: Iterable[list[Source]]) -> Generator[list[Taken], None, None]:
        """On the network's task runner, no more at a time than it has room for.

        An image that was lost with its worker is given back as failed, by passing trouble.
        """
        pending: dict[PrefectFuture[State[list[Taken]]], list[Source]] = {}
        done: SimpleQueue[PrefectFuture[State[list[Taken]]]] = SimpleQueue()

        def next_done() -> list[Taken]:
            future = done.get()
            return _taken(future, pending.pop(future))

        with image_runner(self.network) as (runner, at_once):
            try:
                for group in groups:
                    if len(pending) >= at_once:
                        yield next_done()
                    # Not quoted: Dask takes a quote for a plain tuple.
                    given = {"network": self.network, "files": group}
                    future = runner.submit(ingest_image, given)
                    pending[future] = group
                    future.add_done_callback(done.put)
                while pending:
                    yield next_done()
            finally:  # interrupted: what is in the works ends, nothing more begins
                wait(list(pending))


def _quoted(*arguments: Any) -> tuple[Any, ...]:
    return tuple(quote(argument) for argument in arguments)


def _taken(future: PrefectFuture[State[list[Taken]]], files: list[Source]) -> list[Taken]:
    try:
        # Of a failed image, too, unless the task itself was in trouble.
        taken: Any = future.result(raise_on_failure=False)
    except Exception as error:  # of the cluster: what a task raises is in its state
        log.exception("%s was lost", files[0].label)
        return [(file, lost(file, error)) for file in files]
    if isinstance(taken, BaseException):
        raise taken
    return cast("list[Taken]", taken)
