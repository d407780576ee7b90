"""``python -m benchmarks.science.transits [--seed N ...]``: transits, from curves on.

Light curves as the photometry leaves them, without pixels: formal noise by brightness, and what
SCIENCE's frames show beyond it, which follows the place within the cell of the Bayer mask while
the field drifts and the worm turns, the airmass and what is left of clouds. The same search is
done on measured frames by `python -m benchmarks.science`.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from panoptes.network.light_curves.detrending import External, detrend
from panoptes.network.light_curves.season import SeasonCurve, search_season
from panoptes.network.light_curves.transits import search_night

Floats = NDArray[np.float64]

SEEDS = (11, 12, 13, 14, 15)
FORMAL = ((7.0, 8.0, 8.5, 9.0, 9.5, 10.0, 11.0), (4.5, 5.3, 6.1, 7.2, 8.7, 11.5, 20.2))
"""Magnitude, and formal noise of a frame in mmag."""
TREND = ((7.0, 8.0, 8.5, 9.0, 9.5, 10.0, 11.0), (7.0, 6.9, 7.3, 6.0, 4.0, 3.0, 4.0))
"""The same of what follows the place on the sensor."""
WORM_DAYS = 480 / 86400


@dataclass(frozen=True, eq=False)
class Sky:
    """Stars and how they follow their place: the same in all nights of a season."""

    g: Floats
    phase: Floats
    """(stars, terms)"""
    colour: Floats
    """(stars,) magnitudes an airmass."""
    x: Floats
    y: Floats


def make_sky(rng: np.random.Generator, g: Floats) -> Sky:
    stars = len(g)
    phase = rng.normal(0, 1, (stars, 8)) * np.array([1, 1, 1, 1, 0.6, 0.6, 0.6, 0.6])
    phase *= (np.interp(g, *TREND) / 1000 / np.sqrt((phase**2).sum(axis=1) / 2))[:, None]
    place = rng.uniform(0, 1400, (2, stars))
    return Sky(g, phase, rng.normal(0, 0.004, stars), *place)


@dataclass(frozen=True, eq=False)
class Night:
    hours: Floats
    mag: Floats
    error: Floats
    flag: NDArray[np.int32]
    external: External


def make_night(
    rng: np.random.Generator, sky: Sky, frames: int, *, cadence: float = 128.0, red: float = 0.0
) -> Night:
    """(frames, stars), without transits; `red` is slow noise of each star by itself, magnitudes."""
    stars = len(sky.g)
    hours = np.arange(frames) * cadence / 3600
    share = np.linspace(-0.5, 0.5, frames)
    drift = rng.uniform(3, 6, 2) * rng.choice([-1, 1], 2) * max(1.0, hours[-1] / 2.1)
    missed, jitter = rng.normal(0, 8, 2), rng.normal(0, 0.15, (frames, 2))
    swing = rng.uniform(0.6, 1.2) * np.sin(2 * np.pi * hours / 24 / WORM_DAYS + rng.uniform(0, 6))
    x = sky.x + (missed[0] + drift[0] * share + jitter[:, 0])[:, None]
    y = sky.y + (missed[1] + drift[1] * share + jitter[:, 1] + swing)[:, None]
    airmass = 1 / np.cos(np.radians(rng.uniform(10, 30) + np.abs(15 * (hours - hours.mean()))))
    airmass = np.minimum(airmass, 2.5)
    terms = [one(np.pi * at) for at in (x, y) for one in (np.sin, np.cos)]
    terms += [
        one(np.pi * x) * other(np.pi * y) for one in (np.sin, np.cos) for other in (np.sin, np.cos)
    ]
    mag = np.einsum("kfs,sk->fs", np.array(terms), sky.phase)
    mag += sky.colour * (airmass - airmass.mean())[:, None]
    # Clouds: what the fit over the frame leaves of three of them.
    for _ in range(3):
        at, width, depth = rng.uniform(-0.5, 0.5), rng.uniform(0.03, 0.1), rng.uniform(0, 0.25)
        bump = depth * np.exp(-(((share - at) / width) ** 2) / 2)
        mag += 0.02 * bump[:, None] * rng.normal(0, 1, stars)
    if red:
        step = np.exp(-cadence / 3600 / 1.5)
        value = rng.normal(0, red, stars)
        for frame in range(frames):
            mag[frame] += value
            value = step * value + rng.normal(0, red * np.sqrt(1 - step**2), stars)
    error = np.repeat(np.interp(sky.g, *FORMAL)[None, :] / 1000, frames, axis=0)
    mag += rng.normal(0, 1, mag.shape) * error
    wild = rng.random(mag.shape) < 0.003
    mag += wild * rng.normal(0, 0.1, mag.shape)
    flag = (rng.random(mag.shape) < 0.02).astype(np.int32)
    return Night(hours, mag, error, flag, External(hours, airmass, x, y))


def _form(hours: Floats, middle: Floats, length: Floats) -> Floats:
    """A dip with sloping sides, from 0 to 1."""
    away = np.abs(hours - middle) / length
    return np.asarray(np.clip((0.5 - away) / 0.15, 0, 1))


def _depths(mag: Floats, form: Floats, good: NDArray[np.bool_]) -> Floats:
    """Least-squares depth of a known form over a level, of each star."""
    weight = good.astype(float)
    total = weight.sum(axis=0)
    shape = form - (weight * form).sum(axis=0) / total
    values = np.where(good, mag, 0.0)
    return np.asarray((weight * shape * values).sum(axis=0) / (weight * shape**2).sum(axis=0))


def nights(
    seeds: tuple[int, ...], frames: int, *, stars: int = 400, with_transit: int = 6
) -> dict[str, object]:
    """Depth kept of transits of 10 mmag at G 8-10, and false ones among constant stars."""
    kept: dict[str, list[float]] = {"mag": [], "mag_epd": [], "mag_protected": []}
    paired: dict[str, list[float]] = {"mag_epd": [], "mag_protected": []}
    scatter: dict[str, list[float]] = {name: [] for name in kept}
    false = {"fitted": 0, "found": 0, "by_form": 0}
    constant = found = 0
    detrending = searching = 0.0
    for seed in seeds:
        rng = np.random.default_rng([seed, frames])
        sky = make_sky(rng, np.sort(rng.uniform(8, 10, stars)))
        night = make_night(rng, sky, frames)
        chosen = rng.choice(stars, with_transit, replace=False)
        span = night.hours[-1]
        length = np.full(stars, 1.0)
        length[:] = rng.uniform(0.3, 0.45, stars) * min(span, 6.0)
        middle = rng.uniform(0.3, 0.7, stars) * span
        form = _form(night.hours[:, None], middle, length)
        mag = night.mag.copy()
        mag[:, chosen] += 0.010 * form[:, chosen]
        began = time.process_time()
        flat = detrend(
            night.mag[:, :, None],
            night.error[:, :, None],
            night.flag[:, :, None],
            night.external,
            sky.g,
        )
        both = detrend(
            mag[:, :, None], night.error[:, :, None], night.flag[:, :, None], night.external, sky.g
        )
        detrending += (time.process_time() - began) / 2 / stars
        good = night.flag == 0
        columns = {
            "mag": mag,
            "mag_epd": both.mag_epd[:, :, 0],
            "mag_protected": both.mag_protected[:, :, 0],
        }
        without = {"mag_epd": flat.mag_epd[:, :, 0], "mag_protected": flat.mag_protected[:, :, 0]}
        others = np.setdiff1d(np.arange(stars), chosen)
        for name, values in columns.items():
            kept[name] += list(_depths(values, form, good)[chosen] / 0.010)
            about = np.abs(values - np.median(values, axis=0))
            scatter[name].append(
                float(np.median(1.4826 * np.median(about, axis=0) / night.error[0]))
            )
        for name, values in without.items():
            difference = columns[name] - values
            paired[name] += list(_depths(difference, form, good)[chosen] / 0.010)
        began = time.process_time()
        boxes = search_night(night.hours, columns["mag_protected"], night.error, night.flag, sky.g)
        searching += (time.process_time() - began) / stars
        constant += len(others)
        false["found"] += len(np.intersect1d(boxes.candidates, others))
        found += len(np.intersect1d(boxes.candidates, chosen))
        best = boxes.depth[others]
        false["fitted"] += int(((best > 0.007) & (best < 0.015) & (boxes.snr[others] > 6)).sum())
        false["by_form"] += int(
            (_depths(columns["mag_protected"], form, good)[others] > 0.010).sum()
        )
    return {
        "frames": frames,
        "transits": len(kept["mag"]),
        "kept": {
            n: [round(float(np.mean(v)), 3), round(float(np.std(v) / len(v) ** 0.5), 3)]
            for n, v in kept.items()
        },
        "kept_of_the_same_noise": {
            n: [round(float(np.mean(v)), 3), round(float(np.min(v)), 3)] for n, v in paired.items()
        },
        "scatter_over_formal": {n: round(float(np.mean(v)), 3) for n, v in scatter.items()},
        "constant": constant,
        "false": false,
        "recovered": found,
        "cpu_ms_per_star": {
            "detrend": round(1000 * detrending / len(seeds), 2),
            "search": round(1000 * searching / len(seeds), 2),
        },
    }


def season(
    seed: int, *, constant: int, injected: int, nights: int = 30, frames: int = 225
) -> dict[str, object]:
    """30 nights of 8 hours, periods of 1-5 days, G <= 8.5."""
    rng = np.random.default_rng([seed, 99])
    depths = np.concatenate([np.zeros(constant), np.full(injected, 0.02), np.full(injected, 0.01)])
    stars = len(depths)
    sky = make_sky(rng, rng.uniform(7, 8.5, stars))
    period = rng.uniform(1, 5, stars)
    epoch = rng.uniform(0, 1, stars) * period
    length = 1.8 * period ** (1 / 3) * rng.uniform(0.75, 1.1, stars)
    parts: dict[str, list[Floats]] = {
        k: [] for k in ("time", "mag", "error", "flag", "x", "y", "airmass")
    }
    seen = np.zeros(stars, dtype=int)
    detrending = 0.0
    for n in range(nights):
        night = make_night(rng, sky, frames, red=0.002)
        start = n + 0.3 + rng.uniform(-0.02, 0.02)
        days = start + night.hours[:, None] / 24
        number = np.round((days - epoch) / period)
        form = _form(24 * days, 24 * (epoch + number * period), length)
        seen += ((form > 0.5).sum(axis=0) * 128 / 3600 > 0.6 * length).astype(int)
        mag = night.mag + depths * form + rng.normal(0, 0.005, stars)
        began = time.process_time()
        flat = detrend(
            mag[:, :, None], night.error[:, :, None], night.flag[:, :, None], night.external, sky.g
        )
        detrending += time.process_time() - began
        for name, values in (
            ("time", np.repeat(2461000.0 + days, stars, axis=1)),
            ("mag", flat.mag_protected[:, :, 0]),
            ("error", night.error),
            ("flag", night.flag),
            ("x", night.external.x),
            ("y", night.external.y),
            ("airmass", np.repeat(night.external.airmass[:, None], stars, axis=1)),
        ):
            parts[name].append(values.astype(np.float64))
    cubes = {name: np.concatenate(values) for name, values in parts.items()}
    curves = [
        SeasonCurve(
            star_id=str(s),
            ra=float(rng.uniform(0, 15)),
            dec=float(rng.uniform(-5, 5)),
            g=float(sky.g[s]),
            **{name: np.ascontiguousarray(cube[:, s]) for name, cube in cubes.items()},  # type: ignore[arg-type]
        )
        for s in range(stars)
    ]
    began = time.process_time()
    candidates = {int(each.star_id): each for each in search_season(curves)}
    cpu = (time.process_time() - began) / stars
    answer: dict[str, object] = {
        "seed": seed,
        "cpu_s_per_star": round(cpu, 3),
        "detrend_cpu_s": round(detrending, 1),
    }
    answer["false_alarms"] = [sum(s < constant for s in candidates), constant]
    answer["false"] = [
        [round(c.period, 3), round(c.depth, 4), round(c.snr, 1), round(c.sde, 1), c.transits]
        for s, c in candidates.items()
        if s < constant
    ]
    for depth in (0.02, 0.01):
        mine = [int(each) for each in np.flatnonzero(depths == depth)]
        right = [
            s for s in mine if s in candidates and abs(candidates[s].period / period[s] - 1) < 0.005
        ]
        multiple = [
            s
            for s in mine
            if s in candidates
            and s not in right
            and any(
                abs(candidates[s].period / period[s] / r - 1) < 0.005
                for r in (0.5, 2, 1 / 3, 3, 2 / 3, 1.5)
            )
        ]
        able = [s for s in mine if seen[s] >= 2]
        answer[str(depth)] = {
            "injected": len(mine),
            "two_transits_seen": len(able),
            "candidates": sum(s in candidates for s in mine),
            "right_period": len(right),
            "right_of_seen": len([s for s in right if seen[s] >= 2]),
            "a_multiple_of_it": len(multiple),
            "kept": round(float(np.median([candidates[s].depth / depth for s in right])), 3)
            if right
            else None,
        }
    return answer


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, nargs="+", default=list(SEEDS))
    parser.add_argument(
        "--constant", type=int, default=1000, help="stars without transits in a season"
    )
    parser.add_argument("--injected", type=int, default=60, help="stars of each depth in a season")
    parser.add_argument(
        "--part", choices=("nights", "season"), nargs="+", default=["nights", "season"]
    )
    chosen = parser.parse_args()
    if "nights" in chosen.part:
        for frames in (60, 170):
            print(json.dumps(nights(tuple(chosen.seed), frames)), flush=True)
    if "season" in chosen.part:
        print(
            json.dumps(season(chosen.seed[0], constant=chosen.constant, injected=chosen.injected))
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
