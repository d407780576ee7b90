"""A file that could not be taken is judged again: put back into `incoming`, or reopened.

Nothing is taken away. The copy in quarantine stays, the file is put back beside it under
its own name, only if that name is free, and the ledger says "quarantined" until a run
takes the file up. So a rescue may be killed at any moment, and be repeated: it finds what
is there already. The run that takes the file up begins with a clean slate (no attempts, no
failures) and moves the old judgement into the entry's history.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from urllib.parse import unquote

from panoptes.network.catalog.catalog import Fields, modify
from panoptes.network.documents import File, Rescue
from panoptes.network.errors import BadInput, ConfigurationError, TransientError
from panoptes.network.ingest.cases import Found, with_history
from panoptes.network.ingest.ledger import JUDGEMENT, now
from panoptes.network.ingest.listing import source_of
from panoptes.network.ingest.quarantine import may_be_removed, same_object
from panoptes.network.ingest.removing import remove_from_incoming
from panoptes.network.ingest.retries import keep_trying
from panoptes.network.names import display_name, document_key
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound, ObjectInfo, PreconditionFailed, Unreadable


class CannotRescue(Exception):
    """The case stays as it is; the message says why and what to do."""


@dataclass(frozen=True)
class Rescued:
    """What was done about a case."""

    id: str
    file: str
    sentence: str


def rescue_case(site: Site, found: Found, *, by: str) -> Rescued:
    """Have a file judged again; safe to repeat, and beside running ingests.

    `by` is kept in the history. Raises CannotRescue, and TransientError for passing trouble.
    """
    entry = found.entry
    name = _name_of(found.key, entry)
    if entry.outcome not in ("quarantined", "failed"):
        raise CannotRescue(f"{entry.name} does not wait any more: {found.report.sentence}")
    rescue = Rescue(at=now(), by=by)
    waiting = _stat(site, name)
    unmoved = waiting is not None and waiting.generation == entry.generation
    if (
        entry.outcome == "quarantined"
        and entry.path is not None
        and not site.settings.keep_incoming
    ):
        if waiting is not None and unmoved:
            # The run that quarantined it was killed before it took the upload away, or could not.
            source = source_of(waiting)
            judged = keep_trying(may_be_removed, site, source, entry)
            if judged and keep_trying(remove_from_incoming, site, source):
                return _reopen(site, found, rescue)
        return _put_back(site, found, name, rescue)
    if waiting is None:
        raise CannotRescue(_is_gone(site, entry))
    if not unmoved:
        raise CannotRescue(
            f"a newer upload of {entry.name} waits in incoming and is judged by itself"
        )
    return _reopen(site, found, rescue)


def _put_back(site: Site, found: Found, name: str, rescue: Rescue) -> Rescued:
    """Copy out of quarantine, create-only and compared; the copy there stays."""
    entry = found.entry
    assert entry.path is not None
    if not _still(site, found, {"rescue": rescue.model_dump()}):
        raise CannotRescue(f"{entry.name} has just been taken up by a run")
    quarantine, incoming = site.store("quarantine"), site.store("incoming")
    try:
        put = keep_trying(quarantine.copy_to, entry.path, incoming, name, if_generation=0)
    except NotFound:
        raise CannotRescue(
            f"the copy {entry.path} is no longer in quarantine: upload {entry.name} again"
        ) from None
    except PreconditionFailed:
        if not keep_trying(same_object, incoming, name, quarantine, entry.path):
            raise CannotRescue(
                f"a newer upload of {entry.name} waits in incoming and is judged by itself"
            ) from None
    except (BadInput, Unreadable) as error:
        raise CannotRescue(
            f"the copy {entry.path} in quarantine is damaged ({error}): upload {entry.name} again"
        ) from None
    except ConfigurationError as error:  # a file where its folder should be, say
        raise CannotRescue(
            f"{entry.name} cannot be put back into incoming: {error}; put that right, then "
            "rescue it again"
        ) from None
    except ValueError as error:
        raise CannotRescue(
            f"{entry.name} cannot be put back under this name ({error}): take its copy, "
            f"{entry.path}, from quarantine and upload it under its proper name"
        ) from None
    else:
        kept = keep_trying(quarantine.stat, entry.path)
        if (put.size, put.crc32c or kept.crc32c) != (kept.size, kept.crc32c or put.crc32c):
            raise TransientError(f"what was put back of {entry.name} is not what quarantine holds")
    return Rescued(found.report.id, entry.name, "put back into incoming; the next run takes it up")


def _reopen(site: Site, found: Found, rescue: Rescue) -> Rescued:
    """The file lies in `incoming` as it was: have the ledger forget the judgement."""
    history = with_history(found.entry, rescue)
    assert history is not None
    forgotten = dict.fromkeys(("outcome", *JUDGEMENT))
    clean: Fields = {"attempts": 0, "returns": 0, "failures": 0}
    kept: Fields = {"history": [case.model_dump(exclude_none=True) for case in history]}
    if not _still(site, found, forgotten | clean | kept | {"case_id": found.report.id}):
        raise CannotRescue(f"{found.entry.name} has just been taken up by a run")
    told = "opened again where it lies in incoming; the next run takes it up"
    return Rescued(found.report.id, found.entry.name, told)


def _still(site: Site, found: Found, changes: Fields) -> bool:
    """Write `changes` if the entry still is the case that was found; whether it is."""
    entry, held = found.entry, False

    def change(fields: Fields | None) -> Fields | None:
        nonlocal held
        held = fields is not None and (
            (fields.get("generation"), fields.get("outcome")) == (entry.generation, entry.outcome)
        )
        return changes if held else None

    keep_trying(modify, site.catalog, "files", found.key, change)
    return held


def _name_of(key: str, entry: File) -> str:
    """The name as it was uploaded. Raises CannotRescue where it was too long to be kept."""
    name = unquote(key, errors="surrogateescape")
    for each in (name, entry.name):
        if document_key(each) == key and display_name(each) == entry.name:
            return each
    raise CannotRescue(
        f"{entry.name} cannot be put back under so long a name: take its copy, {entry.path}, "
        "from quarantine and upload it under its proper name"
    )


def _stat(site: Site, name: str) -> ObjectInfo | None:
    with suppress(ValueError):  # it is the name of nothing
        return keep_trying(site.stat, "incoming", name)
    return None


def _is_gone(site: Site, entry: File) -> str:
    if entry.path is None or entry.outcome == "failed":
        return f"{entry.name} is no longer in incoming: upload it again"
    return (
        f"{entry.name} is no longer in {site.settings.incoming}, which is only read: put its copy, "
        f"{entry.path} in quarantine, back there yourself"
    )
