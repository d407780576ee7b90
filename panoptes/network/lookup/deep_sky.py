"""Messier, NGC, IC and common names, by the OpenNGC catalogue inside pyongc.

OpenNGC (https://github.com/mattiaverga/OpenNGC) is under CC BY-SA 4.0.
"""

from __future__ import annotations

import math
import re
from functools import cache

from panoptes.network.lookup.resolved import Found

_SPELLINGS = (
    (re.compile(r"messier\s*(?=\d)", re.IGNORECASE), "M "),
    (re.compile(r"caldwell\s*(?=\d)", re.IGNORECASE), "C "),
    (re.compile(r"barnard\s*(?=\d)", re.IGNORECASE), "B "),
    (re.compile(r"melotte\s*(?=\d)", re.IGNORECASE), "Mel "),
    (re.compile(r"(?:collinder|cr)\s*(?=\d)", re.IGNORECASE), "Cl "),
    (re.compile(r"(ngc|ic)[\s_-]*0*(?=\d)", re.IGNORECASE), r"\1 "),
)
_DESIGNATION = re.compile(
    r"(?:NGC|IC|M|C|B|CL|ESO|HCG|LBN|MCG|MEL|MWSC|PGC|LEDA|UGC|UGCA) ?[+-]?\d.*", re.IGNORECASE
)
_OUR_NAMES = {
    "andromeda": "NGC 224", "andromeda nebula": "NGC 224", "triangulum": "NGC 598",
    "large magellanic cloud": "ESO 56-115", "lmc": "ESO 56-115", "smc": "NGC 292",
    "seven sisters": "Mel 22", "praesepe": "NGC 2632",
    # OpenNGC gives these to IC 434, half a degree away.
    "flame nebula": "NGC 2024", "orion b": "NGC 2024",
}  # fmt: skip
"""Common names that OpenNGC lacks or misplaces."""


def deep_sky_object(text: str) -> Found | None:
    """The object of this designation or common name, in any case; None if there is none."""
    name = text
    for pattern, replacement in _SPELLINGS:
        name = pattern.sub(replacement, name) if pattern.match(name) else name
    if _DESIGNATION.fullmatch(name):
        return _designated(name)
    key = _common_key(name)
    if key in _OUR_NAMES:
        return _designated(_OUR_NAMES[key])
    return _common_names().get(key)


def _designated(name: str) -> Found | None:
    from pyongc import ongc

    found = ongc.get(name)
    return None if found is None else _object(found)


@cache
def _common_names() -> dict[str, Found]:
    """By key; where several objects share a name, the one that Messier listed has it."""
    from pyongc import ongc

    names: dict[str, Found] = {}
    objects = ongc.listObjects(withname=True)
    for found in sorted(objects, key=lambda each: each.identifiers[0] is None):
        place = _object(found)
        for name in found.identifiers[3] or ():
            if place is not None:
                names.setdefault(_common_key(name), place)
    return names


def _object(found: object) -> Found | None:
    from pyongc import ongc

    assert isinstance(found, ongc.Dso)
    if found.rad_coords is None or found.type == "Nonexistent object":
        return None
    ra, dec = (math.degrees(float(angle)) for angle in found.rad_coords)
    written = re.sub(r"^([A-Z][A-Za-z]*)0*(\d)", r"\1 \2", found.name)  # NGC0224 is NGC 224
    return Found(written, ra % 360.0, dec, "OpenNGC")


def _common_key(name: str) -> str:
    plain = name.casefold().removeprefix("the ").replace("'", "")
    return re.sub(r"[\s-]+", " ", plain).strip()
