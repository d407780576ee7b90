"""What became of a file, told in words for volunteers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from panoptes.network.documents import Case, File, Location, Output, Rescue
from panoptes.network.errors import ADVICE, BadInput, published
from panoptes.network.ingest.allowance import is_spent
from panoptes.network.ingest.cases import case_id_of
from panoptes.network.ingest.displaced import is_lent
from panoptes.network.ingest.ledger import READABLE
from panoptes.network.names import display_name, document_key, parse_upload
from panoptes.network.object_paths import ObjectPath
from panoptes.network.site import Site
from panoptes.network.storage.store import ObjectInfo, Unreadable
from panoptes.network.whereabouts.finding import (
    MOST_FOUND,
    Entry,
    by_last_part,
    by_whole_name,
    entry_of,
    paths_of,
)

State = Literal[
    "archived", "filed", "gone", "quarantined", "failed", "given-up", "in-work", "waiting",
    "unknown",
]  # fmt: skip

_WAIT = "Nothing: the network takes it up by itself, usually within minutes."
_SPENT = (
    "Nothing: {unit_id} has sent what it may send a day, and it is taken from midnight UTC on. An "
    "operator may raise the limit."
)
_AGAIN = "Nothing: it is tried again by itself."
_GONE = (
    "Upload it again from the unit, under the same name; if it is no longer there, ask the "
    "network's operators, who may have it."
)
_ASK_FIRST = "Ask the network's operators before you upload it again: they see what is wrong there."
_RESCUED = "An operator had it put back: the next run judges it again."
_ASK = "Tell the network's operators this file's name; they see the reason in its case."
_UNKNOWN = (
    "Nothing of this name has arrived here. Look for the upload on the unit, and compare the name "
    "letter by letter."
)
_NOT_FOUND = (
    "Nothing that was {known} has this name. {other} is only found by its whole path: give "
    "UNIT/CAMERA/SEQUENCE/IMAGE.suffix, and compare it letter by letter."
)
_UNREADABLE = (
    "There is an entry of this name that another program wrote and that cannot be read here: ask "
    "the network's operators, whose log says what is wrong with it."
)


class FileReport(BaseModel):
    """What became of one file."""

    model_config = ConfigDict(frozen=True)
    file: str = Field(description="its name, as it was uploaded")
    state: State = Field(
        description="gone: what was archived of it is there no more; in-work: it was taken up; "
        "waiting: it has arrived and was not; given-up: it failed too often through no fault of "
        "its own"
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
        found = [each for each in [entry_of(exact)] if each is not None]  # whatever its signs are
        if not found:
            return FileReports(asked=text, files=[_unknown(text, "")], note=_UNREADABLE)
        return FileReports(asked=text, files=[_report(site, each, hidden) for each in found])
    asked = text.strip().strip("\"'")
    paths = paths_of(site, asked, files_url)
    name = paths[0].name
    whole = list(by_whole_name(site, paths))
    found = whole or list(islice(by_last_part(site, name, hidden), MOST_FOUND + 1))
    found.sort(key=lambda each: not each.entry.name.endswith(name))
    reports = [_report(site, each, hidden) for each in found[:MOST_FOUND]]
    if not whole:
        reports = [*_not_in_ledger(site, paths), *reports]
    if not reports:
        reports = [_unknown(name, _where_else(name, hidden))]
    return FileReports(asked=asked, files=reports, more=len(found) > MOST_FOUND)


def _report(site: Site, found: Entry, hidden: frozenset[Location]) -> FileReport:
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
        outputs=list(entry.outputs or ()) if state in ("archived", "filed") else [],
        code=entry.code if shown or entry.code in ADVICE else None,
        case_id=(entry.case_id or case_id_of(found.key)) if is_case and shown else None,
        rescue=entry.rescue if shown else None,
        history=list(entry.history or ()) if shown else [],
    )


def _in_words(site: Site, entry: File, *, open_to_all: bool) -> tuple[State, str, str]:
    """The state, what became of the file, and what to do."""
    waits = _newer_waits(site, entry)
    match entry.outcome:
        case "archived" | "filed" if lack := _lack(site, entry):
            sentence, step = lack
            return "gone", f"It was {entry.outcome}, but {sentence}{waits}", step
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


def _lack(site: Site, entry: File) -> tuple[str, str] | None:
    """What is wrong with the object that a file became, and what to do; None if it is still the
    one, or if it would have to be read to say so, as the audit does."""
    output = next(iter(entry.outputs or ()), None)
    if output is None:
        return None  # the audit says so
    there = f"{output.location}/{output.path}"
    try:
        info = site.stat(output.location, output.path)
    except (ValueError, Unreadable, BadInput):
        return None  # nobody can look: the ledger's word stands
    if info is None:
        if next(iter(site.store(output.location).folders("")), None) is None:
            return f"nothing at all can be seen in {output.location} now.", _ASK_FIRST
        return f"{there} is not there any more.", _GONE
    if info.generation == output.generation or info.crc32c in (None, output.crc32c):
        return None
    lender = entry.duplicate_of and site.catalog.get("files", document_key(entry.duplicate_of))
    known = entry_of(lender) if lender else None
    if known is not None and is_lent(entry, output, known.entry, info.crc32c):
        return None
    return f"what lies in {there} now is not what was made of it.", _GONE


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


def _where_else(name: str, hidden: frozenset[Location]) -> str:
    """What to do where nothing was found: incoming is looked into by whole paths alone."""
    known, other = "taken up", "A file that has just come"
    if "quarantine" in hidden:
        known, other = "archived", "Any other file"
    step = _NOT_FOUND.format(known=known, other=other)
    try:
        parse_upload(name)
    except BadInput as error:
        why = f" Under this name it could not be taken: {error.reason}"
        return step + (why if "/" in name else "")
    return _UNKNOWN


def _unknown(name: str, step: str) -> FileReport:
    told = "It is not known here."
    return FileReport(file=display_name(name), state="unknown", sentence=told, next_step=step)
