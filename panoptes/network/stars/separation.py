"""The angle between two places on the sky."""

from __future__ import annotations

import math


def separation(ra: float, dec: float, other_ra: float, other_dec: float) -> float:
    """The angle between two places, all in degrees; exact for small and large angles
    (Vincenty's formula on the sphere)."""
    a, b = math.radians(dec), math.radians(other_dec)
    east = math.radians(other_ra - ra)
    x = math.cos(a) * math.sin(b) - math.sin(a) * math.cos(b) * math.cos(east)
    y = math.cos(b) * math.sin(east)
    along = math.sin(a) * math.sin(b) + math.cos(a) * math.cos(b) * math.cos(east)
    return math.degrees(math.atan2(math.hypot(x, y), along))
