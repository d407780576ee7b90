"""The types of file that units upload: by which suffixes each is known, what it holds, as what
it is kept, and how that is served.

`FILE_TYPES` has a row for each. What is made of a file, and how that is compared with it, is in
`panoptes.network.ingest.derive.DERIVATIONS`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal


class FileType(StrEnum):
    """What a file is, by its suffix in either case."""

    FITS = "fits"
    FITS_FZ = "fits.fz"
    CR2 = "cr2"
    JPG = "jpg"
    PNG = "png"
    MP4 = "mp4"


@dataclass(frozen=True)
class Kept:
    """As what a file is kept."""

    location: Literal["images", "originals", "previews", "timelapse"]
    role: str
    """Among the `outputs` of its ledger entry."""
    path_field: str | None = None
    """The field of the image's document that says where it lies."""

    def path_in(self, image: Mapping[str, Any]) -> str | None:
        """Where the fields of an image's document say that it lies."""
        path = image.get(self.path_field) if self.path_field else None
        return path if isinstance(path, str) else None


ARCHIVE = Kept("images", "archive", "bucket_path")
ORIGINAL = Kept("originals", "original", "original_path")
"""A camera raw."""
PICTURE = Kept("previews", "picture")
FILM = Kept("timelapse", "timelapse")


@dataclass(frozen=True, kw_only=True)
class TypeOfFile:
    """What is to be known of a type of file."""

    content_type: str
    """Over HTTP."""
    kept: Kept
    kept_suffix: str
    """Where it is the type's own, files are kept byte for byte."""
    other_suffixes: tuple[str, ...] = ()
    """Under which it is uploaded, too."""
    source: str | None = None
    """Of a type that holds an exposure: what it is among the `sources` of the image's document.
    Types with one `source` say the same thing, and take each other's place."""

    @property
    def is_raw(self) -> bool:
        """Whether it comes from the camera itself: where the image's FITS file says the same
        thing, that has the last word, and the better picture."""
        return self.kept is ORIGINAL


FILE_TYPES: Mapping[str, TypeOfFile] = {
    FileType.FITS: TypeOfFile(
        content_type="application/fits",  # RFC 4047
        kept=ARCHIVE,
        kept_suffix="fits.fz",
        other_suffixes=("fit", "fts"),
        source="fits",
    ),
    FileType.FITS_FZ: TypeOfFile(
        content_type="application/fits", kept=ARCHIVE, kept_suffix="fits.fz", source="fits"
    ),
    FileType.CR2: TypeOfFile(
        content_type="image/x-canon-cr2", kept=ORIGINAL, kept_suffix="cr2", source="cr2"
    ),
    FileType.JPG: TypeOfFile(
        content_type="image/jpeg", kept=PICTURE, kept_suffix="jpg", other_suffixes=("jpeg",)
    ),
    FileType.PNG: TypeOfFile(content_type="image/png", kept=PICTURE, kept_suffix="png"),
    FileType.MP4: TypeOfFile(content_type="video/mp4", kept=FILM, kept_suffix="mp4"),
}

IMAGES = frozenset(each for each in FileType if FILE_TYPES[each].source)
"""The types that hold an exposure; the others are pictures and films of exposures."""
RAWS = frozenset(each for each in IMAGES if FILE_TYPES[each].is_raw)
KEPT_SOURCES = {row.source: row.kept for row in FILE_TYPES.values() if row.source}
"""By their keys among an image's `sources`: as what the files are kept that it was made of."""
BY_SUFFIX = {
    suffix: each for each in FileType for suffix in (each.value, *FILE_TYPES[each].other_suffixes)
}
"""In lower case, without the dot."""


def content_type_of(name: str) -> str | None:
    """That of a file which is called so; None for what is none of these types."""
    found = (each for suffix, each in BY_SUFFIX.items() if name.lower().endswith(f".{suffix}"))
    return next((FILE_TYPES[each].content_type for each in found), None)
