"""Of planets in seasons of 30 nights, how many are found; of constant stars, how many seem to
have one.

``python -m benchmarks.science.seasons 1761 1762`` runs these seeds. Each observes one field in
one or two nights, as the network makes light curves of it, at every second frame of 7.1 or 9
hours. A season of a star of G 6.5 to 8.5 is drawn from its own nights: turned round in time, or
not, and begun anywhere, with a level and a slope of each night's own, and transits where there are
any. So a star that is noisy stays so, and what disturbs one of its nights comes back 15 or 30
times.

A planet is found if the period is right within 1%, or if one is that is told beside it: nights
look on at the same hours, so that several periods may fit alike. It can be found if half or more
of two transits falls into the nights; of all others the rate is told, too.
"""

from __future__ import annotations

import json
import sys
import time
from collections import defaultdict
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.science.observed import Observed
from panoptes.network.simulator.headers import TARGETS
from panoptes.network.simulator.observed_sky import ObservedSky
from panoptes.network.transits.candidate import Candidate
from panoptes.network.transits.season import SAME_PERIOD, search_season
from panoptes.network.transits.series import nights_of

Floats = NDArray[np.float64]
StarNight = tuple[Floats, Floats, Floats]
"""Days since the night began, magnitudes about their median, errors."""

SEEDS = (1761, 1762)
FIELDS = {
    1751: ("Kepler-7", 2, 7.1),
    1752: ("HD 209458", 1, 7.1),
    1761: ("KIC 8462852", 2, 7.1),
    1762: ("WASP-12", 2, 7.1),
    1763: ("WASP-39", 1, 7.1),
    1764: ("HD 189733", 1, 7.1),
    1765: ("HAT-P-20", 1, 9.0),
    1766: ("WASP-12", 1, 9.0),
    1767: ("HD 209458", 1, 9.0),
}
"""By seed, in how many nights it is observed, and for how many hours."""
_EVERY = 256.0
"""Seconds between frames."""
NIGHTS = 30
DEPTHS = (0.02, 0.01)


@dataclass(frozen=True, kw_only=True)
class FieldNight(ObservedSky):
    """Another night of the same stars through the same camera."""

    night: int = 0

    def _rng(self, what: str, *more: int) -> np.random.Generator:
        if what in ("stars", "sensor"):
            return super()._rng(what, *more)
        return super()._rng(what, *more, 7000 + self.night)


@dataclass(frozen=True)
class Planet:
    period: float
    epoch: float
    """Days since the season began."""
    hours: float
    depth: float
    """Share of the light."""


def star_nights(seed: int) -> list[list[StarNight]]:
    """The bright stars of a field, each in its nights."""
    names = {target.name: target for target in TARGETS}
    field, nights, hours = FIELDS.get(seed, (TARGETS[seed % len(TARGETS)].name, 2, 7.1))
    stars: dict[str, list[StarNight]] = {}
    for night in range(nights):
        sky = FieldNight(
            seed=seed,
            night=night,
            target=names[field],
            frames=round(hours * 3600 / _EVERY),
            readout=_EVERY - 120.0,
            faintest=11.5,
        )
        made = Observed(sky, faintest=11.0)
        for at in np.flatnonzero((made.stars.g > 6.5) & (made.stars.g < 8.5)):
            mag, error = (each[:, at, 3] for each in (made.curves.mag, made.curves.error))
            good = np.isfinite(mag) & (made.curves.flag[:, at, 3] == 0)
            if good.mean() > 0.8:
                own = stars.setdefault(str(made.stars.star_id[at]), [])
                days = made.days[good] - made.days[0]
                own.append((days, mag[good] - np.median(mag[good]), error[good]))
    return list(stars.values())


def season(
    rng: np.random.Generator, own: list[StarNight], planet: Planet | None
) -> tuple[Floats, Floats, Floats]:
    """Time, magnitudes and errors of a star in `NIGHTS` nights."""
    parts = []
    for night in range(NIGHTS):
        days, mag, error = own[rng.integers(len(own))]
        begun = int(rng.integers(len(mag)))
        mag, error = np.roll(mag, begun), np.roll(error, begun)
        if rng.random() < 0.5:
            mag, error = mag[::-1], error[::-1]
        when = days + night + rng.normal(0, 0.01)
        mag = mag + rng.normal(0, 0.004) + rng.normal(0, 0.01) * (days - days.mean())
        if planet is not None:
            mag = mag - 2.5 * np.log10(light(planet, when))
        parts.append((when, mag, error))
    time, mag, error = (np.concatenate(each) for each in zip(*parts, strict=True))
    return time, mag, error


def light(planet: Planet, when: Floats) -> Floats:
    turned = (when - planet.epoch + planet.period / 2) % planet.period - planet.period / 2
    away = np.abs(turned) * 24 / planet.hours
    return np.asarray(1 - planet.depth * np.clip((0.5 - away) / 0.12, 0, 1))


def transits_in(planet: Planet, when: Floats) -> int:
    """Transits of which half or more was observed."""
    turn = np.rint((when - planet.epoch) / planet.period)
    away = np.abs(when - planet.epoch - turn * planet.period) * 24
    _, counts = np.unique(turn[away < planet.hours / 2], return_counts=True)
    hours = counts * float(np.median(np.diff(when))) * 24
    return int(np.count_nonzero(hours >= planet.hours / 2))


def searched(time: Floats, mag: Floats, error: Floats) -> Candidate | None:
    return search_season(nights_of(time, mag, error))


@dataclass(frozen=True)
class Run:
    """Of one field."""

    seed: int
    stars: int
    constant: int
    false: int
    """Constant stars that seem to have a planet."""
    by_depth: dict[float, dict[str, int]]
    """How many planets there were, how many could be found, and how many were: by any of the
    periods that are told (``found``), or by the first (``best``)."""
    cpu: float
    """Seconds a star."""


def run(seed: int, *, constant: int = 500, planets: int = 100) -> Run:
    stars = star_nights(seed)
    rng = np.random.default_rng([seed, 9])
    began = time.process_time()
    false = 0
    for _ in range(constant):
        own = stars[rng.integers(len(stars))]
        false += searched(*season(rng, own, None)) is not None
    by_depth = {}
    for depth in DEPTHS:
        counts: dict[str, int] = defaultdict(int)
        for _ in range(planets):
            period = rng.uniform(1, 5)
            planet = Planet(period, rng.uniform(0, period), rng.uniform(2, 3.5), depth)
            curve = season(rng, stars[rng.integers(len(stars))], planet)
            possible = transits_in(planet, curve[0]) >= 2
            candidate = searched(*curve)
            told = (candidate.period, *candidate.alternatives) if candidate else ()
            right = [each is not None and abs(each / period - 1) < SAME_PERIOD for each in told]
            counts["planets"] += 1
            counts["possible"] += possible
            counts["found"] += any(right)
            counts["found_possible"] += any(right) and possible
            counts["best_possible"] += any(right[:1]) and possible
            counts["alternatives"] += max(0, len(told) - 1)
        by_depth[depth] = dict(counts)
    searches = constant + len(DEPTHS) * planets
    cpu = round((time.process_time() - began) / searches, 3)
    return Run(seed, len(stars), constant, false, by_depth, cpu)


if __name__ == "__main__":
    for argument in sys.argv[1:] or map(str, SEEDS):
        sys.stdout.write(json.dumps(asdict(run(int(argument)))) + "\n")
        sys.stdout.flush()
