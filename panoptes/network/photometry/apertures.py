"""Plain sums within a circle, beside the fit: a check that needs no shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from panoptes.network.photometry.response import CELLS, SIDE

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from panoptes.network.photometry.forced import FrameFit

    Floats = NDArray[np.float64]

RADIUS = 3.0
"""Pixels."""


def aperture_sums(fit: FrameFit) -> tuple[Floats, Floats]:
    """ADU of R, G and B within the circle and their errors, (stars, 3); NaN off the frame.

    Each colour's sum is scaled to all pixels of the circle.
    """
    import numpy as np

    count, seen = len(fit.x), fit.seen
    steps = np.arange(0, SIDE, 2)
    total, variance, area = (np.zeros((len(seen), 3)) for _ in range(3))
    for cell, (row, column) in enumerate(CELLS):
        colour = fit.planes.colour[cell]
        away_x = fit.squares.column[:, None] + column + steps - fit.x[seen][:, None]
        away_y = fit.squares.row[:, None] + row + steps - fit.y[seen][:, None]
        distance = np.sqrt(away_y[:, :, None] ** 2 + away_x[:, None, :] ** 2)
        inside = np.clip(RADIUS + 0.5 - distance, 0, 1).reshape(len(seen), -1)
        light = fit.data[cell]
        total[:, colour] += (inside * light).sum(1)
        noise = fit.planes.variance[cell] + 1.43 * np.maximum(light, 0)
        variance[:, colour] += (inside**2 * noise).sum(1)
        area[:, colour] += inside.sum(1)
    scale = np.pi * RADIUS**2 / np.maximum(area, 1e-3)
    flux, error = np.full((count, 3), np.nan), np.full((count, 3), np.nan)
    flux[seen], error[seen] = total * scale, np.sqrt(variance) * scale
    flux[~fit.on_frame] = np.nan
    return flux, error
