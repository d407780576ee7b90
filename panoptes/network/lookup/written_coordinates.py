"""Coordinates that are written in a text: sexagesimal, decimal, or in a designation."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from panoptes.network.lookup.resolved import NoSuchName

if TYPE_CHECKING:
    from astropy.coordinates import SkyCoord

# Possessive throughout: what has been taken for a number or a unit is never cut anew, so a
# hostile text costs no more than one pass. Of units the longer come first.
_NUMBER = r"[+-]?(?:\d++(?:\.\d*+)?+|\.\d++)"
_ONE_NUMBER = re.compile(_NUMBER)
_DECIMAL = re.compile(rf"({_NUMBER})(?:\s++(?:[,;]\s*+)?+|[,;]\s*+|(?=[+-]))({_NUMBER})")
_UNIT = r"(?:hourangle|hours?+|degrees?+|deg|arcmin|arcsec|radians?+|rad|[hms:dr]|°|['\"])"
_WITH_UNITS = re.compile(rf"(?:{_NUMBER}|{_UNIT}|[\s,;])++", re.IGNORECASE)
_TWO_NUMBERS = re.compile(r"\d[\s,;+-]++\d")
_UNIT_AND_NUMBER = re.compile(r"[^a-z°'\":]*+[a-z°'\":].*\d", re.IGNORECASE | re.DOTALL)
_ANGLE = re.compile(r"\d\s*+(?:h|d|°|rad)", re.IGNORECASE)


def read_coordinates(text: str) -> tuple[float, float] | None:
    """Right ascension and declination in degrees (ICRS), or None if the text is no pair.

    Every form that astropy reads, and one that it leaves open: two plain numbers are
    degrees; sexagesimal numbers without units are hours and degrees, as in catalogues.
    Raises NoSuchName for a text that is clearly meant as coordinates but cannot be read.
    """
    decimal = _DECIMAL.fullmatch(text)
    if decimal is not None:
        return _in_range(float(decimal[1]), float(decimal[2]), text)
    if text[:1] in "Jj" and (designated := read_designation(text)):
        return designated
    if not _WITH_UNITS.fullmatch(text):
        return None
    if text[:1].isalpha() and len(_ONE_NUMBER.findall(text)) < 2:
        return None  # M42 is a name, not 42 metres
    if not (_TWO_NUMBERS.search(text) or _UNIT_AND_NUMBER.match(text)):
        return None
    try:
        return _degrees(_sky_coord(text))
    except (ValueError, TypeError) as error:
        if re.search(r"[A-Za-z]", text) and len(_ANGLE.findall(text)) < 2:
            return None  # '30 d 4' may yet be somebody's name
        raise NoSuchName(f"{text!r} cannot be read as right ascension and declination") from error


def read_designation(text: str) -> tuple[float, float] | None:
    """The position that a designation such as ``2MASS J05351730-0523280`` ends in, in
    degrees (ICRS); it is rounded or cut, as in the name."""
    from astropy.coordinates import jparser

    found = jparser.search(text.upper())
    if found is None or found.end() != len(text):
        return None
    try:
        return _degrees(jparser.to_skycoord(text.upper()))
    except ValueError:
        return None


def _sky_coord(text: str) -> SkyCoord:
    from astropy import units as u
    from astropy.coordinates import SkyCoord

    plain = " ".join(text.replace(",", " ").replace(";", " ").split())
    if re.search(r"[A-Za-z°]", plain):
        # Astropy takes numbers to belong together up to a blank.
        joined = re.sub(r"(?<=[\d.])\s+(?=[a-z°])", "", plain, flags=re.IGNORECASE)
        return SkyCoord(joined)
    return SkyCoord(plain, unit=(u.hourangle, u.deg))


def _degrees(position: SkyCoord) -> tuple[float, float]:
    return float(position.ra.deg) % 360.0, float(position.dec.deg)


def _in_range(ra: float, dec: float, text: str) -> tuple[float, float]:
    if not -180 <= ra <= 360:
        raise NoSuchName(f"{text!r}: a right ascension lies between 0 and 360 degrees")
    if not -90 <= dec <= 90:
        raise NoSuchName(f"{text!r}: a declination lies between -90 and 90 degrees")
    return ra % 360.0, dec
