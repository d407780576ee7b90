"""A candidate's transits upon each other, drawn as SVG that is put into a page as it is."""

from __future__ import annotations

from panoptes.network.svg import INK, figure, svg
from panoptes.network.transits.candidate import Candidate

_DOTS = "#8a6fc1"


def folded_plot(candidate: Candidate, key: str) -> str:
    """Means over some minutes against hours from the middle, and the trapezium fitted to them.

    `key` is of letters, digits, dashes and underscores, and of no other figure of the page.
    """
    points = candidate.folded
    hours, mag, error = ([getattr(p, name) for p in points] for name in ("hours", "mag", "error"))
    told = (
        f"{len(points)} means of {len(candidate.transits)} transits; the box is "
        f"{1000 * candidate.depth:.1f} millimagnitudes deep and {candidate.hours:.1f} hours long."
    )
    with figure(220, left=66) as axes:
        millimagnitudes = [1000 * each for each in mag]
        errors = [1000 * each for each in error]
        axes.errorbar(
            hours, millimagnitudes, yerr=errors, fmt="o", ms=3, lw=0.7, color=_DOTS, alpha=0.7
        )
        if candidate.shape is not None and hours:
            shape = candidate.shape
            half, side = shape.hours / 2, shape.hours * shape.ingress_share
            deep = 1000 * shape.depth
            left, right = min(hours[0], -half), max(hours[-1], half)
            corners = [left, -half, side - half, half - side, half, right]
            axes.plot(corners, [0, 0, deep, deep, 0, 0], color=INK, lw=1.4)
        axes.invert_yaxis()
        axes.set_ylabel("fainter by, mmag")
        axes.set_xlabel("hours from the middle")
        axes.grid(axis="y", color=INK, alpha=0.15)
        return svg(axes, key, "Transits upon each other", told)
