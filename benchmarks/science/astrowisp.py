"""AstroWISP on the frames that we measure: ``python -m benchmarks.science.astrowisp 201 202``.

It is given the places of our own maps, and its fluxes go through our own fit of magnitudes, so
that photometry alone is compared. As AutoWISP does, a colour's pixels make a smaller image, and
a sub-pixel map says which part of each of its pixels saw light. Settings were chosen by
one frame of seed 100. AstroWISP is under the GPL: this benchmark alone imports it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import c_uint
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.science.observed import Observed
from panoptes.network.light_curves.magnitudes import light_curves, median_over_frames
from panoptes.network.photometry.measurements import EDGE
from panoptes.network.simulator.headers import TARGETS
from panoptes.network.simulator.observed_sky import CELL, ObservedSky
from panoptes.network.simulator.sensor import BIAS, READ_VARIANCE, SATURATION, VARIANCE_PER_ADU

Floats = NDArray[np.float64]

SEEDS = (201, 202)
FRAMES = 20
MAGNITUDES = (8.0, 8.5, 9.0, 9.5, 10.0, 11.0)
_CLIPPED = 16
"""Of a mask: AstroWISP's OVERSATURATED."""
_SHARES = np.array([0.25, 0.5, 0.25])
"""Of R, G and B in the mask."""
_PIXELS = 20
"""Whose noise a star has: for weights alone."""
_MARGIN = 24
"""Pixels of the frame's edge where nothing is measured."""


@dataclass(frozen=True)
class Settings:
    """Of AstroWISP; lengths in pixels of one colour's image, which are two of the sensor's."""

    grid: tuple[float, ...] = (-4, -2, -1, 0, 1, 2, 4)
    smoothing: tuple[float, float, float] = (5.0, 1.0, 5.0)
    """Of R, G and B: one pixel of four tells little of a shape."""
    faintest_of_shape: float = 9.7
    iterations: int = 15
    apertures: tuple[float, ...] = (1.5, 2.0)
    inner: float = 6.0
    outer: float = 11.0
    """Of the ring in which sky is measured."""


@dataclass(frozen=True, eq=False)
class Plane:
    """The pixels of one colour; those of the two greens are added up."""

    light: Floats
    error: Floats
    mask: NDArray[np.uint8]
    seen: Floats
    """(2, 2): the sub-pixel map."""


def plane(pixels: NDArray[np.uint16], colour: int) -> Plane:
    seen = (np.array(CELL) == colour).astype(float)
    parts = [pixels[row::2, column::2].astype(float) for row, column in np.argwhere(seen)]
    light = np.ascontiguousarray(sum(parts) - len(parts) * BIAS)
    clipped = np.any([part >= SATURATION for part in parts], axis=0)
    variance = len(parts) * READ_VARIANCE + VARIANCE_PER_ADU * np.maximum(light, 0)
    mask = np.where(clipped, _CLIPPED, 0).astype(np.uint8)
    return Plane(light, np.sqrt(variance), mask, seen)


def fluxes(
    pixels: NDArray[np.uint16], x: Floats, y: Floats, g: Floats, settings: Settings
) -> dict[str, Floats]:
    """ADU (stars, 3) of R, G and B by method; NaN where there is none."""
    from astrowisp import BackgroundExtractor, FitStarShape, SubPixPhot

    rows, columns = pixels.shape
    inside = (np.minimum(x, y) > _MARGIN) & (x < columns - _MARGIN) & (y < rows - _MARGIN)
    some = np.flatnonzero(inside)
    at_x, at_y = (x[some] + 0.5) / 2, (y[some] + 0.5) / 2
    sources = np.zeros(len(some), [("ID", "|S8"), ("x", "f8"), ("y", "f8"), ("enabled", "?")])
    sources["ID"] = [b"%06d" % each for each in some]
    sources["x"], sources["y"] = at_x, at_y
    sources["enabled"] = g[some] < settings.faintest_of_shape
    names = ["shape", *(f"aperture {each:g}" for each in settings.apertures)]
    found = {name: np.full((len(g), 3), np.nan) for name in names}
    planes = [plane(pixels, colour) for colour in range(3)]
    trees = []
    for colour, each in enumerate(planes):
        # Its circles take away sky of their own area, not of the pixels that the map scales up:
        # there must be next to none.
        each.light[:] -= np.median(each.light)
        sky = BackgroundExtractor(each.light, settings.inner, settings.outer)
        sky(at_x, at_y)
        fit = FitStarShape(
            mode="PSF",
            grid=list(settings.grid),
            initial_aperture=3.0,
            subpixmap=each.seen,
            smoothing=settings.smoothing[colour],
            max_iterations=settings.iterations,
            max_rel_amplitude_change=1e-4,
            max_chi2=1e4,
            gain=1 / VARIANCE_PER_ADU,
        )
        image = (each.light, each.error, each.mask, sources, np.ones((len(some), 1)))
        # Where it is not settled after these turns, its last ones are taken.
        trees.append(fit.fit([image], [sky], require_convergence=False))
        found["shape"][some, colour] = trees[-1].get("psffit.flux.0", shape=(len(some),))
    # One green shape is the better one for every colour's circles, too.
    for colour, each in enumerate(planes):
        circles = SubPixPhot(
            subpixmap=each.seen,
            apertures=np.array(settings.apertures),
            gain=1 / VARIANCE_PER_ADU,
            magnitude_1adu=10.0,
        )
        circles((each.light, each.error, each.mask.view("S1")), trees[1])
        for number, name in enumerate(names[1:]):
            mag = trees[1].get(f"apphot.mag.0.{number}", shape=(len(some),))
            bad = trees[1].get(f"apphot.quality.0.{number}", c_uint, shape=(len(some),))
            found[name][some, colour] = np.where(bad == 0, 10 ** (0.4 * (10 - mag)), np.nan)
    return found


