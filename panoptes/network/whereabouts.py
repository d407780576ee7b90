"""What became of a file: found by its name, in any spelling, and told in words for volunteers.

A name is looked for in the ledger as it was uploaded, as what it was archived as, and by the
observation that it names; a last part alone (``20180216T112430.cr2``) by its time. What the
ledger does not know may still wait in `incoming`, or lie in an archive that is older than it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from panoptes.network.catalog.catalog import Condition, Query, Stored
from panoptes.network.documents import Case, File, Location, Output, Rescue
from panoptes.network.errors import ADVICE, BadInput, published
from panoptes.network.ingest.allowance import is_spent
from panoptes.network.ingest.cases import case_id_of
from panoptes.network.ingest.ledger import READABLE
from panoptes.network.names import UploadName, display_name, document_key, parse_time, parse_upload
from panoptes.network.object_paths import ObjectPath, paths_meant
from panoptes.network.safe_text import safe_log
from panoptes.network.search import all_units
from panoptes.network.site import Site
from panoptes.network.storage.store import ObjectInfo, Unreadable

log = safe_log(__name__)

MOST_FOUND = 50
"""Files that one answer tells of."""
_MOST_READ = 5_000
"""Entries of the ledger that one question may read."""

State = Literal[
    "archived", "filed", "quarantined", "failed", "given-up", "in-work", "waiting", "unknown"
]

_WAIT = "Nothing: the network takes it up by itself, usually within minutes."
_SPENT = (
    "Nothing: {unit_id} has sent what it may send a day, and it is taken from midnight UTC on. An "
    "operator may raise the limit."
)
_AGAIN = "Nothing: it is tried again by itself."
_RESCUED = "An operator had it put back: the next run judges it again."
_ASK = "Tell the network's operators this file's name; they see the reason in its case."
_UNKNOWN = (
    "Nothing of this name has arrived here. Look for the upload on the unit, compare the name "
    "letter by letter, and give the whole path: UNIT/CAMERA/SEQUENCE/IMAGE.suffix."
)
_LAST_PART = (
    "A file that nobody has taken up yet is only found by its whole path: "
    "UNIT/CAMERA/SEQUENCE/IMAGE.suffix."
)
_UNREADABLE = (
    "There is an entry of this name that another program wrote and that cannot be read here: ask "
    "the network's operators, whose log says what is wrong with it."
)
_REFUSED = (
    "If the network refused the file, it is only found here by its whole path: "
    "UNIT/CAMERA/SEQUENCE/IMAGE.suffix."
)
_TIME = re.compile(r"(?<!\d)\d{8}T\d{6}(?!\d)", re.ASCII)
_UNIT = re.compile(r"(?<![0-9A-Za-z])PAN\d{3}(?!\d)", re.ASCII)


class FileReport(BaseModel):
    """What became of one file."""

    model_config = ConfigDict(frozen=True)
    file: str = Field(description="its name, as it was uploaded")
    state: State = Field(
        description="in-work: it was taken up; waiting: it has arrived and was not; given-up: it "
        "failed too often through no fault of its own"
    )
    sentence: str = Field(description="what became of it")
    next_step: str = Field(description="what to do; empty if nothing")
    arrived: AwareDatetime | None = None
    closed: AwareDatetime | None = Field(None, description="when it was recorded, or judged")
    size: int | None = Field(None, description="bytes")
    unit_id: str | None = None
    sequence_id: str | None = None
    image_id: str | None = None
    outputs: list[Output] = Field(default_factory=list, description="what was made of it")
    code: str | None = None
    case_id: str | None = None
    rescue: Rescue | None = None
    history: list[Case] = Field(default_factory=list, description="how it was judged before")


class FileReports(BaseModel):
    """The answer about a name: the files that it can mean, the likeliest first."""

    asked: str
    files: list[FileReport] = Field(description="one of state unknown where there is none")
    more: bool = Field(False, description="whether it can mean more files than are told of")
    note: str = Field("", description="what the answer does not cover")


def what_became_of(
    site: Site,
    text: str,
    *,
    hidden: frozenset[Location] = frozenset(),
    files_url: str | None = None,
) -> FileReports:
    """What became of the file that `text` names.

    `text` is a name as it was uploaded, a path within a location, a path of the unit's own
    disk, an address (``gs://``, or a URL of Cloud Storage or below `files_url`), or the last
    part alone. Of files in locations that are `hidden` it is told what they are, and not what
    was seen in them. Raises BadPath for a text that can be no name, and NotOurs for an address
    elsewhere.
    """
    if exact := site.catalog.get("files", document_key(text)) if text else None:
        found = [each for each in [_entry(exact)] if each is not None]  # whatever its signs are
        if not found:
            return FileReports(asked=text, files=[_unknown(text)], note=_UNREADABLE)
        return FileReports(asked=text, files=[_report(site, each, hidden) for each in found])
    asked = text.strip().strip("\"'")
    paths = _paths_of(site, asked, files_url)
    name = paths[0].name
    whole = list(_by_whole_name(site, paths))
    found = whole or list(islice(_by_last_part(site, name, hidden), MOST_FOUND + 1))
    found.sort(key=lambda each: not each.entry.name.endswith(name))
    reports = [_report(site, each, hidden) for each in found[:MOST_FOUND]]
    if not whole:
        reports = [*_not_in_ledger(site, paths), *reports]
    note = "" if whole or "/" in name else _LAST_PART
    if not reports:
        reports, note = [_unknown(name)], ""
        if "quarantine" in hidden and "/" not in name:
            note = _REFUSED
    return FileReports(asked=asked, files=reports, more=len(found) > MOST_FOUND, note=note)


@dataclass(frozen=True)
class _Entry:
    key: str
    entry: File


def _paths_of(site: Site, asked: str, files_url: str | None) -> list[ObjectPath]:
    """What the text can mean; a path of somebody's own disk is a name from its unit on."""
    if "://" not in asked:
        asked = asked.replace("\\", "/").removeprefix("./")
        if asked.startswith(("/", "~/")) or asked[1:3] == ":/":
            _, unit, below = asked.partition("/PAN")
            asked = f"PAN{below}" if unit else asked.rpartition("/")[2]
    paths = paths_meant(site, asked, files_url=files_url)
    return sorted(paths, key=lambda path: path.location != "incoming")


def _by_whole_name(site: Site, paths: Sequence[ObjectPath]) -> Iterator[_Entry]:
    """The ledger's entries that the name, its archive or its observation lead to."""
    seen: set[str] = set()
    for path in paths:
        for stored in _asked_for(site, path, anywhere=len(paths) > 1):
            found = _entry(stored)
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


def _by_last_part(site: Site, name: str, hidden: frozenset[Location]) -> Iterator[_Entry]:
    """The entries whose names end alike, as far as indexes find them by the time therein."""
    last = name.rpartition("/")[2]
    seen: set[str] = set()
    if times := _TIME.findall(last):
        unit = _UNIT.search(name)
        for sequence_id in sorted(_sequences_at(site, times[-1], unit[0] if unit else None)):
            yield from _ending_in(site, last, ("sequence_id", "==", sequence_id), seen)
    if "quarantine" not in hidden:  # names of what was quarantined are not told to everyone
        for outcome in ("quarantined", "failed"):
            yield from _ending_in(site, last, ("outcome", "==", outcome), seen)


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


def _ending_in(site: Site, last: str, where: Condition, seen: set[str]) -> Iterator[_Entry]:
    """The entries among some whose names end alike; of the others only the name is read."""
    query = Query("files", [where], limit=_MOST_READ, only=("name", "image_id"))
    for each in site.catalog.query(query):
        name = each.fields.get("name")
        if not isinstance(name, str) or each.key in seen:
            continue
        if _ends_in(name, each.fields.get("image_id"), last):
            seen.add(each.key)
            whole = site.catalog.get("files", each.key)
            found = _entry(whole) if whole else None
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


def _entry(stored: Stored) -> _Entry | None:
    try:
        return _Entry(stored.key, File.model_validate(stored.fields))
    except ValidationError as error:
        log.warning("the ledger's entry %s cannot be read: %s", stored.key, error)
        return None


def _report(site: Site, found: _Entry, hidden: frozenset[Location]) -> FileReport:
    entry = found.entry
    state, sentence, step = _in_words(site, entry, open_to_all="quarantine" in hidden)
    is_case = state in ("quarantined", "given-up")
    shown = "quarantine" not in hidden
    return FileReport(
        file=entry.name,
        state=state,
        sentence=sentence,
        next_step=step,
        arrived=entry.arrived,
        closed=entry.closed,
        size=entry.size,
        unit_id=entry.unit_id,
        sequence_id=entry.sequence_id,
        image_id=entry.image_id,
        outputs=list(entry.outputs or ()) if entry.outcome in ("archived", "filed") else [],
        code=entry.code if shown or entry.code in ADVICE else None,
        case_id=(entry.case_id or case_id_of(found.key)) if is_case and shown else None,
        rescue=entry.rescue if shown else None,
        history=list(entry.history or ()) if shown else [],
    )


def _in_words(site: Site, entry: File, *, open_to_all: bool) -> tuple[State, str, str]:
    """The state, what became of the file, and what to do."""
    waits = _newer_waits(site, entry)
    match entry.outcome:
        case "archived":
            told = "It is archived: every pixel was read back and compared."
            return "archived", f"{told}{_same_as(entry)}{waits}", ""
        case "filed":
            return "filed", f"It is kept as it was uploaded.{_same_as(entry)}{waits}", ""
        case "quarantined":
            sentence, step = entry.reason or "", entry.next_step or ""
            if open_to_all:
                advice = published(entry.code)
                sentence, step = advice.sentence, advice.next_step
            kept = "It could not be taken, and is kept aside, untouched."
            return "quarantined", f"{kept} {sentence}{waits}", _RESCUED if entry.rescue else step
        case "failed":
            return _failed(site, entry, open_to_all=open_to_all)
    if entry.code is not None:
        known = open_to_all or entry.code in ADVICE
        seen = published(entry.code).sentence if known else entry.reason or ""
        said = published(entry.code).next_step if open_to_all else entry.next_step
        return "in-work", f"It may still be arriving. {seen}", said or _WAIT
    if entry.attempts > entry.returns and entry.closed is None:
        return "in-work", "It has been taken up, and is being worked on.", _WAIT
    return "in-work", "It is to be judged again.", _WAIT


def _failed(site: Site, entry: File, *, open_to_all: bool) -> tuple[State, str, str]:
    reason = "" if open_to_all else f": {entry.reason}"
    if entry.failures >= site.settings.failure_limit:
        told = f"The network failed at it {entry.failures} times, through no fault of the file"
        return "given-up", f"{told}{reason}", _ASK
    told = f"The network could not take it yet, through no fault of the file{reason}"
    step = READABLE if entry.next_step == READABLE and not open_to_all else _AGAIN
    return "failed", told, step


def _same_as(entry: File) -> str:
    return f" It is the same as {entry.duplicate_of}." if entry.duplicate_of else ""


def _newer_waits(site: Site, entry: File) -> str:
    """Whether another upload of the name has arrived since."""
    if site.settings.keep_incoming:
        return ""
    info = _waiting(site, entry.name)
    if info is None or info.generation == entry.generation:
        return ""
    return f" A newer upload of the name arrived {info.updated:%Y-%m-%d %H:%M} UTC, and waits."


def _waiting(site: Site, name: str) -> ObjectInfo | None:
    try:
        return site.stat("incoming", name)
    except (ValueError, Unreadable, BadInput):  # the name of nothing, or of what may not be read
        return None


def _not_in_ledger(site: Site, paths: Sequence[ObjectPath]) -> Iterator[FileReport]:
    """What lies in incoming untaken, or in an archive that is older than the ledger."""
    for path in dict.fromkeys(paths):
        if path.location == "quarantine":
            continue
        try:
            info = site.stat(path.location, path.name)
        except (ValueError, Unreadable, BadInput):
            continue
        if info is None:
            continue
        waits = path.location == "incoming"
        sentence = "It has arrived, and waits to be taken up."
        yield FileReport(
            file=path.name,
            state="waiting" if waits else "archived",
            sentence=sentence if waits else f"It lies in {path.location}, from before the ledger.",
            next_step=_step_of_waiting(site, path.name) if waits else "",
            arrived=info.updated,
            size=info.size,
        )


def _step_of_waiting(site: Site, name: str) -> str:
    """A name that says nothing is judged as bad once it is at rest: better said at once."""
    try:
        unit_id = parse_upload(name).sequence.unit_id
    except BadInput as error:
        return f"It will not be taken under this name: {error.reason} {error.next_step}"
    return _SPENT.format(unit_id=unit_id) if is_spent(site, unit_id) else _WAIT


def _unknown(name: str) -> FileReport:
    step = _UNKNOWN
    try:
        parse_upload(name)
    except BadInput as error:
        if "/" in name:
            step = f"{_UNKNOWN} Under this name it could not be taken: {error.reason}"
    told = "It is not known here."
    return FileReport(file=display_name(name), state="unknown", sentence=told, next_step=step)
