"""How surely frames are solved, how well, and at what cost: `python -m benchmarks.science.solving`.

Of our own solver: astrometry.net is not asked. Seeds are written down; `--seed N` takes others.
Fields are stars of the catalogue anywhere on the sky, turned and mirrored by chance, with noise of
place and brightness, stars missing and stars that are none. Frames are exposed under the Bayer
mask.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from panoptes.network.plate_solving.detection import Detections, find_stars
from panoptes.network.plate_solving.solving import Solution, Unsolved, solve
from panoptes.network.simulator.headers import Target
from panoptes.network.simulator.observed_sky import ObservedSky
from panoptes.network.simulator.optics import FULL, Optics
from panoptes.network.stars.catalog import Stars, stars_in
from panoptes.network.stars.separation import separation

SEED = 17
WHEN = datetime(2026, 1, 15, 6, tzinfo=UTC)
CROP = (1400, 1400)
REAL = Path("../shared/data/panoptes")
Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Field:
    """What a frame somewhere on the sky shows."""

    detections: Detections
    shape: tuple[int, int]
    ra: float
    dec: float
    """Degrees, of its middle."""
    optics: Optics


def points(x: Floats, y: Floats, flux: Floats) -> Detections:
    order = np.argsort(-flux)
    none = np.zeros(len(x))
    return Detections(
        x[order], y[order], flux[order], none.astype(bool), np.stack([none] * 3, axis=1)
    )


def field(rng: np.random.Generator, shape: tuple[int, int], *, crop: bool = False) -> Field:
    """A field anywhere on the sky; a crop is cut out off the axis of the lens."""
    ra, dec = float(rng.uniform(0, 360)), math.degrees(math.asin(rng.uniform(-1, 1)))
    off = rng.uniform(-1, 1, 2) * (np.array(FULL[::-1]) - shape[::-1]) / 2 * crop
    centre = (float((shape[1] - 1) / 2 - off[0]), float((shape[0] - 1) / 2 - off[1]))
    optics = Optics(
        ra=ra,
        dec=dec,
        centre=centre,
        angle=float(rng.uniform(0, 360)),
        scale=float(10.3 * rng.normal(1, 0.007)),
    )
    stars = stars_in(ra, dec, 11.0, WHEN)
    x, y = optics.to_pixels(stars.ra, stars.dec)
    x, y = x + rng.normal(0, 0.2, len(x)), y + rng.normal(0, 0.2, len(x))
    seen = (x > 0) & (x < shape[1]) & (y > 0) & (y < shape[0]) & (rng.random(len(x)) > 0.1)
    flux = 10 ** (-0.4 * (stars.g + rng.normal(0, 0.3, len(x))))
    more = int(seen.sum() * 1.5)
    x = np.r_[x[seen], rng.uniform(0, shape[1], more)]
    y = np.r_[y[seen], rng.uniform(0, shape[0], more)]
    faint = 10 ** (
        -0.4 * (10 + rng.exponential(0.7, more) * np.where(rng.random(more) < 0.05, -1, 1))
    )
    flux = np.r_[flux[seen], faint]
    if rng.random() < 0.5:
        x = shape[1] - 1 - x
    from_x, from_y = (shape[1] - 1) / 2 - centre[0], (shape[0] - 1) / 2 - centre[1]
    middle = _sky_at(optics, from_x, from_y)
    return Field(points(x, y, flux), shape, *middle, optics)


def _sky_at(optics: Optics, x: float, y: float) -> tuple[float, float]:
    """Of a place near the axis, found by trying."""
    from scipy.optimize import least_squares

    def miss(place: Floats) -> Floats:
        # A small vector about the axis keeps this whole at the poles.
        ra, dec = _about(optics, place)
        at = optics.to_pixels(np.array([ra]), np.array([dec]))
        return np.array([at[0][0] - optics.centre[0] - x, at[1][0] - optics.centre[1] - y])

    found = least_squares(miss, np.zeros(2), x_scale=0.01).x
    return _about(optics, found)


def _about(optics: Optics, place: Floats) -> tuple[float, float]:
    from panoptes.network.plate_solving.wcs import from_plane

    ra, dec = from_plane(
        np.array(math.degrees(place[0])), np.array(math.degrees(place[1])), (optics.ra, optics.dec)
    )
    return float(ra), float(dec)


def solved(each: Field, hints: list[tuple[float, float]]) -> Solution | None:
    try:
        return solve(each.detections, each.shape, WHEN, hints=hints, ask_others=False)
    except Unsolved:
        return None


def _right(each: Field, found: Solution | None) -> bool:
    return found is not None and separation(each.ra, each.dec, *found.wcs.crval) < 0.02


def rates(seed: int, count: int = 100) -> dict[str, Any]:
    """How many are solved; how many of these are wrong."""
    out: dict[str, Any] = {}
    for name, shape, crop, hint in (
        ("full frames with a hint", FULL, False, True),
        ("full frames blind", FULL, False, False),
        ("crops with a hint", CROP, True, True),
        ("crops blind", CROP, True, False),
    ):
        rng = np.random.default_rng([seed, len(out)])
        right = wrong = 0
        seconds = []
        for _ in range(count):
            each = field(rng, shape, crop=crop)
            hints = []
            if hint:
                missed = rng.normal(0, 1.5, 2)
                dec = float(np.clip(each.dec + missed[0], -90, 90))
                turn = missed[1] / max(math.cos(math.radians(dec)), 0.02)
                hints = [(float((each.ra + turn) % 360), dec)]
            began = time.process_time()
            found = solved(each, hints)
            seconds.append(time.process_time() - began)
            right += _right(each, found)
            wrong += found is not None and not _right(each, found)
        out[name] = {
            "right": right,
            "wrong": wrong,
            "of": count,
            "cpu_seconds": round(float(np.median(seconds)), 3),
        }
    return out


def false_ones(seed: int, count: int = 300) -> dict[str, int]:
    """What is solved of what shows no sky, and of fields far from where they are said to be."""
    rng = np.random.default_rng([seed, 99])
    out = {"random points": 0, "dense wrong fields": 0}
    for index in range(count):
        shape = FULL if index % 2 else CROP
        many = int(rng.integers(30, 3000))
        made = points(
            rng.uniform(0, shape[1], many), rng.uniform(0, shape[0], many), rng.exponential(1, many)
        )
        hints = [(float(rng.uniform(0, 360)), float(rng.uniform(-80, 80)))]
        out["random points"] += _is_solved(made, shape, hints)
        # As dense as the Milky Way, in clumps, and full of pairs.
        many = 4000
        clumps = rng.uniform(0, 1, (40, 2)) * shape[::-1]
        at = clumps[rng.integers(0, 40, many // 2)] + rng.normal(0, 150, (many // 2, 2))
        at = np.concatenate([at, at + rng.normal(0, 30, at.shape)])
        at = at[(at > 0).all(axis=1) & (at < shape[::-1]).all(axis=1)]
        made = points(at[:, 0], at[:, 1], rng.pareto(1.5, len(at)))
        hints = [(float(rng.uniform(280, 310)), float(rng.uniform(0, 40)))]
        out["dense wrong fields"] += _is_solved(made, shape, hints)
    return out


def _is_solved(made: Detections, shape: tuple[int, int], hints: list[tuple[float, float]]) -> bool:
    try:
        solve(made, shape, WHEN, hints=hints, ask_others=False)
    except Unsolved:
        return False
    return True


def places(seed: int) -> list[dict[str, Any]]:
    """Frames exposed under the mask: residuals, distance from the truth, and cost."""
    out = []
    fields = (("full", 290.0, 35.0), ("full", 130.0, 20.0), ("crop", 301.6, 44.5))
    for name, ra, dec in fields:
        sky = ObservedSky(
            seed=seed,
            frame_size="full" if name == "full" else "crop",
            frames=2,
            target=Target("field", ra, dec),
            faintest=12.0,
        )
        frame = sky.expose(0)
        began = time.process_time()
        found = find_stars(frame.pixels)
        seen = time.process_time()
        solution = solve(found.stars, found.shape, sky.began, hints=[(ra + 1, dec - 1)])
        done = time.process_time()
        stars: Stars = solution.stars
        x, y = solution.wcs.to_pixels(stars.ra, stars.dec)
        true_x, true_y = frame.optics.to_pixels(stars.ra, stars.dec)
        off = np.hypot(x - true_x, y - true_y) * solution.wcs.scale
        out.append(
            {
                "frame": f"{name} {ra} {dec}",
                "stars": len(stars),
                "rms_to_truth": round(float(np.sqrt(np.mean(off**2))), 3),
                "rms_of_stars": round(solution.rms, 3),
                "cpu_detection": round(seen - began, 3),
                "cpu_solving": round(done - seen, 3),
            }
        )
    return out


def real_crops() -> list[dict[str, Any]]:
    """The two that there are; none where they are not on this machine."""
    from astropy.io import fits

    out = []
    for name, hdu in (("unsolved.fits", 0), ("solved.fits.fz", 1)):
        if not (REAL / name).exists():
            continue
        pixels = np.asarray(fits.getdata(REAL / name, hdu)).astype(np.uint16)
        found = find_stars(pixels)
        solution = solve(
            found.stars,
            found.shape,
            datetime(2016, 9, 9, tzinfo=UTC),
            hints=[(301.56439, 44.456875)],
        )
        out.append(
            {
                "frame": name,
                "stars": len(solution.stars),
                "of": solution.expected,
                "median": round(solution.median, 2),
                "rms": round(solution.rms, 2),
            }
        )
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split(":")[0])
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--count", type=int, default=100)
    chosen = parser.parse_args()
    figures = {
        "seed": chosen.seed,
        "real crops (arcseconds)": real_crops(),
        "solved": rates(chosen.seed, chosen.count),
        "simulated frames (arcseconds)": places(chosen.seed),
        "false": false_ones(chosen.seed, 3 * chosen.count),
    }
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