def curves(made: Observed, flux: Floats) -> Floats:
    """Magnitudes (frames, stars, channels) by our own fit, of fluxes of R, G and B (frames,
    stars, 3) and of their sum. A neighbour's light within a circle would make a star seem
    steadier than it is: what more than its own is measured is accounted for."""
    measured = made.measured
    told = np.where(flux > 0, flux, np.nan)
    told = np.concatenate([told, (told @ _SHARES)[:, :, None]], axis=2)
    empty = READ_VARIANCE + VARIANCE_PER_ADU * (measured.sky.mean() - BIAS)
    noise = np.sqrt(_PIXELS * empty + VARIANCE_PER_ADU * told)
    flag = np.where(np.isfinite(told).any(axis=2), 0, EDGE).astype(np.int32)
    mag = light_curves(replace(measured, flux=told, flux_error=noise, flag=flag)).mag
    often = np.isfinite(mag).mean(axis=0) > 0.8
    mag = np.where(often, mag, np.nan)
    own = measured.flux[:, :, :3]
    own = np.concatenate([own, (own @ _SHARES)[:, :, None]], axis=2)
    more = median_over_frames(told / own)
    more /= np.nanmedian(more[np.abs(measured.g - 9.25) < 0.75], axis=0)
    middle = median_over_frames(mag)
    return middle + (mag - middle) * np.maximum(more, 1)


def scatter_of(mag: Floats) -> Floats:
    return 1.4826 * median_over_frames(np.abs(mag - median_over_frames(mag)))


def combined(mag: Floats) -> Floats:
    """Scatter (stars,) of the mean of all channels, weighted by their scatter."""
    away = mag - median_over_frames(mag)
    weight = np.where(np.isfinite(away), 1 / np.maximum(scatter_of(mag), 1e-4) ** 2, 0)
    with np.errstate(invalid="ignore"):
        return scatter_of(np.nansum(away * weight, axis=2) / weight.sum(axis=2))


def run(seed: int, frames: int = FRAMES, settings: Settings | None = None) -> dict[str, Any]:
    """By magnitude, of stars that both have in four fifths of the frames: our scatter and
    AstroWISP's by choice, mmag, and ours over the best of these. And AstroWISP's CPU seconds a
    frame."""
    sky = ObservedSky(seed=seed, frames=frames, target=TARGETS[seed % len(TARGETS)])
    made = Observed(sky)
    seconds, many = 0.0, []
    for index in range(frames):
        frame = made.read(index)
        x, y = frame.wcs.to_pixels(made.stars.ra, made.stars.dec)
        began = time.process_time()
        with _quiet():
            many.append(fluxes(frame.pixels, x, y, made.stars.g, settings or Settings()))
        seconds += time.process_time() - began
    return compare(made, many) | {"seed": seed, "cpu": round(seconds / frames, 2)}


@contextmanager
def _quiet() -> Iterator[None]:
    """The library tells each of its steps."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)


def compare(made: Observed, many: list[dict[str, Floats]]) -> dict[str, Any]:
    choices: dict[str, Floats] = {}
    mags = []
    for name in many[0]:
        mag = curves(made, np.stack([each[name] for each in many]))
        scatter = scatter_of(mag)
        choices[f"{name}, colours combined"] = combined(mag[:, :, :3])
        choices |= {f"{name}, {of}": scatter[:, at] for at, of in enumerate(("R", "G", "B", "sum"))}
        mags.append(mag[:, :, :3])
    choices["everything combined"] = combined(np.concatenate(mags, axis=2))
    ours = made.curves.scatter[:, 3]
    both = np.isfinite(made.curves.mag[:, :, 3]).mean(axis=0) > 0.8
    both &= np.isfinite(choices["shape, G"])
    table = {}
    for g in MAGNITUDES:
        near = both & (np.abs(made.stars.g - g) < 0.25)
        said = {
            name: 1000 * float(np.nanmedian(each[near]))
            for name, each in choices.items()
            if np.isfinite(each[near]).any()
        }
        best = min(said, key=lambda name: said[name])
        mine = 1000 * float(np.median(ours[near]))
        table[g] = {
            "stars": int(near.sum()),
            "ours": round(mine, 1),
            "astrowisp": {name: round(each, 1) for name, each in said.items()},
            "best": best,
            "ratio": round(mine / said[best], 2),
        }
    return {"magnitudes": table}


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("seeds", type=int, nargs="*", default=SEEDS)
    parser.add_argument("--frames", type=int, default=FRAMES)
    chosen = parser.parse_args()
    for seed in chosen.seeds:
        sys.stdout.write(json.dumps(run(seed, chosen.frames)) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
