"""How much of a transit of 10 mmag is kept, and how many constant stars show one.

``python -m benchmarks.science.transits 31 32 33 34 35`` runs these seeds: six stars of G 8 to 10
each, whose transits take 0.3 to 0.45 of two hours. A constant star shows one if it dims by half as
much or more at a transit's time, at four times its error.
"""

from __future__ import annotations

import json
import math
import sys
from collections import defaultdict
from datetime import timedelta

import numpy as np
from numpy.typing import NDArray

from benchmarks.science.observed import Observed
from panoptes.network.simulator.headers import TARGETS
from panoptes.network.simulator.observed_sky import ObservedSky, Transit

Floats = NDArray[np.float64]

SEEDS = (31, 32, 33, 34, 35)
STARS, FRAMES, DEPTH = 6, 60, 0.010
IN_MAGNITUDES = -2.5 * math.log10(1 - DEPTH)


def sky_with_transits(seed: int) -> ObservedSky:
    target = TARGETS[seed % len(TARGETS)]
    plain = ObservedSky(seed=seed, frames=FRAMES, target=target)
    frame, stars = plain.expose(FRAMES // 2), plain.stars
    inside = (np.minimum(frame.x, frame.y) > 60) & (np.maximum(frame.x, frame.y) < 1340)
    rng = np.random.default_rng([seed, 5])
    fitting = inside & (stars.g > 8) & (stars.g < 10)
    hours = FRAMES * (plain.exposure + plain.readout) / 3600
    transits = {
        str(star_id): Transit(
            plain.began + timedelta(hours=float(rng.uniform(0.35, 0.65)) * hours),
            float(rng.uniform(0.3, 0.45)) * hours,
            DEPTH,
        )
        for star_id in rng.choice(stars.star_id[fitting], STARS, replace=False)
    }
    return ObservedSky(seed=seed, frames=FRAMES, target=target, transits=transits)


def depth_at(transit: Transit, days: Floats, mag: Floats, error: Floats) -> tuple[float, float]:
    """Magnitudes by which a star dims in the form of a transit, and their error."""
    away = np.abs(days * 24 - transit.middle.timestamp() / 3600) / transit.hours
    form = np.clip((0.5 - away) / transit.slope, 0, 1)
    good = np.isfinite(mag)
    design = np.stack([np.ones(good.sum()), form[good]], axis=1) / error[good, None]
    covariance = np.linalg.inv(design.T @ design)
    found = covariance @ design.T @ (mag[good] / error[good])
    return float(found[1]), math.sqrt(float(covariance[1, 1]))


def run(seed: int) -> dict[str, object]:
    """By column: the shares kept, and of how many constant stars how many show a transit."""
    sky = sky_with_transits(seed)
    made = Observed(sky)
    transits = dict(sky.transits or {})
    ids, g = [str(each) for each in made.stars.star_id], made.stars.g
    error = made.curves.error[:, :, 3]
    whole = np.isfinite(made.curves.mag[:, :, 3]).mean(axis=0) > 0.8
    constant = [at for at in np.flatnonzero(whole & (g > 8) & (g < 10)) if ids[at] not in transits]
    told: dict[str, object] = {"seed": seed}
    for name, mag in made.without_trends().items():
        counts: dict[str, int] = defaultdict(int)
        kept = []
        for star_id, transit in transits.items():
            at = ids.index(star_id)
            kept.append(depth_at(transit, made.days, mag[:, at], error[:, at])[0] / IN_MAGNITUDES)
            for other in constant:
                depth, sigma = depth_at(transit, made.days, mag[:, other], error[:, other])
                counts["false"] += depth > max(0.5 * IN_MAGNITUDES, 4 * sigma)
                counts["of"] += 1
        told[name] = {"kept": [round(each, 2) for each in kept], **counts}
    return told


if __name__ == "__main__":
    for argument in sys.argv[1:] or map(str, SEEDS):
        sys.stdout.write(json.dumps(run(int(argument))) + "\n")
        sys.stdout.flush()
