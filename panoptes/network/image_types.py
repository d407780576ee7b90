"""What exposures are for: light of the sky, or calibration; as folders and cards say it."""

from __future__ import annotations

from enum import StrEnum


class ImageType(StrEnum):
    """What an exposure is for. Only lights count as images of an observation."""

    LIGHT = "light"
    DARK = "dark"
    BIAS = "bias"
    FLAT = "flat"
    FOCUS = "focus"
    POINTING = "pointing"
    ALIGNMENT = "alignment"


NOT_LIGHTS = [kind.value for kind in ImageType if kind is not ImageType.LIGHT]
"""Of older documents nothing says what they are for: they count as lights."""

_KINDS = {
    "dark": ImageType.DARK,
    "darks": ImageType.DARK,
    "bias": ImageType.BIAS,
    "biases": ImageType.BIAS,
    "flat": ImageType.FLAT,
    "flats": ImageType.FLAT,
    "eveningflat": ImageType.FLAT,
    "morningflat": ImageType.FLAT,
    "focus": ImageType.FOCUS,
    "autofocus": ImageType.FOCUS,
    "polaralignment": ImageType.ALIGNMENT,
    "quickalignment": ImageType.ALIGNMENT,
    "alignment": ImageType.ALIGNMENT,
}


def image_type_of_card(text: str | None) -> ImageType | None:
    """What IMAGETYP says: ``Dark Frame``, ``BIAS``; None for what it does not know."""
    words = (text or "").casefold().replace("-", " ").split()
    return next((kind for kind in ImageType if kind.value in words), None)


def image_type_of_field(field_name: str | None) -> ImageType | None:
    """What a field's name says of its exposures: ``Eveningflat`` or ``Evening Flat`` are flats.

    None for a target on the sky.
    """
    plain = (field_name or "").rpartition("/")[2].casefold()
    return _KINDS.get("".join(letter for letter in plain if letter.isalnum()))
