"""What an image's document says of the uploads that it came from."""

from __future__ import annotations

from pydantic import ValidationError

from panoptes.network.catalog.catalog import Fields
from panoptes.network.documents import Provenance
from panoptes.network.errors import BadInput
from panoptes.network.names import UploadName
from panoptes.network.site import Site


def recorded_sources(image: Fields) -> dict[str, Fields]:
    """What an image document says of our own sources; another program's words are not ours."""
    found = image.get("sources")
    sources: dict[str, Fields] = {}
    for kind, fields in found.items() if isinstance(found, dict) else ():
        try:
            sources[kind] = Provenance.model_validate(fields).model_dump()
        except ValidationError:
            continue
    return sources


def own_sequence(upload: UploadName, image: Fields) -> None:
    """Raises BadInput if we recorded this image in another observation."""
    other = image.get("sequence_id")
    if recorded_sources(image) and other != upload.sequence_id:
        raise BadInput(
            "conflicts-with-archive", f"{upload.image_id} is an image of {other} already"
        )


def require_own_sequence(site: Site, upload: UploadName) -> None:
    """Look before anything is made of a file. Raises BadInput as `own_sequence` does."""
    image = site.catalog.get("images", upload.image_id) if upload.image_id else None
    if image is not None:
        own_sequence(upload, image.fields)
