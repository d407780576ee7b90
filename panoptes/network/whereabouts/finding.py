"""The ledger's entries that a name can mean, in any spelling.

A name is looked for in the ledger as it was uploaded, as what it was archived as, and by the
observation that it names; a last part alone (``20180216T112430.cr2``) by its time.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pydantic import ValidationError

from panoptes.network.catalog.catalog import Condition, Query, Stored
from panoptes.network.documents import File, Location
from panoptes.network.errors import BadInput
from panoptes.network.names import UploadName, document_key, parse_time, parse_upload
from panoptes.network.object_paths import ObjectPath, paths_meant
from panoptes.network.safe_text import safe_log
from panoptes.network.search import all_units
from panoptes.network.site import Site

log = safe_log(__name__)

MOST_FOUND = 50
"""Files that one answer tells of."""
_MOST_READ = 5_000
"""Entries of the ledger that one question may read."""
_NOT_TAKEN: tuple[Condition, ...] = (("code", ">", ""), ("returns", "==", 0))
"""What is in quarantine, failed or may still be arriving; what is worked on for the first time."""

_TIME = re.compile(r"(?<!\d)\d{8}T\d{6}(?!\d)", re.ASCII)
_UNIT = re.compile(r"(?<![0-9A-Za-z])PAN\d{3}(?!\d)", re.ASCII)


@dataclass(frozen=True)
class Entry:
    """Of the ledger."""

    key: str
    entry: File


def paths_of(site: Site, asked: str, files_url: str | None) -> list[ObjectPath]:
    """What the text can mean; a path of somebody's own disk is a name from its unit on."""
    if "://" not in asked:
        asked = asked.replace("\\", "/").removeprefix("./")
        if asked.startswith(("/", "~/")) or asked[1:3] == ":/":
            _, unit, below = asked.partition("/PAN")
            asked = f"PAN{below}" if unit else asked.rpartition("/")[2]
    paths = paths_meant(site, asked, files_url=files_url)
    return sorted(paths, key=lambda path: path.location != "incoming")


def by_whole_name(site: Site, paths: Sequence[ObjectPath]) -> Iterator[Entry]:
    """The ledger's entries that the name, its archive or its observation lead to."""
    seen: set[str] = set()
    for path in paths:
        for stored in _asked_for(site, path, anywhere=len(paths) > 1):
            found = entry_of(stored)
            if found is not None and found.key not in seen:
                seen.add(found.key)
                yield found


def _asked_for(site: Site, path: ObjectPath, *, anywhere: bool) -> Iterator[Stored]:
    if path.location == "incoming":
        by_key = site.catalog.get("files", document_key(path.name))
        yield from [by_key] if by_key else []
    for stored in site.catalog.query(Query("files", [("path", "==", path.name)], limit=MOST_FOUND)):
        if anywhere or stored.fields.get("location") == path.location:
            yield stored
    sequence_id, upload = _sequence_of(path.name)
    if sequence_id is None:
        return
    of_sequence = Query("files", [("sequence_id", "==", sequence_id)], limit=_MOST_READ)
    for stored in site.catalog.query(of_sequence):
        outputs = stored.fields.get("outputs")
        made = any(
            isinstance(each, dict)
            and (each.get("location"), each.get("path")) == (path.location, path.name)
            for each in (outputs if isinstance(outputs, list) else ())
        )
        if made or (path.location == "incoming" and upload and _is_same(stored, upload)):
            yield stored


def _sequence_of(name: str) -> tuple[str | None, UploadName | None]:
    """The observation that a path lies in, and what the path says as an upload's name."""
    try:
        upload = parse_upload(name)
    except BadInput:
        found = re.match(r"(PAN\d{3})/([^/]+)/(\d{8}T\d{6})(?=[/.])", name, re.ASCII)
        return ("_".join(found.groups()) if found else None), None
    return upload.sequence_id, upload


def _is_same(stored: Stored, upload: UploadName) -> bool:
    """Whether an entry is of the same file under another spelling of its name."""
    name = stored.fields.get("name")
    try:
        other = parse_upload(name) if isinstance(name, str) else None
    except BadInput:
        return False
    return other is not None and (other.stem, other.file_type) == (upload.stem, upload.file_type)


def by_last_part(site: Site, name: str, hidden: frozenset[Location]) -> Iterator[Entry]:
    """The entries whose names end alike, as far as indexes find them by the time therein."""
    last = name.rpartition("/")[2]
    seen: set[str] = set()
    if times := _TIME.findall(last):
        unit = _UNIT.search(name)
        for sequence_id in sorted(_sequences_at(site, times[-1], unit[0] if unit else None)):
            yield from _ending_in(site, last, ("sequence_id", "==", sequence_id), seen)
    if "quarantine" not in hidden:  # names of what was not taken are not told to everyone
        for where in _NOT_TAKEN:
            yield from _ending_in(site, last, where, seen)


def _sequences_at(site: Site, moment: str, unit_id: str | None) -> set[str]:
    """The observations that began, or have an image, at a compact time."""
    try:
        time = parse_time(moment)
    except ValueError:
        return set()
    began = site.catalog.query(
        Query("observations", [("time", ">=", time), ("time", "<=", time)], limit=MOST_FOUND)
    )
    found = {stored.key for stored in began}
    for unit in [unit_id] if unit_id else [each.key for each in all_units(site.catalog)]:
        at: list[Condition] = [("time", ">=", time), ("time", "<=", time)]
        query = Query("images", [("unit_id", "==", unit), *at], [("time", "desc")])
        found |= {str(stored.fields.get("sequence_id")) for stored in site.catalog.query(query)}
    return found


def _ending_in(site: Site, last: str, where: Condition, seen: set[str]) -> Iterator[Entry]:
    """The entries among some whose names end alike; of the others only the name is read."""
    query = Query("files", [where], limit=_MOST_READ, only=("name", "image_id"))
    for each in site.catalog.query(query):
        name = each.fields.get("name")
        if not isinstance(name, str) or each.key in seen:
            continue
        if _ends_in(name, each.fields.get("image_id"), last):
            seen.add(each.key)
            whole = site.catalog.get("files", each.key)
            found = entry_of(whole) if whole else None
            if found is not None:
                yield found


def _ends_in(name: str, image_id: object, last: str) -> bool:
    """Whether a name ends in `last`, which may lack the suffix, or be the image's id."""
    stem, dot, suffix = last.partition(".")
    own = name.rpartition("/")[2]
    return (
        own == last
        or name.endswith(f"_{last}")
        or (not dot and own.partition(".")[0] == stem)
        or (image_id == stem and own.endswith(f"{dot}{suffix}"))
    )


def entry_of(stored: Stored) -> Entry | None:
    """The entry, if it can be read."""
    try:
        return Entry(stored.key, File.model_validate(stored.fields))
    except ValidationError as error:
        log.warning("the ledger's entry %s cannot be read: %s", stored.key, error)
        return None
