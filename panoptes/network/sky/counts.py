"""How many observations there are of each part of the sky.

Nested HEALPix cells are counted from the largest down, and only those that hold something
are divided: a few queries a cell, whatever the number of observations, none of which is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from panoptes.network.catalog.catalog import Catalog, Query
from panoptes.network.documents import HEALPIX_NSIDE

LARGEST_NSIDE, SMALLEST_NSIDE = 8, 16
"""Cells of 7.3 degrees, about a unit's field of view, and of half that."""
MOST_CELLS = 760
"""Cells are only divided to the smallest where no more than so many would be drawn."""
_AT_ONCE = 4


@dataclass(frozen=True)
class SkyCounts:
    """Observations of lights by nested HEALPix cell of `nside`; cells without any are absent."""

    nside: int
    cells: Mapping[int, int]
    counted: datetime

    @property
    def total(self) -> int:
        return sum(self.cells.values())

    def centres(self) -> dict[int, tuple[float, float]]:
        """Right ascension and declination of each cell's centre, degrees, ICRS."""
        import hpgeom

        cells = list(self.cells)
        if not cells:
            return {}
        ras, decs = hpgeom.pixel_to_angle(self.nside, cells, nest=True)
        return {
            cell: (float(ra), float(dec)) for cell, ra, dec in zip(cells, ras, decs, strict=True)
        }


def count_sky(catalog: Catalog) -> SkyCounts:
    """Count now. Documents of earlier software are counted once they are adopted."""
    counted = datetime.now(UTC)
    nside, cells = 1, _counts(catalog, 1, range(12))
    while nside < LARGEST_NSIDE or (nside < SMALLEST_NSIDE and 4 * len(cells) <= MOST_CELLS):
        children = [4 * cell + each for cell in cells for each in range(4)]
        nside, cells = 2 * nside, _counts(catalog, 2 * nside, children)
    return SkyCounts(nside, cells, counted)


def _counts(catalog: Catalog, nside: int, cells: Iterable[int]) -> dict[int, int]:
    wide = (HEALPIX_NSIDE // nside) ** 2  # of the cells that documents have, in one of these

    def count(cell: int) -> int:
        query = Query(
            "observations",
            [
                ("image_type", "==", "light"),
                ("healpix", ">=", cell * wide),
                ("healpix", "<", (cell + 1) * wide),
            ],
        )
        return int(catalog.aggregate(query)["count"])

    wanted = list(cells)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = dict(zip(wanted, pool.map(count, wanted), strict=True))
    return {cell: number for cell, number in found.items() if number}
