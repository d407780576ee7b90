"""Placing what was made of an upload where it belongs, once, and taking back what was refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from itertools import chain

from pydantic import ValidationError

from panoptes.network.catalog.catalog import Query, Stored
from panoptes.network.documents import File, Location, Output
from panoptes.network.errors import BadInput, TransientError
from panoptes.network.file_types import FILE_TYPES, FileType
from panoptes.network.ingest.ledger import read_entry, readable_entry
from panoptes.network.ingest.provenance import recorded_sources
from panoptes.network.names import UploadName, display_name, document_key, parse_upload
from panoptes.network.site import Site
from panoptes.network.storage.checksums import crc32c
from panoptes.network.storage.store import NotFound, ObjectInfo, ObjectStore, PreconditionFailed
from panoptes.network.upload import Source


class OutputLost(Exception):
    """What a derivation made is not where it was put; it has to be made again."""


def output_of(role: str, location: Location, info: ObjectInfo, checksum: str) -> Output:
    return Output(
        role=role,
        location=location,
        path=info.name,
        generation=info.generation,
        crc32c=checksum,
        size=info.size,
    )


def deposit(
    site: Site,
    source: Source,
    data: bytes,
    *,
    same: Callable[[bytes], bool],
) -> tuple[Output, str | None]:
    """Write an upload's object of record, which may be there already, where its type belongs.

    Gives the output, and the name of another file if its object, which `same` finds to be
    equal in content, stands there. An object of an older generation of this source is
    replaced, unless it is all that is left of another upload that was found equal to it, or
    was there before the network. What was read from an archive is there already (`Memory.kept`).
    Raises BadInput ``conflicts-with-archive`` where the content differs, and TransientError
    while another upload that made the object is still to be entered as its owner.
    """
    upload = source.upload
    assert upload is not None
    row = FILE_TYPES[upload.file_type]
    location, role = row.kept.location, row.kept.role
    if source.memory.kept is not None and source.memory.kept.role == role:
        return source.memory.kept, None
    store, checksum = site.store(location), crc32c(data)
    asked = f"{upload.stem}.{row.kept_suffix}"
    path = _place_of_image(site, upload, asked)
    for _ in range(5):
        present = site.stat(location, path)
        if present is None:
            try:
                info = store.put(path, data, if_generation=0)
            except PreconditionFailed:
                continue
            return output_of(role, location, info, checksum), None
        own = read_entry(site, source.name)
        owner = owner_of(site, own, location, path, present)
        ours = owner is None or (own is not None and owner.name == own.name)
        lender = None if ours or owner is None else owner.name
        try:
            stored, present = store.read(path, generation=present.generation)
        except NotFound:
            continue
        except BadInput as damage:
            # What is stored is damaged, not what came in: whoever made it makes it again.
            if owner is None or not ours:
                raise OutputLost(f"{location}/{path}: {damage}") from damage
            stored = b""
        if stored == data:
            return output_of(role, location, present, checksum), lender
        equal = _equal(same, stored)
        # What was made of this source, and is no longer what was made, has been damaged.
        # What was there before the network nothing can make again.
        is_ours = path == asked and not (own is not None and own.adopted)
        damaged = not equal and owner is None and _was_made_of(own, source, location, path)
        replaces = is_ours and (damaged or _may_replace(own, source, owner))
        if replaces and not equal and _is_lent(site, source, location, path):
            # Whole or damaged, it is all that is left of the other: only its like may follow.
            replaces = _is_the_like(site, source, owner or own, location, path, data)
        if replaces:
            try:
                info = store.put(path, data, if_generation=present.generation)
            except PreconditionFailed:
                continue
            return output_of(role, location, info, checksum), None
        if equal:
            if owner is None and (maker := _unfinished_maker(site, source, present)):
                raise TransientError(f"{location}/{path} is being made of {maker}")
            return output_of(role, location, present, crc32c(stored)), lender
        there = {"location": location, "path": path, "generation": present.generation}
        raise BadInput("conflicts-with-archive", f"{location}/{path}", conflicts_with=there)
    raise TransientError(f"{location}/{path} kept changing")


def _place_of_image(site: Site, upload: UploadName, path: str) -> str:
    """Where an image's archive or camera raw lies: an adopted one stays where it was found."""
    row = FILE_TYPES[upload.file_type]
    if row.source is None or upload.image_id is None:
        return path
    image = site.catalog.get("images", upload.image_id)
    if image is None or row.source not in recorded_sources(image.fields):
        return path
    known = row.kept.path_in(image.fields) or path
    return known if known != path and site.stat(row.kept.location, known) else path


