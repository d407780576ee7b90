"""One file through the steps of the ingest: what `compress-fits` and its like have in common.

1. Find the upload that is meant, and take its observation's lease, or say who has it.
2. One that waits goes the way of every file: derive, verify, record; or quarantine.
3. One that was archived already is left alone, or made again if that is asked for; what was
   archived of it is read and compared with its checksum, and never written.
4. Settle the observation's counts; give the lease back.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, TypeAlias

from prefect.client.schemas.objects import State
from prefect.states import Cancelled, Completed, Failed

from blocks.network import PanoptesNetwork, load_network
from flows.artifacts.progress import RunProgress
from flows.events import announce_cases
from panoptes.network.errors import BadInput, ConfigurationError, TransientError
from panoptes.network.file_types import FileType
from panoptes.network.ingest.observation import AnotherRun
from panoptes.network.ingest.one_file import (
    REFUSED,
    NamedUpload,
    find_upload,
    held,
    take_one,
    was_archived,
)
from panoptes.network.ingest.outcome import Became, Derived, FileResult
from panoptes.network.ingest.rebuilding import Archived, archived, mending
from panoptes.network.ingest.retries import keep_trying
from panoptes.network.ingest.watchdog import ended_when_stalled
from panoptes.network.safe_text import one_line
from tasks.ingest_image import AsTasks

Again: TypeAlias = Callable[[PanoptesNetwork, Archived, NamedUpload], Derived]
"""What is made again of an archived file. Raises BadInput."""


def on_one_file(
    network: str,
    bucket_path: str,
    takes: Collection[FileType],
    again: Again | None,
    *,
    interpolated: bool | None = None,
) -> State[Any]:
    """Take the file that is meant, which is to be of one of the types `takes`.

    `again` makes anew what was archived before; without it such a file is left as it is.
    `interpolated` is how colour planes are made; None: as the network is set.
    """
    try:
        block = load_network(network)
        if interpolated is not None:
            options = (block.rawpy_options or {}) if interpolated else None
            block = block.changed(rawpy_options=options)
        with ended_when_stalled(block.stall_seconds):
            block.site.check()
            return _in_turn(block, bucket_path, takes, again)
    except (*REFUSED, ConfigurationError) as error:
        return Failed(message=one_line(error.reason if isinstance(error, BadInput) else error))
    except TransientError as away:
        return Failed(message=one_line(f"broken off, run it again: {away}"))


def _in_turn(
    block: PanoptesNetwork, bucket_path: str, takes: Collection[FileType], again: Again | None
) -> State[Any]:
    """What became of the file, while nobody else is at work on its observation."""
    upload = keep_trying(find_upload, block.site, bucket_path, takes)
    sequence, steps = upload.sequence, AsTasks(block)
    try:
        with held(block.site, sequence, steps, leave_word=upload.waits):
            # Another run may have taken it meanwhile.
            upload = keep_trying(find_upload, block.site, bucket_path, takes)
            result = _take(block, steps, upload, again)
    except AnotherRun:
        rest = "and will take the file" if upload.waits else "now: run this again once it is done"
        message = f"another run is at work on {sequence.sequence_id} {rest}"
        return Cancelled(message=message)
    keep_trying(announce_cases, block.site, sequence_id=sequence.sequence_id)
    return _told(upload, result, again)


def _take(
    block: PanoptesNetwork, steps: AsTasks, upload: NamedUpload, again: Again | None
) -> FileResult:
    if upload.waits:
        progress = RunProgress(upload.sequence.sequence_id)
        result = take_one(block.site, upload.name, steps=steps, watch=progress)
        if again is None or result.became is not Became.ALREADY:
            return result
    elif again is None:
        return was_archived(upload)
    else:
        was_archived(upload)
    file = keep_trying(archived, block.site, upload.name)
    with mending(file):
        return steps.record(file.source, file.completed(again(block, file, upload)))


def _told(upload: NamedUpload, result: FileResult, again: Again | None) -> State[Any]:
    kept = f"{result.location}/{result.path}"
    match result.became:
        case Became.FAILED:
            return Failed(message=one_line(f"{upload.name} could not be taken: {result.told}"))
        case Became.QUARANTINED | Became.WAITING:
            said = f"{upload.name}: {result.became.value}: {result.told}"
        case _ if again is not None and not upload.waits:
            said = f"{upload.name}: made again from {kept}, which stays as it is"
        case Became.ALREADY:
            said = f"{upload.name} is archived already, as {kept}: 'again' makes anew what can be"
        case _:
            said = f"{upload.name}: {result.became.value}, in {kept}"
    return Completed(message=one_line(said))
