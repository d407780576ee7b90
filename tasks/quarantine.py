"""Files that cannot be taken: kept aside untouched, with a reason."""

from __future__ import annotations

from blocks.checksums import CHUNK, crc32c
from blocks.network import PanoptesNetwork
from blocks.storage import NotFound, ObjectStore, PreconditionFailed, Unreadable
from models.documents import File
from models.errors import BadInput, TryAgain
from models.ingest import FileResult, Source
from models.names import quarantine_name
from tasks.ledger import close_quarantined, read_entry
from tasks.reading_back import read_back
from tasks.record import remove_from_incoming
from tasks.retries import step


def quarantine_file(network: PanoptesNetwork, source: Source, bad: BadInput) -> FileResult:
    """Copy a file into quarantine as it is, write down why, and take it from `incoming`."""
    path = quarantine_name(source.name, source.generation)
    try:
        path = _kept_before(network, source) or path
        checksum = _set_aside(network, source, path)
    except (Unreadable, BadInput):
        # There are no bytes to keep: a pipe, a dangling link. It stays where it is.
        entry = close_quarantined(network, source, bad, path=None, checksum=None)
        return FileResult.from_entry(entry)
    entry = close_quarantined(network, source, bad, path=path, checksum=checksum)
    remove_from_incoming(network, source)
    return FileResult.from_entry(entry)


def _kept_before(network: PanoptesNetwork, source: Source) -> str | None:
    """The copy of these very bytes from before, when the file has been rescued or sent again."""
    entry = read_entry(network, source.name)
    if entry is None or entry.generation != source.generation:
        return None
    incoming, quarantine = network.store("incoming"), network.store("quarantine")
    for case in reversed(entry.history or ()):
        if case.path is None or case.size != source.size:
            continue
        at = source.generation
        if same_object(incoming, source.name, quarantine, case.path, generation=at) and (
            _is_whole(network, case.path)
        ):
            return case.path
    return None


def _is_whole(network: PanoptesNetwork, path: str) -> bool:
    """Whether a copy still reads as its store says; a disk may have lost bits of it."""
    store = network.store("quarantine")
    info = store.stat(path)
    if info.crc32c is None or store.vouches:
        return True  # it has just been read, or a bucket vouches for it
    return info.crc32c == read_back(network, "quarantine", info)


def remove_if_judged(network: PanoptesNetwork, source: Source, entry: File) -> bool:
    """Take away an upload that the ledger has closed already, if it has the bytes of then.

    False, and it stays, if it has others. Only a run that died before it took the file away
    leaves one behind, so hardly any file is read for this.
    """
    if network.keep_incoming:
        return True
    if entry.generation == source.generation and not _was_judged(network, source, entry):
        return False
    remove_from_incoming(network, source)
    return True


def _was_judged(network: PanoptesNetwork, source: Source, entry: File) -> bool:
    incoming = network.store("incoming")
    if entry.outcome == "quarantined" and entry.path is not None:
        quarantine, at = network.store("quarantine"), source.generation
        if same_object(incoming, source.name, quarantine, entry.path, generation=at):
            return True
    elif entry.crc32c is not None:
        try:
            return entry.crc32c == (source.crc32c or crc32c(network.read(source)))
        except BadInput:
            return False
        except NotFound:
            return True
    try:
        return incoming.stat(source.name).generation != source.generation
    except NotFound:
        return True  # it has gone


def same_object(
    store: ObjectStore, name: str, other: ObjectStore, path: str, *, generation: int | None = None
) -> bool:
    """Whether two objects have the same bytes; never loads them whole.

    False, too, where one of them is not there, or the first not in this `generation`.
    """
    try:
        one, two = store.stat(name), other.stat(path)
        if one.size != two.size or generation not in (None, one.generation):
            return False
        if one.crc32c and two.crc32c:
            return one.crc32c == two.crc32c
        for start in range(0, one.size, CHUNK):
            end = min(start + CHUNK, one.size)
            if store.read_range(name, start, end) != other.read_range(path, start, end):
                return False
        return store.stat(name) == one and other.stat(path) == two
    except (NotFound, BadInput):
        return False


def _set_aside(network: PanoptesNetwork, source: Source, path: str) -> str | None:
    """Copy create-only and compare; gives the copy's checksum where the store has one."""
    incoming, quarantine = network.store("incoming"), network.store("quarantine")
    try:
        info = incoming.copy_to(
            source.name, quarantine, path, generation=source.generation, if_generation=0
        )
    except PreconditionFailed:
        info = quarantine.stat(path)  # put there by an earlier try, or before it was rescued
    except BadInput:
        if source.size > network.max_file_bytes:
            raise  # it would have to be loaded: it stays where it is
        # The store's checksum does not hold: the damaged bytes are what must be kept.
        data = incoming.read_range(source.name, 0, source.size)
        try:
            info = quarantine.put(path, data, if_generation=0)
        except PreconditionFailed:
            info = quarantine.stat(path)
        return crc32c(data)
    except NotFound:
        info = quarantine.stat(path)  # raises NotFound if it is in neither place
    if info.size != source.size:
        raise TryAgain(f"the copy of {source.name} in quarantine is {info.size} bytes long")
    return info.crc32c


quarantine = step("quarantine")(quarantine_file)