def _unfinished_maker(site: Site, source: Source, present: ObjectInfo) -> str | None:
    """The other upload of this image that its archive was made of, while that is unfinished.

    A run of it broke off, or is at work, and will enter the archive as its own.
    """
    assert source.upload is not None
    query = Query("files", where=[("sequence_id", "==", source.upload.sequence_id)])
    for entry in map(_read, site.catalog.query(query)):
        if entry is None or entry.name == display_name(source.name):
            continue
        if entry.outcome not in (None, "failed") or entry.failures >= site.settings.failure_limit:
            continue
        try:
            if _made_of(site, parse_upload(entry.name), entry, source.upload, present):
                return entry.name
        except (NotFound, BadInput):
            continue
    return None


def _made_of(
    site: Site, other: UploadName, entry: File, own: UploadName, present: ObjectInfo
) -> bool:
    """Whether an archive whose bytes are not of our making was made of another upload.

    A ``.fits.fz`` is its own archive, byte by byte; what is not was made of a ``.fits``. So
    two uploads never wait for each other. Raises NotFound where the upload is gone.
    """
    if other.stem != own.stem or other.file_type not in (FileType.FITS, FileType.FITS_FZ):
        return False
    incoming = site.store("incoming")
    waiting = incoming.stat(entry.name)
    if waiting.generation != entry.generation:
        return False
    if other.file_type is FileType.FITS:
        return own.file_type is FileType.FITS_FZ
    if waiting.size != present.size:
        return False
    data, _ = incoming.read(entry.name, generation=waiting.generation)
    return crc32c(data) == present.crc32c


def _equal(same: Callable[[bytes], bool], stored: bytes) -> bool | None:
    """Whether the content is the same; None where what is stored cannot be read."""
    try:
        return same(stored)
    except BadInput:
        return None


def _was_made_of(own: File | None, source: Source, location: Location, path: str) -> bool:
    """Whether the ledger says that an object of this name was once made of this source."""
    if own is None or own.duplicate_of or own.generation != source.generation:
        return False
    return (location, path) in ((o.location, o.path) for o in own.outputs or ())


def _is_the_like(
    site: Site,
    source: Source,
    maker: File | None,
    location: Location,
    path: str,
    data: bytes,
) -> bool:
    """Whether `data` is what was there when it was whole: the same bytes, or of the same upload."""
    made = ((o.location, o.path, o.crc32c) for o in (maker and maker.outputs) or ())
    if (location, path, crc32c(data)) in made:
        return True
    image_id = source.upload.image_id if source.upload else None
    image = site.catalog.get("images", image_id) if image_id else None
    recorded = recorded_sources(image.fields if image else {}).values()
    own = (display_name(source.name), crc32c(site.read(source)))
    return own in ((each["name"], each["crc32c"]) for each in recorded)


def _is_lent(site: Site, source: Source, location: Location, path: str) -> bool:
    """Whether another upload that was taken has this object, and none of its own.

    An entry that cannot be read may be that of one.
    """
    return any(
        stored.key != document_key(source.name)
        and (
            (entry := _read(stored)) is None
            or (entry.duplicate_of is not None and entry.outcome in ("archived", "filed"))
        )
        for stored in _entries_at(site, location, path)
    )


def _entries_at(site: Site, location: Location, path: str) -> Iterator[Stored]:
    query = Query("files", where=[("path", "==", path), ("location", "==", location)])
    return site.catalog.query(query)


