"""Mending what is safe to mend. Each repair can be broken off anywhere and done again."""

from __future__ import annotations

from collections.abc import Iterable

from panoptes.network.audit.entries import as_entry
from panoptes.network.audit.finding import Finding, Kind, Repair
from panoptes.network.audit.inventory import inventory_of, stands
from panoptes.network.catalog.catalog import Conflict, Fields, Stored, modify
from panoptes.network.documents import File, Location
from panoptes.network.errors import ADVICE, BadInput, ConfigurationError
from panoptes.network.file_types import BY_SUFFIX, FileType
from panoptes.network.ingest.lease import Lease
from panoptes.network.ingest.quarantine import same_object
from panoptes.network.ingest.reading_back import read_back
from panoptes.network.ingest.rebuilding import CannotMend, entry_to_mend, rebuild
from panoptes.network.ingest.settle import settle_observation
from panoptes.network.names import document_key, parse_sequence_id
from panoptes.network.safe_text import safe_log
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound, PreconditionFailed, Unreadable

log = safe_log(__name__)

_REOPENED = (
    Kind.OBJECT_MISSING,
    Kind.OBJECT_DAMAGED,
    Kind.ENTRY_WRONG,
    Kind.QUARANTINE_MISSING,
    Kind.QUARANTINE_UNEXPLAINED,
)
"""What the ledger believes to be done, and is not."""
_IDS = {"images": "image_id", "observations": "sequence_id"}


def mend(site: Site, findings: Iterable[Finding]) -> bool:
    """Mends the findings of one observation, or of none; whether it has to be ingested now.

    The observation's lease is held meanwhile; where a run has it, nothing is done. What
    cannot be mended after all is logged and left as it is.
    """
    found = list(findings)
    wanted = [finding for each in Repair for finding in found if finding.repair is each]
    if not wanted:
        return False
    sequence_id = wanted[0].sequence_id
    if sequence_id is None:
        return _mend_all(site, wanted)
    lease = Lease(site.catalog, sequence_id, site.settings.lease_seconds)
    if not lease.take(leave_word=False):
        return False
    with lease.kept_alive():
        ingest = _mend_all(site, wanted)
        settle_observation(site, parse_sequence_id(sequence_id))
        if not lease.give_back():
            ingest = True  # somebody asked to look again
            lease.drop()
    return ingest


def _mend_all(site: Site, findings: list[Finding]) -> bool:
    ingest = [_mend_one(site, finding) for finding in findings]
    return any(ingest)


def _mend_one(site: Site, finding: Finding) -> bool:
    """Whether the observation has to be ingested."""
    try:
        match finding.repair:
            case Repair.DROP:
                _drop(site, finding)
            case Repair.NOTE:
                _note(site, finding)
            case Repair.REBUILD:
                collection, _, key = finding.name.partition("/")
                rebuild(site, _subject(finding), key if collection == "images" else None)
            case Repair.RETURN if _is_claimed(site, finding):
                return False  # its entry has just been written again
            case Repair.RETURN:
                _return(site, finding)
            case Repair.INGEST if finding.kind in _REOPENED:
                _reopen(site, _subject(finding))
    except (CannotMend, ConfigurationError) as error:  # the other findings are mended all the same
        log.warning("%s: %s", finding.name, error)
        return False
    return finding.repair in (Repair.RETURN, Repair.INGEST)


def _subject(finding: Finding) -> str:
    if finding.subject is None:
        raise CannotMend("it is not known which upload this is about")
    return finding.subject


def _drop(site: Site, finding: Finding) -> None:
    """Remove a document that stands under a wrong key, if the proper one says all it says."""
    collection, _, key = finding.name.partition("/")
    stored = site.catalog.get(collection, key)
    if stored is None:
        return
    own = stored.fields.get(_IDS.get(collection, ""))
    proper = own if collection in _IDS else document_key(str(stored.fields.get("name")))
    if not isinstance(proper, str) or proper == key:
        raise CannotMend("it is the proper document")
    kept = site.catalog.get(collection, proper)
    if kept is None or any(kept.fields.get(k) != v for k, v in stored.fields.items()):
        raise CannotMend(f"{collection}/{proper} does not say all that it says")
    try:
        site.catalog.delete(collection, key, version=stored.version)
    except Conflict as error:
        raise CannotMend("it has just been changed") from error


