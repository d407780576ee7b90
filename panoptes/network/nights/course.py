"""How an observation went: what its images' headers say, against time, as SVG for a page."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from panoptes.network.nights.words import ranged
from panoptes.network.svg import INK, figure, svg, thinned

_COLOUR = "#2f7fc1"
_LEAST_IMAGES = 2
_MOST_MARKS = 200


@dataclass(frozen=True)
class Quantity:
    """A field of image documents, and how it is drawn."""

    field: str
    name: str
    label: str
    digits: int
    least: float
    """What is shown from end to end at the least."""
    upside_down: bool = False


QUANTITIES = (
    Quantity("airmass", "Airmass", "airmass", 2, 0.1, upside_down=True),
    Quantity("measev", "Brightness that the camera measured", "EV", 2, 0.5),
    Quantity("camtemp", "Temperature of the camera", "°C", 1, 2.0),
    Quantity("moonsep", "Distance from the Moon", "degrees", 1, 5.0),
)
COURSE_FIELDS = ("time", *(each.field for each in QUANTITIES))
"""What is read of an image for its observation's course."""


@dataclass(frozen=True)
class Course:
    """What the images say of one quantity, in the order of time."""

    quantity: Quantity
    points: tuple[tuple[datetime, float], ...]


def courses(images: Iterable[Mapping[str, Any]]) -> list[Course]:
    """Of each quantity that changes, or is the airmass, over two images or more."""
    held = list(images)
    found = []
    for quantity in QUANTITIES:
        points = tuple(
            (time, float(value))
            for each in held
            if isinstance(time := each.get("time"), datetime)
            and isinstance(value := each.get(quantity.field), int | float)
            and math.isfinite(value)
        )
        changes = len({value for _, value in points}) > 1 or quantity.field == "airmass"
        if len(points) >= _LEAST_IMAGES and changes:
            found.append(Course(quantity, points))
    return found


def course_plot(course: Course) -> str:
    """One ``<svg>``, whose ids begin with the quantity's name: one of each to a page."""
    quantity, begun = course.quantity, course.points[0][0]
    minutes = [(time - begun).total_seconds() / 60 for time, _ in course.points]
    values = [value for _, value in course.points]
    least, most = min(values), max(values)
    middle, half = (least + most) / 2, max(1.1 * (most - least), quantity.least) / 2
    with figure(150, left=60) as axes:
        mark = "o" if len(values) <= _MOST_MARKS else ""
        axes.plot(*thinned(minutes, values), color=_COLOUR, lw=1.5, marker=mark, ms=_size(minutes))
        limits = (middle - half, middle + half)
        axes.set_ylim(*(reversed(limits) if quantity.upside_down else limits))
        axes.set_ylabel(quantity.label)
        axes.set_xlabel(f"minutes since {begun:%H:%M:%S} UTC")
        axes.grid(axis="y", color=INK, alpha=0.15)
        told = (
            f"{ranged(least, most, f'.{quantity.digits}f')} {quantity.label}, {len(values)} images."
        )
        return svg(axes, f"course-{quantity.field}", quantity.name, told)


def _size(minutes: Sequence[float]) -> float:
    return 4.0 if len(minutes) < 100 else 1.5
