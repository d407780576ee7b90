"""Light curves and their scatter, drawn as SVG that is put into a page as it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

from panoptes.network.light_curves.summaries import StarSummary, by_magnitude
from panoptes.network.light_curves.table import COMBINED, LightCurve
from panoptes.network.svg import INK, WIDTH, figure, svg

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from numpy.typing import NDArray

COLOURS = {COMBINED: "#8a6fc1", "R": "#d8403a", "G": "#3a9a5c", "B": "#2f7fc1"}
"""In the order in which they are shown."""
CHANNEL_WORDS = {COMBINED: "All colours", "R": "Red", "G": "Green", "B": "Blue"}
_MOST_POINTS = 1_500
"""Of a light curve; of more, the medians of so many spans of time are drawn."""
_LEAST_MILLIMAGNITUDE = 1.0


def light_curve_plot(curve: LightCurve) -> str:
    """Good magnitudes against time with their errors; what keeps a transit as a line."""
    import numpy as np

    good = (curve.flag == 0) & np.isfinite(curve.mag) & np.isfinite(curve.time)
    time, mag, error = curve.time[good], curve.mag[good], curve.error[good]
    kept = curve.mag_protected[good]
    name = CHANNEL_WORDS.get(curve.channel, "Another channel")
    key = f"curve-{curve.channel if curve.channel in COLOURS else 'other'}"
    if not len(time):
        with figure(60) as axes:
            axes.set_axis_off()
            return svg(axes, key, name, "No good point.")
    day = math.floor(time.min())
    hours = (time - day) * 24
    if len(hours) > _MOST_POINTS:
        hours, mag, error, kept = _binned(hours, mag, error, kept)
    colour = COLOURS.get(curve.channel, INK)
    with figure(220, left=66) as axes:
        axes.errorbar(
            hours, mag, yerr=np.nan_to_num(error), fmt="o", ms=3, lw=0.7, color=colour, alpha=0.8
        )
        if np.isfinite(kept).any():
            axes.plot(hours, kept, color=INK, lw=1.0, alpha=0.8)
        least, most = _limits(mag)
        axes.set_ylim(most, least)
        axes.set_ylabel("magnitude")
        axes.set_xlabel(f"hours since BJD_TDB {day}.0")
        axes.grid(axis="y", color=INK, alpha=0.15)
        scatter = 1.4826 * float(np.median(np.abs(mag - np.median(mag))))
        told = (
            f"{int(good.sum())} good points over {(time.max() - time.min()) * 24:.1f} hours, "
            f"median {np.median(mag):.3f}, scatter {1000 * scatter:.1f} millimagnitudes."
        )
        return svg(axes, key, name, told)


def _binned(*columns: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    import numpy as np

    order = np.argsort(columns[0], kind="stable")
    parts = np.array_split(order, _MOST_POINTS)
    return [np.array([np.median(each[part]) for part in parts]) for each in columns]


def _limits(mag: NDArray[np.float64]) -> tuple[float, float]:
    """What is shown: nearly all points, and no less than 20 millimagnitudes."""
    import numpy as np

    low, high = np.quantile(mag, [0.005, 0.995])
    half = max(1.3 * (high - low), 0.02) / 2
    middle = (low + high) / 2
    return float(middle - half), float(middle + half)


def scatter_plot(stars: Sequence[StarSummary]) -> str:
    """Scatter and reported error of stars against G, millimagnitudes, of all colours together."""
    shown = [
        (each.g, 1000 * each.scatter)
        for each in stars
        if math.isfinite(each.g) and 1000 * each.scatter >= _LEAST_MILLIMAGNITUDE / 10
    ]
    rows = by_magnitude(stars)
    with figure(300, left=66) as axes:
        if shown:
            places = _apart(shown)
            axes.plot(
                [g for g, _ in places], [s for _, s in places], ls="", marker="o", ms=2.5,
                color=COLOURS["B"], alpha=0.7,
            )  # fmt: skip
            axes.plot(
                [row.g for row in rows], [1000 * row.error for row in rows], color=INK, lw=1.5
            )
            _decades(axes, [s for _, s in places])
        axes.set_xlabel("G; the line: the error that is reported")
        axes.set_ylabel("scatter, mmag")
        axes.grid(color=INK, alpha=0.15)
        told = "; ".join(
            f"G {row.g:.1f}: {1000 * row.scatter:.1f} millimagnitudes of {row.stars} stars"
            for row in rows
        )
        return svg(axes, "scatter", "Scatter against magnitude", told or "No star.")


def _decades(axes: Axes, values: Sequence[float]) -> None:
    """A logarithmic axis, whose ticks are plain numbers."""
    axes.set_yscale("log")
    least, most = min(values), max(values)
    axes.set_ylim(least / 1.2, most * 1.2)
    ticks = [m * 10.0**n for n in range(-2, 5) for m in (1, 2, 5)]
    shown = [each for each in ticks if least / 1.2 <= each <= most * 1.2]
    axes.set_yticks(shown, [f"{each:g}" for each in shown])
    axes.set_yticks([], minor=True)


def _apart(places: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Without those that lie on another: a drawing of `WIDTH` shows no more."""
    least, most = min(g for g, _ in places), max(g for g, _ in places)
    step = max(most - least, 0.1) / WIDTH
    cells = {(round(g / step), round(100 * math.log10(s))): (g, s) for g, s in places}
    return list(cells.values())
