"""Nights, unit by unit: what was expected, what came of it, and why nothing did."""

from panoptes.network.nights.calendar import NightRow, nights_of
from panoptes.network.nights.found import unrouted
from panoptes.network.nights.report import (
    cases_of,
    checked_night,
    last_whole_night,
    unit_ids,
    unit_night,
)
from panoptes.network.nights.unit_night import NightCase, UnitNight, for_everybody, night_json

__all__ = [
    "NightCase",
    "NightRow",
    "UnitNight",
    "cases_of",
    "checked_night",
    "for_everybody",
    "last_whole_night",
    "night_json",
    "nights_of",
    "unit_ids",
    "unit_night",
    "unrouted",
]
