"""The map between pixels and sky: a tangent plane with a polynomial distortion (TAN-SIP).

Shupe et al. 2005, ASP Conf. Ser. 347, 491. Pixels are 0-based in the order of the FITS array as
astropy gives it: x is the column, y the row, and a pixel's centre is at the integer.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


_CLOSE = 1e-6
"""Pixels: to which places are found."""
_DIGITS = 10
"""Of a card's number."""


@dataclass(frozen=True, eq=False)
class Wcs:
    """Of one image. The reference pixel is the image's middle."""

    crval: tuple[float, float]
    """Right ascension and declination of the image's middle; degrees, ICRS."""
    crpix: tuple[float, float]
    """x and y of the middle."""
    cd: Floats
    """(2, 2), degrees a pixel."""
    a: Floats
    """(order + 1, order + 1): of x, the coefficient of u to the i and v to the j at (i, j)."""
    b: Floats
    """The same of y."""

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the image."""
        return round(2 * self.crpix[1]) + 1, round(2 * self.crpix[0]) + 1

    @property
    def scale(self) -> float:
        """Arcseconds a pixel, in the middle."""
        import numpy as np

        return 3600.0 * math.sqrt(abs(float(np.linalg.det(self.cd))))

    def to_sky(self, x: Floats, y: Floats) -> tuple[Floats, Floats]:
        """Right ascension and declination (degrees, ICRS) of pixels."""
        import numpy as np
        from numpy.polynomial.polynomial import polyval2d

        u, v = np.asarray(x) - self.crpix[0], np.asarray(y) - self.crpix[1]
        u, v = u + polyval2d(u, v, self.a), v + polyval2d(u, v, self.b)
        xi, eta = self.cd[0, 0] * u + self.cd[0, 1] * v, self.cd[1, 0] * u + self.cd[1, 1] * v
        return from_plane(xi, eta, self.crval)

    def to_pixels(self, ra: Floats, dec: Floats) -> tuple[Floats, Floats]:
        """x and y of places (degrees, ICRS); NaN for what is far outside of the image."""
        import numpy as np
        from numpy.polynomial.polynomial import polyval2d

        xi, eta = to_plane(np.asarray(ra), np.asarray(dec), self.crval)
        inverse = np.linalg.inv(self.cd)
        plain_u = inverse[0, 0] * xi + inverse[0, 1] * eta
        plain_v = inverse[1, 0] * xi + inverse[1, 1] * eta
        # The polynomial is fitted to the image alone, and runs away beyond it.
        far = np.hypot(plain_u, plain_v) > 1.3 * math.hypot(*self.crpix) + 50
        plain_u, plain_v = np.where(far, np.nan, plain_u), np.where(far, np.nan, plain_v)
        u, v = plain_u, plain_v
        for _ in range(8):  # each gains two digits
            before_u, before_v = u, v
            u, v = plain_u - polyval2d(u, v, self.a), plain_v - polyval2d(u, v, self.b)
            moved = np.abs(u - before_u) + np.abs(v - before_v)
            if not (moved > _CLOSE).any():  # what is far away is no number
                break
        return u + self.crpix[0], v + self.crpix[1]

    def cards(self) -> dict[str, Any]:
        """As FITS cards that say all of it, and so as it is stored in a document."""
        rows, columns = self.shape
        cards: dict[str, Any] = {
            "CTYPE1": "RA---TAN-SIP",
            "CTYPE2": "DEC--TAN-SIP",
            "CUNIT1": "deg",
            "CUNIT2": "deg",
            "RADESYS": "ICRS",
            "CRVAL1": self.crval[0],
            "CRVAL2": self.crval[1],
            "CRPIX1": self.crpix[0] + 1,
            "CRPIX2": self.crpix[1] + 1,
            "IMAGEW": columns,
            "IMAGEH": rows,
        }
        for (row, column), value in _entries(self.cd):
            cards[f"CD{row + 1}_{column + 1}"] = value
        cards |= _polynomial("A", self.a) | _polynomial("B", self.b)
        # To so many digits one processor says what another says, and a document is a third smaller.
        return {k: _rounded(v) if isinstance(v, float) else v for k, v in cards.items()}

    def header_cards(self) -> dict[str, Any]:
        """`cards` with the inverse polynomials that some readers ask for."""
        inverse_a, inverse_b = self._inverse()
        return self.cards() | _polynomial("AP", inverse_a) | _polynomial("BP", inverse_b)

    @classmethod
    def from_cards(cls, cards: Mapping[str, Any]) -> Self:
        """Of what `cards` gave. Raises KeyError or ValueError for what it cannot have given."""
        import numpy as np

        order = int(cards["A_ORDER"])
        if not 1 <= order <= 9:
            raise ValueError(f"a distortion of order {order}")
        a, b = (
            np.array(
                [
                    [float(cards.get(f"{name}_{i}_{j}", 0.0)) for j in range(order + 1)]
                    for i in range(order + 1)
                ]
            )
            for name in "AB"
        )
        cd = np.array([[float(cards[f"CD{i}_{j}"]) for j in (1, 2)] for i in (1, 2)])
        return cls(
            (float(cards["CRVAL1"]), float(cards["CRVAL2"])),
            (float(cards["CRPIX1"]) - 1, float(cards["CRPIX2"]) - 1),
            cd,
            a,
            b,
        )

    def _inverse(self) -> tuple[Floats, Floats]:
        import numpy as np
        from numpy.polynomial.polynomial import polyval2d

        across = np.linspace(-self.crpix[0], self.crpix[0], 24)
        down = np.linspace(-self.crpix[1], self.crpix[1], 24)
        u: Floats = np.tile(across, len(down))
        v: Floats = np.repeat(down, len(across))
        to_u, to_v = u + polyval2d(u, v, self.a), v + polyval2d(u, v, self.b)
        order, size = len(self.a) - 1, max(*self.crpix, 1.0)
        terms = powers(order)
        design = monomials(to_u / size, to_v / size, terms)
        out = []
        for wanted in (u - to_u, v - to_v):
            found = np.linalg.lstsq(design, wanted, rcond=None)[0]
            table = np.zeros((order + 1, order + 1))
            for (i, j), value in zip(terms, found, strict=True):
                table[i, j] = value / size ** (i + j)
            out.append(table)
        return out[0], out[1]


def fit(
    x: Floats,
    y: Floats,
    ra: Floats,
    dec: Floats,
    *,
    shape: tuple[int, int],
    order: int,
    near: tuple[float, float],
) -> Wcs:
    """The map that takes pixels to their places best (least squares), `near` its middle."""
    import numpy as np

    crpix = ((shape[1] - 1) / 2, (shape[0] - 1) / 2)
    u, v = x - crpix[0], y - crpix[1]
    size = max(*crpix, 1.0)
    terms = powers(order)
    design = monomials(u / size, v / size, terms)
    crval = near
    for _ in range(6):
        plane = np.stack(to_plane(ra, dec, crval), axis=1)
        found = np.linalg.lstsq(design, plane, rcond=None)[0]
        moved = from_plane(found[0, 0], found[0, 1], crval)
        crval = (float(moved[0]), float(moved[1]))
        if np.abs(found[0]).max() < 1e-11:
            break
    cd = np.array([[found[1, 0], found[2, 0]], [found[1, 1], found[2, 1]]]) / size
    bent = np.linalg.solve(cd, found.T)
    a, b = np.zeros((order + 1, order + 1)), np.zeros((order + 1, order + 1))
    for index, (i, j) in enumerate(terms):
        if i + j > 1:
            a[i, j], b[i, j] = bent[:, index] / size ** (i + j)
    return Wcs(crval, crpix, cd, a, b)


def powers(order: int) -> list[tuple[int, int]]:
    """Of u and v in each term: the constant first, then u and v, then what bends."""
    return [(n - j, j) for n in range(order + 1) for j in range(n + 1)]


def monomials(u: Floats, v: Floats, terms: list[tuple[int, int]]) -> Floats:
    """(points, terms)."""
    import numpy as np

    most = max(i + j for i, j in terms)
    of_u, of_v = [np.ones_like(u)], [np.ones_like(v)]
    for _ in range(most):
        of_u.append(of_u[-1] * u)
        of_v.append(of_v[-1] * v)
    return np.stack([of_u[i] * of_v[j] for i, j in terms], axis=1)


def to_plane(ra: Floats, dec: Floats, centre: tuple[float, float]) -> tuple[Floats, Floats]:
    """Standard coordinates on the tangent plane at `centre`; degrees, NaN behind it."""
    import numpy as np

    turn, height = np.radians(ra - centre[0]), np.radians(dec)
    pole = math.radians(centre[1])
    east = np.cos(height) * np.sin(turn)
    north = np.sin(height) * math.cos(pole) - np.cos(height) * math.sin(pole) * np.cos(turn)
    depth = np.sin(height) * math.sin(pole) + np.cos(height) * math.cos(pole) * np.cos(turn)
    depth = np.where(depth > 0.1, depth, np.nan)
    return np.degrees(east / depth), np.degrees(north / depth)


def from_plane(xi: Floats, eta: Floats, centre: tuple[float, float]) -> tuple[Floats, Floats]:
    """Right ascension and declination of standard coordinates; degrees."""
    import numpy as np

    east, north = np.radians(xi), np.radians(eta)
    pole = math.radians(centre[1])
    depth = math.cos(pole) - north * math.sin(pole)
    ra = (centre[0] + np.degrees(np.arctan2(east, depth))) % 360.0
    height = math.sin(pole) + north * math.cos(pole)
    return ra, np.degrees(np.arctan2(height, np.hypot(depth, east)))


def _rounded(value: float) -> float:
    """To `_DIGITS`: less than a ten-thousandth of a pixel in all."""
    return float(f"{value:.{_DIGITS - 1}e}")


def _entries(table: Floats) -> list[tuple[tuple[int, int], float]]:
    rows, columns = table.shape
    return [((i, j), float(table[i, j])) for i in range(rows) for j in range(columns)]


def _polynomial(name: str, table: Floats) -> dict[str, Any]:
    """Without the terms that SIP has not, and without those that are nothing."""
    cards: dict[str, Any] = {f"{name}_ORDER": len(table) - 1}
    for (i, j), value in _entries(table):
        if value != 0.0 and i + j < len(table):
            cards[f"{name}_{i}_{j}"] = value
    return cards
