"""Files that cannot be taken: kept aside untouched, with a reason."""

from __future__ import annotations

from blocks.checksums import crc32c
from blocks.network import PanoptesNetwork
from blocks.storage import NotFound, PreconditionFailed, Unreadable
from models.errors import BadInput, TryAgain
from models.ingest import FileResult, Source
from models.names import quarantine_name
from tasks.ledger import close_quarantined
from tasks.record import remove_from_incoming
from tasks.retries import step


def quarantine_file(network: PanoptesNetwork, source: Source, bad: BadInput) -> FileResult:
    """Copy a file into quarantine as it is, write down why, and take it from `incoming`."""
    path = quarantine_name(source.name, source.generation)
    try:
        checksum = _set_aside(network, source, path)
    except (Unreadable, BadInput):
        # There are no bytes to keep: a pipe, a dangling link. It stays where it is.
        entry = close_quarantined(network, source, bad, path=None, checksum=None)
        return FileResult.from_entry(entry)
    entry = close_quarantined(network, source, bad, path=path, checksum=checksum)
    remove_from_incoming(network, source)
    return FileResult.from_entry(entry)


def _set_aside(network: PanoptesNetwork, source: Source, path: str) -> str | None:
    """Copy create-only and compare; gives the copy's checksum where the store has one."""
    incoming, quarantine = network.store("incoming"), network.store("quarantine")
    try:
        info = incoming.copy_to(
            source.name, quarantine, path, generation=source.generation, if_generation=0
        )
    except PreconditionFailed:
        info = quarantine.stat(path)  # put there by an earlier try at this generation
    except BadInput:
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