def _read(stored: Stored) -> File | None:
    try:
        return File.model_validate(stored.fields)
    except ValidationError:
        return None


def owner_of(
    site: Site, own: File | None, location: Location, path: str, present: ObjectInfo
) -> File | None:
    """The ledger entry of the file whose ingest put this generation there.

    The source's `own` entry is asked first: its path may be that of a later generation's
    place in quarantine.
    """
    entries = (_read(stored) for stored in _entries_at(site, location, path))
    for entry in chain([own], entries):
        if entry is None:
            continue
        made = ((o.location, o.path, o.generation) for o in entry.outputs or ())
        if not entry.duplicate_of and (location, path, present.generation) in made:
            return entry
    return None


def _may_replace(own: File | None, source: Source, owner: File | None) -> bool:
    """Whether what stands there came from an older generation of this very source."""
    if own is None or own.generation != source.generation:
        return False
    if owner is not None:
        return owner.name == own.name
    return bool(own.unfinished)


def renew(site: Site, source: Source, location: Location, path: str, data: bytes) -> ObjectInfo:
    """Write an object that is made anew from the same source each time.

    Where the very bytes are there already they are left alone; other bytes are replaced in the
    generation that was seen. Raises PreconditionFailed if another run replaces them at the same
    time, and NotFound if a newer generation of the source has been taken up: what a stalled run
    makes of an older one must not cover what was made of it.
    """
    store = site.store(location)
    present = site.stat(location, path)
    if present is None:
        return store.put(path, data, if_generation=0)
    same = present.size == len(data) and present.crc32c == crc32c(data)
    if same and _reads_as(store, present, data):
        return present
    # Asked after the look: who takes up a newer generation from now on replaces what we write.
    entry = readable_entry(site, source)
    if entry is not None and entry.generation != source.generation:
        raise NotFound(f"{source.label} has been replaced by a newer upload")
    return store.put(path, data, if_generation=present.generation)


def _reads_as(store: ObjectStore, present: ObjectInfo, data: bytes) -> bool:
    """Whether an object's bytes are what its checksum says: a disk may have lost some."""
    try:
        return store.read(present.name, generation=present.generation)[0] == data
    except (NotFound, BadInput):
        return False


def require(site: Site, output: Output) -> bytes:
    """The bytes of an output as they now lie in the store, in the recorded generation.

    Raises OutputLost if it is not there, was replaced or was damaged.
    """
    try:
        data, _ = site.store(output.location).read(output.path, generation=output.generation)
    except (NotFound, BadInput) as error:
        raise OutputLost(f"{output.location}/{output.path}") from error
    if crc32c(data) != output.crc32c:
        raise OutputLost(f"{output.location}/{output.path}")
    return data


def roll_back(site: Site, output: Output) -> None:
    """Take away an output that proved wrong, unless somebody has replaced it."""
    with suppress(NotFound, PreconditionFailed):
        site.store(output.location).delete(output.path, if_generation=output.generation)


def roll_back_unclaimed(site: Site, source: Source, outputs: Iterable[Output]) -> None:
    """Remove the very objects that were made of a file, unless they are somebody's.

    Nothing is removed unless the file itself still lies in `incoming`, from where it goes to
    quarantine next; nor what a ledger entry of its observation or the image's document names,
    in whatever generation.
    """
    upload = source.upload
    assert upload is not None
    if not site.has(source):
        return
    query = Query("files", where=[("sequence_id", "==", upload.sequence_id)])
    claimed: set[str] = set()
    for stored in site.catalog.query(query):
        claimed.update(_texts_in(stored.fields.get("outputs")))
    image = site.catalog.get("images", upload.image_id) if upload.image_id else None
    if image is not None:
        claimed.update(_texts_in(image.fields))
    for output in outputs:
        if output.path not in claimed:
            roll_back(site, output)


def _texts_in(value: object) -> Iterable[str]:
    """Every text of a document, however deep: it may be another program's."""
    if isinstance(value, str):
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        yield from _texts_in(each)
