"""Circles on the sky: the HEALPix cells that they touch, and the exact distance."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

from panoptes.network.documents import HEALPIX_NSIDE

MAX_RANGES = 24
"""Queries a search may cost; nearer ranges of cells are joined until they are this few."""


@dataclass(frozen=True)
class Cone:
    """Everything within `radius` of a place; degrees, ICRS."""

    ra: float
    dec: float
    radius: float

    def holds(self, ra: float, dec: float) -> bool:
        return separation(self.ra, self.dec, ra, dec) <= self.radius + 1e-9

    def cells(self) -> list[tuple[int, int]]:
        """Ranges of nested HEALPix cells, the last of each excluded, that hold the circle.

        They may hold more. HEALPix has no seam at RA 0 and no singular poles.
        """
        import hpgeom

        if self.radius >= 90:
            # hpgeom 1.6.1 leaves out cells opposite to the centre of such circles.
            return [(0, 12 * HEALPIX_NSIDE**2)]
        found = hpgeom.query_circle(
            HEALPIX_NSIDE,
            self.ra % 360.0,
            self.dec,
            max(self.radius, 1e-6),
            inclusive=True,
            nest=True,
            return_pixel_ranges=True,
        )
        ranges = [(int(low), int(high)) for low, high in found]
        gaps = sorted(b[0] - a[1] for a, b in pairwise(ranges))
        closed = gaps[len(ranges) - MAX_RANGES - 1] if len(ranges) > MAX_RANGES else 0
        joined: list[tuple[int, int]] = []
        for low, high in ranges:
            if joined and low - joined[-1][1] <= closed:
                joined[-1] = (joined[-1][0], high)
            else:
                joined.append((low, high))
        return joined


def separation(ra: float, dec: float, other_ra: float, other_dec: float) -> float:
    """The angle between two places, all in degrees; exact for small and large angles
    (Vincenty's formula on the sphere)."""
    a, b = math.radians(dec), math.radians(other_dec)
    east = math.radians(other_ra - ra)
    x = math.cos(a) * math.sin(b) - math.sin(a) * math.cos(b) * math.cos(east)
    y = math.cos(b) * math.sin(east)
    along = math.sin(a) * math.sin(b) + math.cos(a) * math.cos(b) * math.cos(east)
    return math.degrees(math.atan2(math.hypot(x, y), along))
