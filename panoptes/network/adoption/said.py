"""What documents of earlier software say, in the fields of ours.

To 2020 documents were flat, with the names that ours have. Since 2021 they are nested maps:
``camera.measured_rggb``, ``coordinates.mount_ra``; in between, some of each. Names and units
are those of panoptes-pipeline's ``utils/metadata.py``. Numbers may have become texts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from panoptes.network.catalog.catalog import Fields
from panoptes.network.documents import GeoPoint
from panoptes.network.keywords import (
    NoValue,
    between,
    read_float,
    read_int,
    read_latitude,
    read_longitude,
    read_right_ascension,
    read_text,
)
from panoptes.network.nighttime import east_of


def _read_clock(value: Any) -> str | None:
    return value.isoformat() if isinstance(value, datetime) else read_text(value)


_DEC, _SECONDS = between(-90, 90), between(0, 1e6)

Said = Sequence[tuple[str, Any, tuple[str, ...]]]
"""Our field, how its value is read, and where it may stand: parts joined by dots, a number for
one of a list."""

IMAGE: Said = (
    ("exptime", _SECONDS, ("exptime", "camera.exptime")),
    ("ha_mnt", read_float, ("ha_mnt", "coordinates.mount_ha", "mount_ha")),
    ("ra_mnt", read_right_ascension, ("ra_mnt", "coordinates.mount_ra", "mount_ra")),
    ("dec_mnt", _DEC, ("dec_mnt", "coordinates.mount_dec", "mount_dec")),
    ("ra_image", read_right_ascension, ("ra_image", "coordinates.ra")),
    ("dec_image", _DEC, ("dec_image", "coordinates.dec")),
    ("moonfrac", between(0, 1), ("moonfrac", "environment.moonfrac")),
    ("moonsep", between(0, 180), ("moonsep", "environment.moonsep")),
    ("airmass", read_float, ("airmass", "coordinates.airmass")),
    ("measev", read_float, ("measev", "camera.measured_ev.0", "camera.measured_ev")),
    ("measev2", read_float, ("measev2", "camera.measured_ev.1", "camera.measured_ev2")),
    ("measr", read_int, ("measr", "camera.measured_rggb.0", "camera.measured_r")),
    ("measg", read_int, ("measg", "camera.measured_rggb.1", "camera.measured_g1")),
    ("measg2", read_int, ("measg2", "camera.measured_rggb.2", "camera.measured_g2")),
    ("measb", read_int, ("measb", "camera.measured_rggb.3", "camera.measured_b")),
    ("camtemp", read_float, ("camtemp", "camera.temperature")),
    ("circconf", read_float, ("circconf", "camera.circconf")),
    ("colortmp", read_float, ("colortmp", "camera.colortemp")),
    ("bluebal", read_float, ("bluebal", "camera.blue_balance")),
    ("redbal", read_float, ("redbal", "camera.red_balance")),
    ("whtlvln", read_int, ("whtlvln", "camera.white_lvln")),
    ("whtlvls", read_int, ("whtlvls", "camera.white_lvls")),
    ("dateobs", _read_clock, ("dateobs", "camera.dateobs")),
    ("status", read_text, ("status",)),
)
IMAGE_OF_OBSERVATION: Said = (("iso", read_int, ("iso", "camera.iso")),)
OBSERVATION: Said = (
    ("ra", read_right_ascension, ("ra", "coordinates.mount_ra")),
    ("dec", _DEC, ("dec", "coordinates.mount_dec")),
    ("exptime", _SECONDS, ("exptime",)),
    ("iso", read_int, ("iso",)),
    ("field_name", read_text, ("field_name",)),
    ("software_version", read_text, ("software_version",)),
    ("project", read_text, ("project",)),
    ("camera_filter", read_text, ("camera_filter",)),
    ("status", read_text, ("status",)),
)
CAMERA: Said = (
    ("serial_number", read_text, ("camera.serial_number",)),
    ("internal_serial_number", read_text, ("camera.lens_serial_number",)),
)
"""What an observation says of its camera; the 'lens' is the card INTSN."""
UNIT: Said = (
    ("name", read_text, ("name",)),
    ("elevation", read_float, ("elevation",)),
    ("status", read_text, ("status",)),
)


def said_in(fields: Mapping[str, Any], table: Said) -> Fields:
    """What a document says, by our names; what cannot be understood is left out.

    Of a position both coordinates are given, or none.
    """
    found: Fields = {}
    for name, read, places in table:
        for place in places:
            value = _at(fields, place)
            if name in found or isinstance(value, Mapping | list):
                continue
            try:
                clean = read(value)
            except NoValue:
                continue
            if clean is not None:
                found[name] = clean
    for ra, dec in (("ra", "dec"), ("ra_mnt", "dec_mnt"), ("ra_image", "dec_image")):
        if (ra in found) != (dec in found):
            found.pop(ra, None)
            found.pop(dec, None)
    return found


def place_in(fields: Mapping[str, Any]) -> GeoPoint | None:
    """Where a unit stands, from a geographical point, a map, or two numbers."""
    place = fields.get("location")
    if isinstance(place, GeoPoint):
        return place
    for said in (place, fields):
        if not isinstance(said, Mapping):
            continue
        try:
            north = read_latitude(said.get("latitude"))
            east = read_longitude(said.get("longitude"))
        except NoValue:
            continue
        if isinstance(north, float) and isinstance(east, float):
            return GeoPoint(north, east_of(east))
    return None


def _at(fields: Mapping[str, Any], place: str) -> Any:
    found: Any = fields
    for part in place.split("."):
        if isinstance(found, Mapping):
            found = found.get(part)
        elif isinstance(found, list) and part.isdecimal() and int(part) < len(found):
            found = found[int(part)]
        else:
            return None
    return found
