"""What an image is for: sky, or calibration."""

from __future__ import annotations

from panoptes.network.keywords import Described
from panoptes.network.names import (
    ImageType,
    UploadName,
    image_type_of_card,
    image_type_of_field,
)


def image_type_of(upload: UploadName, said: Described) -> ImageType:
    """The folder knows it best: a camera calls biases darks, and flats lights."""
    card = said.image.get("imagetyp")
    field_name = said.observation.get("field_name")
    return (
        upload.image_type
        or image_type_of_field(field_name if isinstance(field_name, str) else None)
        or image_type_of_card(card if isinstance(card, str) else None)
        or ImageType.LIGHT
    )
