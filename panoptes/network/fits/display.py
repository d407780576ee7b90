"""How an image is to be shown, as far as its header says."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product

from panoptes.network.fits.cards import Header

Matrix = tuple[float, float, float, float]


@dataclass(frozen=True)
class Display:
    """What FITS viewers show of an image, its first row below, is mirrored, then turned."""

    pattern: str | None
    """The Bayer pattern of its first two rows and columns."""
    mirrored: bool
    """Left for right."""
    turns: int
    """Quarters to the left."""
    saturation: float | None
    """The value at which samples clip, where the header says it."""


def display_of(header: Header) -> Display:
    """Colours, and the orientation in which north is nearest to up, and east to the left.

    Where the header has no solution of the sky, the image stays as the camera saw it.
    """
    # POCS turns the frame upside down and keeps the camera's word: RGGB is GBRG in array order.
    pattern = "GBRG" if header.get("FILTER") == "RGGB" else None
    mirrored, turns = _towards_north(header)
    return Display(pattern, mirrored, turns, _number(header, "SATURATE"))


def _towards_north(header: Header) -> tuple[bool, int]:
    matrix = _matrix(header)
    if matrix is None:
        return False, 0
    a, b, c, d = matrix
    if not (area := a * d - b * c):
        return False, 0
    # Pixels to the right and up, of a step to the east and of one to the north.
    east, north = _unit(d / area, -c / area), _unit(-b / area, a / area)
    ways = product((False, True), range(4))
    return max(ways, key=lambda way: round(_turned(north, *way)[1] - _turned(east, *way)[0], 6))


def _turned(vector: tuple[float, float], mirrored: bool, turns: int) -> tuple[float, float]:
    x, y = vector
    if mirrored:
        x = -x
    for _ in range(turns):
        x, y = -y, x
    return x, y


def _unit(x: float, y: float) -> tuple[float, float]:
    length = math.hypot(x, y)
    return x / length, y / length


def _matrix(header: Header) -> Matrix | None:
    """Degrees to the east and north a pixel, row by row (FITS Standard 4.0, section 8.1)."""
    types = [str(header.get(f"CTYPE{n}", "")) for n in (1, 2)]
    starts = [kind[:4].rstrip("-") for kind in types]
    if starts not in (["RA", "DEC"], ["DEC", "RA"]):
        return None
    matrix = _square(header, "CD", 0.0, 0.0)
    if matrix is None:
        x, y = _number(header, "CDELT1"), _number(header, "CDELT2")
        if x is None or y is None:
            return None
        turn = math.radians(_number(header, "CROTA2") or 0.0)
        sine, cosine = math.sin(turn), math.cos(turn)
        matrix = x * cosine, -y * sine, x * sine, y * cosine
        if (turned := _square(header, "PC", 1.0, 0.0)) is not None:
            a, b, c, d = turned
            matrix = x * a, x * b, y * c, y * d
    return matrix if starts[0] == "RA" else (*matrix[2:], *matrix[:2])


def _square(header: Header, name: str, diagonal: float, beside: float) -> Matrix | None:
    """The cards ``NAME1_1`` and so on, if there is any; with the values that absent ones have."""
    found = [_number(header, f"{name}{i}_{j}") for i, j in product((1, 2), repeat=2)]
    if all(value is None for value in found):
        return None
    absent = (diagonal, beside, beside, diagonal)
    a, b, c, d = (x if v is None else v for v, x in zip(found, absent, strict=True))
    return a, b, c, d


def _number(header: Header, keyword: str) -> float | None:
    value = header.get(keyword)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) else None
