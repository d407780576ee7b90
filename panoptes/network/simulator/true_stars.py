"""Stars that a simulated camera looks at: those of Gaia, and fainter ones made up."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from panoptes.network.stars.catalog import Stars, stars_in

if TYPE_CHECKING:
    from datetime import datetime

    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

_FAINTEST_OF_GAIA = 10.0
_SLOPE = 0.37
"""Of the logarithm of star counts per magnitude, from G 8 to 13."""
_MADE_UP = 9_000_000_000_000_000_000
"""First id of made-up stars: above any of Gaia's."""


@dataclass(frozen=True, eq=False)
class TrueStars:
    """Arrays with one entry a star; colours are fluxes of R and B over that of G."""

    star_id: NDArray[np.str_]
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

    def to(self, faintest: float) -> Stars:
        """Those brighter than this G, as a catalogue lists them."""
        chosen = self[self.g < faintest]
        return Stars(chosen.star_id, chosen.ra, chosen.dec, chosen.g)

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

    known = stars_in(ra, dec, radius, when, faintest=min(faintest, _FAINTEST_OF_GAIA))
    fainter = max(0.0, faintest - _FAINTEST_OF_GAIA)
    more = int(len(known) * (10 ** (_SLOPE * fainter) - 1))
    sine = math.cos(math.radians(radius))
    height = rng.uniform(sine, 1, more)
    around = rng.uniform(0, 2 * np.pi, more)
    share = rng.uniform(0, 1, more)
    g = _FAINTEST_OF_GAIA + np.log10(1 + share * (10 ** (_SLOPE * fainter) - 1)) / _SLOPE
    more_ra, more_dec = _from_pole(ra, dec, np.arccos(height), around)
    count = len(known) + more
    heat = rng.standard_normal(count)
    return TrueStars(
        star_id=np.concatenate([known.star_id, (_MADE_UP + np.arange(more)).astype(str)]),
        ra=np.concatenate([known.ra, more_ra]),
        dec=np.concatenate([known.dec, more_dec]),
        g=np.concatenate([known.g, g]),
        red=0.54 * np.exp(-0.18 * heat + rng.normal(0, 0.04, count)),
        blue=0.73 * np.exp(0.22 * heat + rng.normal(0, 0.05, count)),
        heat=heat,
        from_gaia=np.arange(count) < len(known),
    )


def _from_pole(ra: float, dec: float, distance: Floats, around: Floats) -> tuple[Floats, Floats]:
    """Places at these angles (radians) from a centre (degrees)."""
    import numpy as np

    tilt = math.radians(dec)
    sine = math.sin(tilt) * np.cos(distance)
    sine += math.cos(tilt) * np.sin(distance) * np.cos(around)
    east = np.sin(around) * np.sin(distance) * math.cos(tilt)
    north = np.cos(distance) - math.sin(tilt) * sine
    return (ra + np.degrees(np.arctan2(east, north))) % 360, np.degrees(np.arcsin(sine))
