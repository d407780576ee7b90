"""A FITS header as JSON, in types that mean what the cards mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from panoptes.network.fits.cards import COMMENTARY, Header

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"


@dataclass(frozen=True)
class HduHeader:
    """One HDU's header, of a compressed image as it was before compression."""

    index: int
    name: str | None
    version: int
    kind: str
    """``image``, ``table``, ``compressed-image`` or ``random-groups``, or XTENSION's word."""
    header: Header
    holds_image: bool
    """Whether there are pixels."""


def header_json(header: Header) -> dict[str, Json]:
    """Keyword to value, in the order of the file.

    COMMENT, HISTORY and blank keywords are lists of their texts, without empty lines that
    only fill the header; another keyword that is there several times is the list of its
    values. A value that is undefined or no finite number is None, a complex number has its
    two parts under ``real`` and ``imag``.
    """
    found: dict[str, list[Json]] = {}
    for card in header.cards:
        values = found.setdefault(card.keyword, [])
        value = card.value
        if isinstance(value, complex):
            values.append({"real": value.real, "imag": value.imag})
        elif value or card.keyword not in COMMENTARY:
            values.append(value)
    result: dict[str, Json] = {}
    for keyword, values in found.items():
        if keyword not in COMMENTARY:
            result[keyword] = values if len(values) > 1 else values[0]
        elif values:
            result[keyword] = values
    return result


def hdu_json(hdu: HduHeader) -> dict[str, Json]:
    """What an HDU is, its header, and what in that breaks the standard."""
    problems: list[Json] = list(hdu.header.problems)
    return {
        "index": hdu.index,
        "name": hdu.name,
        "version": hdu.version,
        "kind": hdu.kind,
        "header": header_json(hdu.header),
        "problems": problems,
    }
