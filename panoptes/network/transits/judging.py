"""The numbers by which a person tells a planet from a pair of stars, a blend or noise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from panoptes.network.stars.separation import separation
from panoptes.network.transits.boxes import Boxes, Grid, box, boxes_of, depths_at, without
from panoptes.network.transits.candidate import Depth, FoldedPoint, Neighbour, SeenTransit, Shape
from panoptes.network.transits.series import BIN_DAYS, Night

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from panoptes.network.light_curves.summaries import StarSummary

    Floats = NDArray[np.float64]

BLENDED_ARCSECONDS = 90.0
"""Nine pixels: beyond it a star's wings give nothing that shows."""
FOLDED = 1.6
"""Lengths of the box on either side of a transit's middle that are shown."""
_INGRESS_SHARES = (0.02, 0.12, 0.25, 0.38, 0.5)
_LENGTHS = (0.75, 0.9, 1.05, 1.2, 1.4, 1.65)
"""Of the box's, from first to last contact."""


def mean_depth(depths: Floats, weights: Floats) -> Depth:
    import numpy as np

    seen = weights > 0
    total = float(weights[seen].sum())
    if not total:
        return Depth(math.nan, math.nan, 0)
    mean = float((depths * weights)[seen].sum()) / total
    return Depth(mean, 1 / math.sqrt(total), int(np.count_nonzero(seen)))


def apart(one: Depth, other: Depth) -> float:
    """Standard deviations between two depths; NaN where one is not known."""
    return (one.depth - other.depth) / math.hypot(one.error, other.error)


def seen_transits(nights: Sequence[Night], boxes: Boxes, times: Floats) -> tuple[SeenTransit, ...]:
    import numpy as np

    every = np.concatenate([night.time for night in nights])
    bins = boxes.hours / 24 / BIN_DAYS
    depths, weights = depths_at(boxes, times)
    return tuple(
        SeenTransit(
            time=float(time),
            depth=float(depth),
            error=1 / math.sqrt(weight),
            covered=min(1.0, float(box(every - time, boxes.hours).sum()) / bins),
        )
        for time, depth, weight in zip(times, depths, weights, strict=True)
        if weight > 0
    )


def colours_of(
    nights: Mapping[str, Sequence[Night]], hours: float, times: Floats, grid: Grid, red: float
) -> dict[str, Depth]:
    """By channel, each with the red noise that it has beside the transits; `red` is the least."""
    found = {}
    for channel, own in nights.items():
        if own:
            rest = without(own, times.tolist(), 1.2 * hours)
            noise = max(red, boxes_of(rest, hours, grid).red if rest else 0.0)
            found[channel] = mean_depth(*depths_at(boxes_of(own, hours, grid, noise), times))
    return found


def folded_of(
    nights: Sequence[Night], times: Floats, hours: float, grid: Grid
) -> tuple[FoldedPoint, ...]:
    """All transits upon each other, by hours from their middles."""
    import numpy as np

    points: list[tuple[float, float, float]] = []
    for night, time in _at(nights, times, hours):
        away = night.time - time
        form = box(away, hours)
        columns = np.stack([np.ones_like(away), night.time - night.time.mean(), form])
        inverse = 1 / night.error**2
        normal = (columns * inverse) @ columns.T + np.diag([0.0, 1 / grid.slope**2, 1e-9])
        found = np.linalg.solve(normal, (columns * inverse) @ night.mag)
        free = night.mag - found[:2] @ columns[:2]
        near = np.abs(away) * 24 < FOLDED * hours
        points += zip((away * 24)[near], free[near], night.error[near], strict=True)
    return tuple(FoldedPoint(*map(float, each)) for each in sorted(points))


def _at(nights: Sequence[Night], times: Floats, hours: float) -> list[tuple[Night, float]]:
    """Each night in which a transit may be seen, and the transit's middle."""
    half = hours / 48
    return [
        (night, float(time))
        for night in nights
        for time in times
        if night.time[0] - half < time < night.time[-1] + half
    ]


def shape_of(
    nights: Sequence[Night], times: Floats, hours: float, grid: Grid, red: float
) -> Shape | None:
    """A trapezium of one depth in all nights, each with its own level and slope."""
    import numpy as np

    parts = _at(nights, times, hours)
    if not parts:
        return None
    # Red noise within a transit, as if it were white: bins of one box share it.
    more = red**2 * hours / 24 / BIN_DAYS / 2
    best, found = math.inf, None
    by_share: dict[float, float] = {}
    for share in _INGRESS_SHARES:
        for length in (hours * each for each in _LENGTHS):
            pull = told = rest = 0.0
            for night, time in parts:
                away = np.abs(night.time - time) * 24 / length
                form = np.clip((0.5 - away) / share, 0.0, 1.0)
                own = np.stack([np.ones_like(away), night.time - night.time.mean()])
                inverse = 1 / (night.error**2 + more)
                normal = (own * inverse) @ own.T + np.diag([0.0, 1 / grid.slope**2])
                fitted = np.linalg.solve(normal, (own * inverse) @ np.stack([night.mag, form]).T)
                free = night.mag - fitted[:, 0] @ own
                form = form - fitted[:, 1] @ own
                pull += float((form * inverse * free).sum())
                told += float((form * inverse * form).sum())
                rest += float((free * inverse * free).sum())
            if told <= 0:
                continue
            chi = rest - pull**2 / told
            by_share[share] = min(by_share.get(share, math.inf), chi)
            if chi < best:
                best, found = chi, (length, pull / told, share)
    if found is None:
        return None
    gain = by_share[_INGRESS_SHARES[0]] - by_share[_INGRESS_SHARES[-1]]
    return Shape(*found, v_shaped_sigma=math.copysign(math.sqrt(abs(gain)), gain))


def neighbours_of(
    star: StarSummary, others: Sequence[StarSummary], depth: float
) -> tuple[Neighbour, ...]:
    """The nearest first, of those whose light may be in the star's."""
    share = 1 - 10 ** (-0.4 * depth)
    found = []
    for other in others:
        if other.star_id == star.star_id or abs(other.dec - star.dec) * 3600 > BLENDED_ARCSECONDS:
            continue
        away = separation(star.ra, star.dec, other.ra, other.dec) * 3600
        if away <= BLENDED_ARCSECONDS:
            fainter = 10 ** (0.4 * (other.g - star.g))
            found.append(Neighbour(other.star_id, away, other.g, share * (1 + fainter)))
    return tuple(sorted(found, key=lambda each: each.separation))
