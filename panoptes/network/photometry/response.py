"""A star's light on each pixel: Gauss-Hermite functions integrated over the pixel.

In one dimension the function of order m and width s, integrated over a pixel, has a closed
form; products in x and y of a narrow, a middle and a wide set make any compact star, drawn out
or lopsided, and are linear in their coefficients.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Single = NDArray[np.float32]

SIDE = 16
"""Pixels of the square around a star; it begins at an even row and column, so that its cells
of the Bayer mask are those of the frame."""
_SETS = ((0.65, 8), (1.7, 4), (3.9, 2))
"""Width in pixels and highest order."""
_NOTHING = 1e-7
"""Share of the light below which it is none: products of such numbers are denormal, and take the
processor ten times as long."""
CELLS = ((0, 0), (0, 1), (1, 0), (1, 1))


@dataclass(frozen=True, eq=False)
class Edges:
    """One-dimensional functions on every second pixel, from each of the two, in x or y."""

    values: list[list[Single]]
    """By set and parity: (stars, SIDE / 2, order + 2), the last for derivatives alone."""

    @classmethod
    def at(cls, inside: NDArray[np.float64]) -> Edges:
        """For stars at `inside` pixels from the first pixel's centre of their squares."""
        import numpy as np

        values = []
        for width, order in _SETS:
            z = ((np.arange(SIDE + 1) - 0.5 - inside[:, None]) / width).astype(np.float32)
            bell = np.exp(-0.5 * z * z) / np.float32(math.sqrt(2 * math.pi))
            functions = [np.diff(_normal(z), axis=1)]
            before, polynomial = np.zeros_like(z), np.ones_like(z)
            for m in range(1, order + 2):
                functions.append(-np.diff(polynomial * bell, axis=1) / math.sqrt(math.factorial(m)))
                before, polynomial = polynomial, z * polynomial - (m - 1) * before
            stacked = np.stack(functions, axis=2).astype(np.float32)
            stacked[np.abs(stacked) < _NOTHING] = 0
            values.append([np.ascontiguousarray(stacked[:, parity::2]) for parity in (0, 1)])
        return cls(values)

    def __getitem__(self, chosen: NDArray[np.bool_] | NDArray[np.intp] | slice) -> Edges:
        return Edges([[part[chosen] for part in parts] for parts in self.values])


def _normal(z: Single) -> Single:
    import numpy as np
    from scipy.special import ndtr

    return np.asarray(ndtr(z), np.float32)


def terms() -> list[tuple[int, int, int]]:
    """Set and orders in y and x of each coefficient."""
    return [
        (number, up, across)
        for number, (_, order) in enumerate(_SETS)
        for up in range(order + 1)
        for across in range(order + 1 - up)
    ]


def design(across: Edges, up: Edges, row: int, column: int) -> Single:
    """All terms on the pixels of one cell: (stars, pixels, terms)."""
    import numpy as np

    parts = []
    for number, (_, order) in enumerate(_SETS):
        x, y = across.values[number][column], up.values[number][row]
        for m in range(order + 1):
            part = y[:, :, None, m, None] * x[:, None, :, : order + 1 - m]
            parts.append(part.reshape(len(x), -1, order + 1 - m))
    return np.concatenate(parts, axis=2)


def model(
    across: Edges, up: Edges, row: int, column: int, weights: Single, *, slopes: bool
) -> tuple[Single, Single | None, Single | None]:
    """Light on the pixels of one cell (stars, pixels) with `weights` (stars, terms), and its
    derivatives by the star's x and y where `slopes`."""
    import numpy as np

    total: Single | None = None
    by_x: Single | None = None
    by_y: Single | None = None
    first = 0
    for number, (width, order) in enumerate(_SETS):
        x, y = across.values[number][column], up.values[number][row]
        table = np.zeros((len(weights), order + 1, order + 1), np.float32)
        for m in range(order + 1):
            table[:, m, : order + 1 - m] = weights[:, first : first + order + 1 - m]
            first += order + 1 - m
        low_x, low_y = x[:, :, :-1], y[:, :, :-1]
        right = table @ low_x.transpose(0, 2, 1)
        part = low_y @ right
        total = part if total is None else total + part
        if slopes:
            # The derivative of order m is that of order m + 1, by the normalisation.
            rise = np.sqrt(np.arange(1, order + 2)) / width
            rises: Single = rise.astype(np.float32)
            sloped: Single = low_y @ (table @ (x[:, :, 1:] * rises).transpose(0, 2, 1))
            by_x = sloped if by_x is None else by_x + sloped
            turned: Single = (y[:, :, 1:] * rises) @ right
            by_y = turned if by_y is None else by_y + turned
    assert total is not None
    count = len(weights)
    flat: Single = total.reshape(count, -1)
    if by_x is None or by_y is None:
        return flat, None, None
    return flat, by_x.reshape(count, -1), by_y.reshape(count, -1)
