"""A place on the sky and the text it was asked for with."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from panoptes.network.documents import Declination, RightAscension

MAX_SEARCH_STRING = 200
"""Characters; the longest designation in SIMBAD has fewer than 100."""

_TYPOGRAPHY = str.maketrans(
    "\N{MINUS SIGN}\N{EN DASH}\N{HYPHEN}\N{NON-BREAKING HYPHEN}"
    "\N{RIGHT SINGLE QUOTATION MARK}\N{PRIME}"
    "\N{RIGHT DOUBLE QUOTATION MARK}\N{DOUBLE PRIME}",
    "----''\"\"",
)


class NoSuchName(Exception):
    """Nothing is known under this name, or it cannot be one; the message says which."""


@dataclass(frozen=True)
class Found:
    """Where something is: degrees, ICRS (by Sesame, FK5 J2000 to its accuracy)."""

    name: str
    ra: float
    dec: float
    catalogue: str
    """Or what else says so."""


class Resolved(BaseModel):
    """Where something is, and who says so."""

    model_config = ConfigDict(frozen=True)
    search_string: str = Field(description="as it was asked for")
    ra: RightAscension
    dec: Declination
    name: str = Field(description="what was found, in the words of its source")
    source: str = Field(description="coordinates, ephemeris, OpenNGC, or Sesame and its catalogue")
    time: AwareDatetime | None = Field(None, description="the moment, of what moves")
    known_since: AwareDatetime | None = Field(
        None, description="when Sesame said so, of an answer that was kept"
    )


def tidy(search_string: str) -> str:
    """The text without surplus blanks and typographic signs; its case is kept, since SIMBAD
    tells ``HD 189733 b`` from ``HD 189733 B``.

    Raises NoSuchName for a text that can be no name.
    """
    if len(search_string) > MAX_SEARCH_STRING:
        raise NoSuchName(f"the search string is longer than {MAX_SEARCH_STRING} characters")
    text = unicodedata.normalize("NFC", search_string.translate(_TYPOGRAPHY))
    text = " ".join(text.split())
    if not text:
        raise NoSuchName("the search string is empty: give a name or coordinates")
    if not text.isprintable():
        raise NoSuchName("the search string holds control characters or broken text")
    return text
