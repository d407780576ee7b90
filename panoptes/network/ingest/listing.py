"""What waits in `incoming`, at the cost of what waits and not of what was ever sent."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress

from panoptes.network.errors import BadInput
from panoptes.network.file_types import RAWS
from panoptes.network.names import ObservationName, parse_upload
from panoptes.network.site import Site
from panoptes.network.storage.store import ObjectInfo, Unreadable
from panoptes.network.upload import Source


def source_of(info: ObjectInfo) -> Source:
    """A listed object as a source, with what its name says, if anything."""
    try:
        upload = parse_upload(info.name)
    except BadInput:
        upload = None
    return Source(
        name=info.name,
        generation=info.generation,
        size=info.size,
        arrived=info.updated,
        crc32c=info.crc32c,
        upload=upload,
    )


def everything_waiting(site: Site) -> Iterator[Source]:
    """Every file in `incoming`, unroutable ones too."""
    return map(source_of, site.store("incoming").list())


def waiting_for(site: Site, sequence: ObservationName) -> list[Source]:
    """The files of one observation that wait in `incoming`, in the order of their names.

    Looks below the observation's own prefixes, and probes each folder of the unit as a
    field-name folder, of one level or two, or below ``images/fields``; never walks the unit.
    """
    store = site.store("incoming")
    prefixes = listing_prefixes(sequence)
    for folder in store.folders(f"{sequence.unit_id}/"):
        prefixes += field_prefixes(sequence, folder)
        if folder != f"{sequence.unit_id}/{sequence.camera_id}/":  # where no name has a field
            for inner in store.folders(folder):
                prefixes += field_prefixes(sequence, inner)
                if inner == f"{sequence.unit_id}/images/fields/":
                    for innermost in store.folders(inner):
                        prefixes += field_prefixes(sequence, innermost)
    found: dict[str, ObjectInfo] = {}
    for prefix in prefixes:
        with suppress(Unreadable):  # the sweep tells of what may not be read
            found |= {info.name: info for info in store.list(prefix)}
    sources = [source_of(found[name]) for name in sorted(found)]
    return [s for s in sources if s.upload and s.upload.sequence_id == sequence.sequence_id]


def by_image(sources: Iterable[Source]) -> list[list[Source]]:
    """Files of one image together, so that they are taken one after the other.

    The camera raw comes last: where the FITS file is archived it needs no picture.
    """
    groups: dict[str, list[Source]] = {}
    for source in sources:
        groups.setdefault(source.upload.stem if source.upload else source.name, []).append(source)
    for group in groups.values():
        group.sort(key=_order)
    return list(groups.values())


def _order(source: Source) -> tuple[bool, str, str]:
    kind = source.upload.file_type if source.upload else None
    return kind in RAWS, kind.value if kind else "", source.name


def listing_prefixes(sequence: ObservationName) -> list[str]:
    """The prefixes under which uploads of an observation lie, but for field folders.

    Listing costs by what waits for this observation. Prefixes end before the separator,
    so that ``SEQUENCE/IMAGE``, ``SEQUENCE_IMAGE`` and ``SEQUENCE.mp4`` are all found; a
    caller parses each name and keeps those of its sequence.
    """
    unit, camera, start = sequence.unit_id, sequence.camera_id, sequence.sequence_time
    # Exported names, a field name within or not, lie side by side: what waits of the unit.
    return [*(f"{unit}/{camera}{separator}{start}" for separator in "/_"), f"{unit}_"]


def field_prefixes(sequence: ObservationName, field_folder: str) -> list[str]:
    """The prefixes of an observation below one field-name folder, such as ``UNIT/FIELD/``."""
    camera, start = sequence.camera_id, sequence.sequence_time
    return [f"{field_folder}{camera}{separator}{start}" for separator in "/_-"]
