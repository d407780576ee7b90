"""How many observations there are of each part of the sky.

Nested HEALPix cells are counted from the largest down, and only those that hold something
are divided: a few queries a cell, whatever the number of observations, none of which is read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime

from panoptes.network.catalog.catalog import Catalog, Condition, Query
from panoptes.network.documents import HEALPIX_NSIDE
from panoptes.network.image_types import NOT_LIGHTS

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
    """Count now."""
    counted = datetime.now(UTC)
    nside, cells = _divided(catalog, (), LARGEST_NSIDE)
    if 4 * len(cells) <= MOST_CELLS:
        nside, cells = _divided(catalog, (), SMALLEST_NSIDE, nside, cells)
    # Where nothing says what exposures are for, they are lights.
    _, others = _divided(catalog, (("image_type", "in", NOT_LIGHTS),), nside)
    lights = {cell: count - others.get(cell, 0) for cell, count in cells.items()}
    return SkyCounts(nside, {cell: count for cell, count in lights.items() if count > 0}, counted)


def _divided(
    catalog: Catalog,
    where: Sequence[Condition],
    wanted: int,
    nside: int = 0,
    cells: Mapping[int, int] | None = None,
) -> tuple[int, dict[int, int]]:
    """`wanted`, and the counts of its cells, from those of a smaller `nside` or of the sky."""
    found = dict(cells or {})
    while nside < wanted:
        parts = [4 * cell + each for cell in found for each in range(4)] if nside else range(12)
        nside = 2 * nside or 1
        found = _counts(catalog, where, nside, parts)
    return nside, found


def _counts(
    catalog: Catalog, where: Sequence[Condition], nside: int, cells: Iterable[int]
) -> dict[int, int]:
    wide = (HEALPIX_NSIDE // nside) ** 2  # of the cells that documents have, in one of these

    def count(cell: int) -> int:
        within: list[Condition] = [
            ("healpix", ">=", cell * wide),
            ("healpix", "<", (cell + 1) * wide),
        ]
        return int(catalog.aggregate(Query("observations", [*where, *within]))["count"])

    wanted = list(cells)
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        found = dict(zip(wanted, pool.map(count, wanted), strict=True))
    return {cell: number for cell, number in found.items() if number}