def _note(site: Site, finding: Finding) -> None:
    """Write an object's present generation into the entries that name these very bytes."""
    location = finding.location
    assert location != "catalog"
    assert location != "measurements"
    info = site.stat(location, finding.name)
    if info is None:
        raise CannotMend("it has just gone")
    checksum = read_back(site, location, info)
    assert finding.sequence_id is not None

    def change(fields: Fields | None) -> Fields | None:
        outputs = [
            output.model_copy(update={"generation": info.generation})
            if (output.location, output.path, output.crc32c, output.size)
            == (location, finding.name, checksum, info.size)
            else output
            for output in (File.model_validate(fields).outputs or () if fields else ())
        ]
        return {"outputs": [output.model_dump() for output in outputs]} if outputs else None

    for stored in inventory_of(site, finding.sequence_id).files:
        if _names(stored, finding):
            modify(site.catalog, "files", stored.key, change)


def _names(stored: Stored, finding: Finding) -> bool:
    entry = as_entry(stored)
    return isinstance(entry, File) and any(
        (o.location, o.path) == (finding.location, finding.name) for o in entry.outputs or ()
    )


def _return(site: Site, finding: Finding) -> None:
    """Copy an object back to `incoming`, create-only and compared; it stays where it is too."""
    name = _subject(finding)
    location: Location = "quarantine"
    if finding.location == "catalog":
        entry = entry_to_mend(site, name)
        path = entry.path if entry else None
    else:
        assert finding.location != "measurements"
        location, path = finding.location, finding.name
        if finding.kind == Kind.OBJECT_ORPHANED:
            _refuse_what_is_judged(site, name, location, path)
    if path is None:
        raise CannotMend("there is no copy of it")
    store, incoming = site.store(location), site.store("incoming")
    try:
        store.copy_to(path, incoming, name, if_generation=0)
    except PreconditionFailed:
        if not same_object(incoming, name, store, path):
            raise CannotMend("a newer upload of this name waits in incoming") from None
    except (NotFound, BadInput, Unreadable, ValueError) as error:
        raise CannotMend(f"it cannot be copied to incoming: {error}") from error
    if not same_object(incoming, name, store, path):
        raise CannotMend("it has just been taken up")


def _refuse_what_is_judged(site: Site, name: str, location: Location, path: str) -> None:
    """Raises CannotMend for an object that would but be quarantined once more.

    Its upload, under its own name or as the `.fits` that it was made of, is a case already,
    and quarantine has the same bytes, or the same image.
    """
    names = [name]
    if name.endswith(".fits.fz"):
        stem = name.removesuffix("fits.fz")
        names += [stem + suffix for suffix, of in BY_SUFFIX.items() if of is FileType.FITS]
    for each in names:
        entry = entry_to_mend(site, each)
        if entry is None or entry.outcome != "quarantined" or entry.code not in ADVICE:
            continue
        if entry.path is None or entry.location != "quarantine":
            continue
        if _holds_the_same(site, entry.path, location, path, bytewise=each == name):
            raise CannotMend(
                f"its upload, {entry.name}, is in quarantine already, whole: rescue that "
                f"case once its cause is mended, or remove {path} from {location}"
            )


def _holds_the_same(
    site: Site, kept: str, location: Location, path: str, *, bytewise: bool
) -> bool:
    from panoptes.network.fits.content import same_image

    quarantine, store = site.store("quarantine"), site.store(location)
    if bytewise:
        return same_object(quarantine, kept, store, path)
    try:
        infos = quarantine.stat(kept), store.stat(path)
        if max(info.size for info in infos) > site.settings.max_file_bytes:
            return False
        return same_image(quarantine.read(kept)[0], store.read(path)[0])
    except (NotFound, BadInput, Unreadable):
        return False


def _is_claimed(site: Site, finding: Finding) -> bool:
    if finding.kind != Kind.OBJECT_ORPHANED or finding.sequence_id is None:
        return False
    files = inventory_of(site, finding.sequence_id).files
    return any(_names(stored, finding) for stored in files)


def _reopen(site: Site, name: str) -> None:
    """Have the ledger take a file for unfinished, so that the next run works on it.

    Raises CannotMend where no upload of it waits: then its judgement is all there is of it.
    """

    def change(fields: Fields | None) -> Fields | None:
        if not stands(site, "incoming", name):
            raise CannotMend("its upload is no longer in incoming")
        return {"outcome": None} if fields else None

    modify(site.catalog, "files", document_key(name), change)
