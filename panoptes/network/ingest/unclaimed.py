"""What was made of a file that is refused after all is taken away again."""

from __future__ import annotations

from collections.abc import Iterable

from panoptes.network.catalog.catalog import Query
from panoptes.network.documents import Output
from panoptes.network.ingest.deposit import withdraw
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound
from panoptes.network.upload import Source


def withdraw_unclaimed(site: Site, source: Source, outputs: Iterable[Output]) -> None:
    """Remove the very objects that were made of a file, unless they are somebody's.

    Nothing is removed unless the file itself still lies in `incoming`, from where it goes to
    quarantine next; nor what a ledger entry of its observation or the image's document names,
    in whatever generation.
    """
    upload = source.upload
    assert upload is not None
    try:
        if site.store("incoming").stat(source.name).generation != source.generation:
            return
    except NotFound:
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
            withdraw(site, output)


def _texts_in(value: object) -> Iterable[str]:
    """Every text of a document, however deep: it may be another program's."""
    if isinstance(value, str):
        yield value
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for each in inner:
        yield from _texts_in(each)
