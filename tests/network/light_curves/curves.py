"""Light curves to try things on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from panoptes.network.light_curves.table import LightCurve

WHERE = {"ra": 83.818, "dec": -5.39}


def a_curve(channel: str = "all", points: int = 60, **changed: Any) -> LightCurve:
    """A constant star of G 9, a point every two minutes, one of them marked as bad."""
    rng = np.random.default_rng(17)
    flag = np.zeros(points, np.int32)
    flag[3] = 4
    told: dict[str, Any] = {
        "star_id": "3017364032845124352",
        **WHERE,
        "g": 9.0,
        "channel": channel,
        "time": 2458165.9 + np.arange(points) / 720,
        "image_id": [f"PAN001_14d3bd_20180216T{110000 + n}" for n in range(points)],
        "mag": rng.normal(9, 0.01, points),
        "error": np.full(points, 0.01),
        "flag": flag,
        "mag_epd": rng.normal(9, 0.01, points),
        "mag_protected": np.full(points, np.nan),
        "x": np.full(points, 700.25),
        "y": np.full(points, 12.5),
        "airmass": np.linspace(2, 1, points),
    }
    return LightCurve(**{**told, **changed})


def lines(report: Callable[..., Any], *given: Any, **named: Any) -> list[str]:
    """The lines of a report, without their ends."""
    return "".join(report(*given, **named)).splitlines()
