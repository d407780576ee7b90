"""A transit within one night: the best box in each star's light curve.

One night holds few boxes of hours that are apart, so what red noise does is learnt from all stars
of like brightness together; a star that is noisier than they are, is taken at its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import TYPE_CHECKING

from panoptes.network.transits.boxes import Boxes, Grid, boxes_of, grid_of, red_noise, without
from panoptes.network.transits.candidate import Candidate, Depth
from panoptes.network.transits.judging import (
    colours_of,
    folded_of,
    mean_depth,
    seen_transits,
    shape_of,
)
from panoptes.network.transits.season import CAP
from panoptes.network.transits.series import BIN_DAYS, Night

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

HOURS = (1.0, 1.5, 2.25, 3.25)
"""Lengths of boxes; none longer than `LONGEST_SHARE` of the night."""
LONGEST_SHARE = 0.6
LIKE_STARS = 40
"""By brightness."""
LEAST_SNR = 5.0
LEAST_OVER_BRIGHTENING = 1.5
_UNKNOWN = Depth(math.nan, math.nan, 0)


def search_night(
    stars: Mapping[str, Night],
    g: Mapping[str, float],
    colours: Callable[[str], Mapping[str, Night]] = lambda _: {},
) -> dict[str, Candidate]:
    """By star, what dims like a transit in this night, the clearest first.

    `stars` holds each star's night of all colours together, `g` the magnitudes of the catalogue;
    `colours` gives a star's night by channel, and is asked where there is a candidate.
    """
    searched = sorted(stars, key=lambda key: g[key])
    found: dict[str, Candidate] = {}
    for first in range(0, len(searched), LIKE_STARS):
        group = searched[first : first + LIKE_STARS]
        white = {key: _white(stars[key]) for key in group}
        usual = _usual(boxes for own in white.values() for boxes in own)
        for key in group:
            candidate = _candidate(stars[key], partial(colours, key), white[key], usual)
            if candidate is not None:
                found[key] = candidate
    return dict(sorted(found.items(), key=lambda item: -item[1].snr))


def _grid(night: Night) -> Grid:
    return grid_of([night], max(HOURS))


def _white(night: Night) -> list[Boxes]:
    """By length, with no red noise in their errors."""
    span = float(night.time[-1] - night.time[0]) * 24
    lengths = [hours for hours in HOURS if hours <= LONGEST_SHARE * span]
    return [boxes_of([night], hours, _grid(night), red=0.0) for hours in lengths]


def _usual(every: Iterable[Boxes]) -> dict[float, float]:
    """Red noise of a group of stars by length of the box; magnitudes."""
    import numpy as np

    together: dict[float, list[tuple[Floats, Floats]]] = {}
    for boxes in every:
        seen = boxes.weight > 0
        together.setdefault(boxes.hours, []).append((boxes.depth[seen], 1 / boxes.weight[seen]))
    return {
        hours: red_noise(*(np.concatenate(each) for each in zip(*parts, strict=True)))
        for hours, parts in together.items()
    }


def _best(every: Iterable[Boxes], red: Mapping[float, float], sign: float) -> tuple[float, Boxes]:
    """Signal to noise of the best box, and the boxes of its length."""
    import numpy as np

    found = []
    for boxes in every:
        error = np.sqrt(1 / np.maximum(boxes.weight, 1e-30) + red[boxes.hours] ** 2)
        found.append((float((sign * boxes.depth / error).max()), boxes))
    return max(found, key=lambda each: each[0])


def _candidate(
    night: Night,
    colours: Callable[[], Mapping[str, Night]],
    white: list[Boxes],
    usual: Mapping[float, float],
) -> Candidate | None:
    import numpy as np

    if not white:
        return None
    snr, boxes = _best(white, usual, 1.0)
    if snr < LEAST_SNR:
        return None
    error = np.sqrt(1 / np.maximum(boxes.weight, 1e-30) + usual[boxes.hours] ** 2)
    middle = boxes.start + int(np.argmax(boxes.depth / error)) * BIN_DAYS
    rest = without([night], [middle], 1.2 * boxes.hours)
    quiet = _white(rest[0]) if rest else []
    red = usual[boxes.hours]
    brightening = 0.0
    if quiet:
        own = _usual(quiet)
        red = max(red, own.get(boxes.hours, 0.0))
        brightening, _ = _best(quiet, usual, -1.0)
    grid = _grid(night)
    measured = boxes_of([night], boxes.hours, grid, red=red)
    times = np.array([middle])
    transits = seen_transits([night], measured, times)
    seen = transits[0]
    if seen.depth < LEAST_SNR * seen.error or snr < LEAST_OVER_BRIGHTENING * brightening:
        return None
    return Candidate(
        period=None,
        period_error=math.nan,
        alternatives=(),
        epoch=seen.time,
        hours=boxes.hours,
        depth=seen.depth,
        depth_error=seen.error,
        snr=seen.depth / seen.error,
        capped_snr=min(CAP, seen.depth / seen.error),
        brightening_snr=brightening,
        red_noise=red,
        transits=transits,
        odd=_UNKNOWN,
        even=mean_depth(np.array([seen.depth]), np.array([seen.error**-2])),
        odd_even_sigma=math.nan,
        secondary=_UNKNOWN,
        colours=colours_of(
            {name: [each] for name, each in colours().items()}, boxes.hours, times, grid, red
        ),
        shape=shape_of([night], times, boxes.hours, grid, red),
        folded=folded_of([night], times, boxes.hours, grid),
        day_alias=False,
    )
