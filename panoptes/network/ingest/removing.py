"""A file that is done leaves `incoming`, or stays there for a reason that people are told.

Where the reason can be seen, as of a mount or a permission, it is looked at whenever it is
asked for, and what was mended holds at once. What only a try tells is written down, and tried
again now and then.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import timedelta

from panoptes.network.documents import File
from panoptes.network.errors import ConfigurationError
from panoptes.network.ingest.ledger import note_that_it_stays, now, outputs_stand
from panoptes.network.safe_text import safe_log
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound, PreconditionFailed
from panoptes.network.upload import Source

TRIED_AGAIN = timedelta(hours=6)
"""After which a sweep has the removal of a file tried again that only a try tells of: each try
reads the file, and what was made of it."""

log = safe_log(__name__)


def remove_from_incoming(site: Site, source: Source) -> str | None:
    """Take a finished file away, unless it is to be kept or has changed meanwhile.

    Gives why it stays, where only an operator can put that right: what was made of it stands.
    """
    if site.settings.keep_incoming:
        return None
    store = site.store("incoming")
    try:
        # It may have gone already, or be a newer generation that the next listing finds.
        with suppress(NotFound, PreconditionFailed):
            store.delete(source.name, if_generation=source.generation)
    except ConfigurationError as error:
        why = store.hindrance(source.name)
        if why is None:
            why = str(error)
            note_that_it_stays(site, source, why)
        log.warning("%s cannot be removed from incoming: %s", source.label, why)
        return why
    return None


def why_it_stays(site: Site, source: Source, entry: File) -> str | None:
    """Why a file that is done cannot be removed from `incoming`; None where it is not done, or a
    run could remove it."""
    if entry.generation != source.generation or site.settings.keep_incoming:
        return None
    if entry.outcome not in ("archived", "filed", "quarantined") or entry.path is None:
        return None
    if entry.outcome != "quarantined" and not outputs_stand(site, entry, closely=False):
        return None  # what was made of it is gone: a run makes it again
    if (why := site.store("incoming").hindrance(source.name)) is not None:
        return why
    stays = entry.stays
    return stays.why if stays and now() - stays.at < TRIED_AGAIN else None
