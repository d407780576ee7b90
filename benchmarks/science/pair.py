"""The two real crops that there are, 128 s apart: ``python -m benchmarks.science.pair``.

Two frames tell by how much stars differ from one to the other, a plane over the frame taken away;
over the square root of two that is a star's scatter. As the fit learns shapes from the same
stars, it takes a part of a difference away: how much is left of one that is put into the second
frame is told beside it.
"""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.science.solving import REAL
from panoptes.network.photometry.measure import measure
from panoptes.network.photometry.measurements import CHANNELS, Frame, Measurements
from panoptes.network.plate_solving.detection import find_stars
from panoptes.network.plate_solving.solving import solve
from panoptes.network.stars.catalog import Stars, stars_in

Floats = NDArray[np.float64]

BEGAN = datetime(2016, 9, 9, 8, 12, 26, tzinfo=UTC)
FILES = (("unsolved.fits", 0), ("solved.fits.fz", 1))
EXPOSURE = 120.4
PLACE = (301.56439, 44.456875)
"""Degrees, where the mount thought it was: two off."""
BINS = ((7.5, 8.5), (8.5, 9.0), (9.0, 9.5), (9.5, 10.0))
GREENS = ((0, 0), (1, 1))
"""Row and column in the mask's cell."""
RADIUS = 4.0
"""Pixels, of the circle in which each green is added up."""
DIP = 0.05
_DIMMED = 10
"""One star of so many is dimmed at a time."""


def frames() -> list[Frame]:
    """Both, with their own solutions; none where the files are not at hand."""
    from astropy.io import fits

    found = []
    for number, (name, hdu) in enumerate(FILES):
        if not (REAL / name).exists():
            return []
        pixels = np.asarray(fits.getdata(REAL / name, hdu)).astype(np.uint16)
        middle = BEGAN + timedelta(seconds=128 * number + EXPOSURE / 2)
        seen = find_stars(pixels)
        solution = solve(seen.stars, seen.shape, middle, hints=[PLACE])
        found.append(Frame(pixels, solution.wcs, middle, EXPOSURE, 1.0))
    return found


def on_both(pair: list[Frame]) -> Stars:
    """The catalogue's stars that are well within both frames."""
    stars = stars_in(*PLACE, 4.0, pair[0].time)
    inside = np.ones(len(stars), bool)
    for frame in pair:
        x, y = frame.wcs.to_pixels(stars.ra, stars.dec)
        rows, columns = frame.pixels.shape
        inside &= (np.minimum(x, y) > 12) & (x < columns - 13) & (y < rows - 13)
    return stars.of(inside)


def measured(pair: list[Frame], stars: Stars) -> Measurements:
    return measure([partial(_same, frame) for frame in pair], stars)


def _same(frame: Frame) -> Frame:
    return frame


def difference(found: Measurements, flux: Floats) -> Floats:
    """Magnitudes (stars,) from the first frame to the second, without a plane over the frame."""
    with np.errstate(invalid="ignore", divide="ignore"):
        dimmed = -2.5 * np.log10(flux[1] / flux[0])
    good = np.isfinite(dimmed) & (found.flag == 0).all(axis=0)
    design = np.stack([np.ones(len(dimmed)), found.x[0] / 350 - 1, found.y[0] / 350 - 1], axis=1)
    weight = good.astype(float)
    filled = np.where(good, dimmed, 0)
    for _ in range(10):
        normal = design.T @ (design * weight[:, None])
        left = filled - design @ np.linalg.solve(normal, design.T @ (filled * weight))
        weight = good / (1 + (left / 0.06) ** 2)
    return np.where(good, left, np.nan)


def scatter(differences: Floats) -> float:
    away = differences[np.isfinite(differences)]
    return float(1.4826 * np.median(np.abs(away - np.median(away))) / math.sqrt(2))


def greens(frame: Frame, stars: Stars) -> Floats:
    """ADU (stars, 2) of each green within a circle."""
    import sep

    x, y = frame.wcs.to_pixels(stars.ra, stars.dec)
    sums = []
    for row, column in GREENS:
        plane = np.ascontiguousarray(frame.pixels[row::2, column::2], np.float32)
        plane -= sep.Background(plane, bw=64, bh=64).back()
        sums.append(sep.sum_circle(plane, (x - column) / 2, (y - row) / 2, RADIUS / 2)[0])
    return np.stack(sums, axis=1)


def kept(pair: list[Frame], stars: Stars, whole: Floats) -> list[float]:
    """Shares, of stars to G 9.5, of a dip of 5 % in the second frame that is measured."""
    import sep

    x, y = pair[1].wcs.to_pixels(stars.ra, stars.dec)
    sky = np.empty(pair[1].pixels.shape, np.float32)
    for row, column in np.ndindex(2, 2):
        plane = np.ascontiguousarray(pair[1].pixels[row::2, column::2], np.float32)
        sky[row::2, column::2] = sep.Background(plane, bw=64, bh=64).back()
    rows, columns = np.indices(sky.shape)
    shares: list[float] = []
    for first in range(_DIMMED):
        some = np.arange(first, len(stars), _DIMMED)
        pixels = pair[1].pixels.astype(float)
        for at in some:
            near = (columns - x[at]) ** 2 + (rows - y[at]) ** 2 < 12**2
            near &= pixels < pixels.max()
            pixels[near] -= DIP * (pixels - sky)[near]
        dimmed = replace(pair[1], pixels=np.rint(pixels).astype(np.uint16))
        found = measured([pair[0], dimmed], stars)
        more = difference(found, found.flux[:, :, 3]) - whole
        share = more[some] / (-2.5 * math.log10(1 - DIP))
        shares += [float(each) for each in share[stars.g[some] < 9.5] if np.isfinite(each)]
    return shares


def run() -> dict[str, Any]:
    """By magnitude: stars, scatter in mmag by channel, formal noise, apertures and greens; and
    the share of a dip that the fit keeps. Empty where the files are not at hand."""
    pair = frames()
    if not pair:
        return {}
    stars = on_both(pair)
    found = measured(pair, stars)
    fitted = {name: difference(found, found.flux[:, :, at]) for at, name in enumerate(CHANNELS)}
    formal = 1.0857 * np.sqrt(((found.flux_error / found.flux) ** 2).mean(axis=0))
    circles = {
        f"aperture {name}": difference(found, found.aperture_flux[:, :, at])
        for at, name in enumerate(CHANNELS[:3])
    }
    apart = np.stack([greens(frame, stars) for frame in pair])
    circles |= {f"green {at + 1}": difference(found, apart[:, :, at]) for at in range(2)}
    with np.errstate(invalid="ignore", divide="ignore"):
        unlike = -2.5 * np.log10(apart[:, :, 0] / apart[:, :, 1])
    table = {}
    for low, high in BINS:
        near = (stars.g >= low) & (stars.g < high) & np.isfinite(fitted["all"])
        noise = 1000 * float(np.median(formal[near, 3]))
        said = {
            name: round(1000 * scatter(values[near]), 1)
            for name, values in (fitted | circles).items()
        }
        table[f"{low} to {high}"] = {
            "stars": int(near.sum()),
            "formal": round(noise, 1),
            "ratio": round(said["all"] / noise, 2),
            **said,
        }
    shares = kept(pair, stars, fitted["all"])
    bright = (stars.g < 9.5) & np.isfinite(fitted["all"])
    return {
        "magnitudes": table,
        "greens differ from star to star": [
            round(float(np.nanstd(each[bright])), 2) for each in unlike
        ],
        "share of a dip kept": round(float(np.median(shares)), 2),
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(run(), indent=2) + "\n")
