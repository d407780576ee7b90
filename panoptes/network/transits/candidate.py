"""What may be a planet, with the numbers that a person needs to judge it.

Depths are in magnitudes, positive for what dims, and of a box; times are BJD_TDB in days. Errors
hold red noise. What is not known is NaN.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Depth:
    """A mean over some transits."""

    depth: float
    error: float
    transits: int


@dataclass(frozen=True)
class SeenTransit:
    """One that was observed, wholly or in part."""

    time: float
    """Of its middle, by the period."""
    depth: float
    """Against its own night's level and slope."""
    error: float
    covered: float
    """Share of it that was observed."""


@dataclass(frozen=True)
class Shape:
    """A trapezium fitted to all transits."""

    hours: float
    """From first to last contact."""
    depth: float
    """In the middle."""
    ingress_share: float
    """Of the duration: near 0 a box, 0.5 a V, as grazing pairs of stars have it."""
    v_shaped_sigma: float
    """By how many standard deviations a V fits better (above 0) or worse than a box."""


@dataclass(frozen=True)
class FoldedPoint:
    """A mean over some minutes, without its night's level and slope."""

    hours: float
    """From the middle of the transit."""
    mag: float
    """Positive for what is fainter than beside the transit."""
    error: float


@dataclass(frozen=True)
class Neighbour:
    """A star whose light may be in the star's."""

    star_id: str
    separation: float
    """Arcseconds."""
    g: float
    depth_needed: float
    """Share of its own light that it would have to lose to look like this; above 1 it cannot."""


@dataclass(frozen=True)
class Candidate:
    """Of a season, or of one night: then there is no period."""

    period: float | None
    """Days."""
    period_error: float
    """Days, from how well each transit's middle is known."""
    alternatives: tuple[float, ...]
    """Other periods that fit nearly as well, since nobody looked when they differ."""
    epoch: float
    """Of the transit that tells most."""
    hours: float
    """Length of the box."""
    depth: float
    depth_error: float
    snr: float
    """Depth over its error."""
    capped_snr: float
    """The same, with no transit counting for more than `CAP` standard deviations."""
    brightening_snr: float
    """Of the best box that brightens, once the transits are taken away: what noise can do."""
    red_noise: float
    """Magnitudes, of a mean over one transit."""
    transits: tuple[SeenTransit, ...]
    odd: Depth
    """Every other transit: where these differ from `even`, a pair of stars of twice the period."""
    even: Depth
    odd_even_sigma: float
    secondary: Depth
    """Half a period later."""
    colours: Mapping[str, Depth]
    """By channel: a planet dims all alike."""
    shape: Shape | None
    folded: tuple[FoldedPoint, ...]
    """What was seen about the transits, in the order of hours."""
    day_alias: bool
    """Whether the period is near a whole number of half days, at which nights look alike."""
    neighbours: tuple[Neighbour, ...] = ()
