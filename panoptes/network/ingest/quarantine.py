"""Files that cannot be taken: kept aside untouched, with a reason."""

from __future__ import annotations

from contextlib import suppress

from panoptes.network.documents import File
from panoptes.network.errors import BadInput, TransientError
from panoptes.network.ingest.ledger import close_quarantined, read_entry
from panoptes.network.ingest.outcome import FileResult
from panoptes.network.ingest.removing import remove_from_incoming
from panoptes.network.names import quarantine_name
from panoptes.network.site import Site
from panoptes.network.storage.checksums import CHUNK, crc32c
from panoptes.network.storage.store import NotFound, ObjectStore, PreconditionFailed, Unreadable
from panoptes.network.upload import Source

MOST_COPIES = 100
"""Of one generation of a file; each but the last is not what it should be."""


def quarantine_file(site: Site, source: Source, bad: BadInput) -> FileResult:
    """Copy a file into quarantine as it is, write down why, and take it from `incoming`."""
    path: str | None
    try:
        path, checksum = _set_aside(site, source)
    except (Unreadable, BadInput):
        # There are no bytes to keep: a pipe, a dangling link. It stays where it is.
        path = checksum = None
    entry = close_quarantined(site, source, bad, path=path, checksum=checksum)
    stays = None if path is None else remove_from_incoming(site, source)
    return FileResult.from_entry(entry, stays=stays)


def _set_aside(site: Site, source: Source) -> tuple[str, str | None]:
    """Copy and compare; gives the copy's path, and its checksum where the store has one.

    What lies there under the name and has other bytes stays: the copy gets another name.
    """
    if (before := _kept_before(site, source)) is not None:
        return before, site.store("quarantine").stat(before).crc32c
    for number in range(1, MOST_COPIES + 1):
        path = quarantine_name(source.name, source.generation, number)
        with suppress(PreconditionFailed):  # by an earlier try, or by somebody else
            try:
                _copy(site, source, path)
            except NotFound:
                return _kept_by_another(site, source)
        if _is_kept_as(site, source, path):
            return path, site.store("quarantine").stat(path).crc32c
    raise TransientError(f"{source.name} cannot be copied into quarantine as it is")


def _kept_before(site: Site, source: Source) -> str | None:
    """The copy of these very bytes from before, when the file has been rescued or sent again."""
    entry = read_entry(site, source.name)
    if entry is None or entry.generation != source.generation:
        return None
    for case in reversed(entry.history or ()):
        if case.path is not None and _is_kept_as(site, source, case.path):
            return case.path
    return None


def _copy(site: Site, source: Source, path: str) -> None:
    """Copy to where nothing is."""
    incoming, quarantine = site.store("incoming"), site.store("quarantine")
    try:
        incoming.copy_to(
            source.name, quarantine, path, generation=source.generation, if_generation=0
        )
    except BadInput:
        if source.size > site.settings.max_file_bytes:
            raise  # it would have to be loaded: it stays where it is
        # The store's checksum does not hold: the damaged bytes are what must be kept.
        data = incoming.read_range(source.name, 0, source.size)
        quarantine.put(path, data, if_generation=0)


def _is_kept_as(site: Site, source: Source, path: str) -> bool:
    incoming, quarantine = site.store("incoming"), site.store("quarantine")
    return same_object(incoming, source.name, quarantine, path, generation=source.generation)


def _kept_by_another(site: Site, source: Source) -> tuple[str, str | None]:
    """The copy that another run made before it took the upload away. Raises NotFound."""
    entry = read_entry(site, source.name)
    is_ours = entry is not None and entry.generation == source.generation
    if entry and is_ours and entry.outcome == "quarantined" and entry.path is not None:
        return entry.path, entry.crc32c
    path = quarantine_name(source.name, source.generation)
    info = site.store("quarantine").stat(path)
    if info.size != source.size or source.crc32c not in (None, info.crc32c):
        raise NotFound(f"{source.name} is neither in incoming nor in quarantine")
    return path, info.crc32c


def may_be_removed(site: Site, source: Source, entry: File) -> bool:
    """Whether an upload that the ledger has closed already has the bytes of then, or has gone.

    Only a run that died before it took the file away leaves one behind, so hardly any file is
    read for this.
    """
    return (
        site.settings.keep_incoming
        or entry.generation != source.generation
        or _was_judged(site, source, entry)
    )


def _was_judged(site: Site, source: Source, entry: File) -> bool:
    if entry.outcome == "quarantined" and entry.path is not None:
        if _is_kept_as(site, source, entry.path):
            return True
    elif entry.crc32c is not None:
        try:
            return entry.crc32c == (source.crc32c or crc32c(site.read(source)))
        except BadInput:
            return False
        except NotFound:
            return True
    return not site.has(source)


def same_object(
    store: ObjectStore, name: str, other: ObjectStore, path: str, *, generation: int | None = None
) -> bool:
    """Whether two objects have the same bytes; never loads them whole.

    False, too, where one of them is not there, or the first not in this `generation`. Buckets
    vouch for their checksums; files are read, since a disk may have lost bits of one.
    """
    try:
        one, two = store.stat(name), other.stat(path)
        if one.size != two.size or generation not in (None, one.generation):
            return False
        if one.crc32c and two.crc32c and store.vouches and other.vouches:
            return one.crc32c == two.crc32c
        for start in range(0, one.size, CHUNK):
            end = min(start + CHUNK, one.size)
            if store.read_range(name, start, end) != other.read_range(path, start, end):
                return False
        return store.stat(name) == one and other.stat(path) == two
    except (NotFound, BadInput):
        return False
