"""Regions of the sky, and whether an image's outline has anything in common with one.

Sides of outlines and polygons are parts of great circles; those of a `Range` are meridians and
parallels. Everything is exact but for the lens's distortion along an image's sides.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import Protocol, TypeAlias

from panoptes.network.search import Cone

Vector: TypeAlias = tuple[float, float, float]
Place: TypeAlias = tuple[float, float]
"""Right ascension and declination; degrees, ICRS."""

MOST_CORNERS = 100
_WIDEST_POLYGON = 60.0
"""Degrees from its middle to a corner."""


class BadRegion(ValueError):
    """This is no region of the sky; the message says why."""


@dataclass(frozen=True)
class Outline:
    """A convex part of the sky, such as an image's; its corners follow each other."""

    corners: tuple[Place, ...]

    @cached_property
    def vectors(self) -> tuple[Vector, ...]:
        return tuple(to_vector(*each) for each in self.corners)

    @cached_property
    def middle(self) -> Vector:
        return _unit(_sum(self.vectors))

    @cached_property
    def radius(self) -> float:
        """Degrees from the middle to the farthest corner."""
        return max(_apart(self.middle, each) for each in self.vectors)

    @cached_property
    def _normals(self) -> tuple[Vector, ...]:
        return tuple(_cross(one, two) for one, two in self.sides)

    @property
    def sides(self) -> list[tuple[Vector, Vector]]:
        return list(pairwise((*self.vectors, self.vectors[0])))

    @property
    def is_clockwise(self) -> bool:
        """As it is seen from inside of the sphere, east to the left of north."""
        return _dot(self._normals[0], self.middle) > 0

    def holds(self, place: Vector) -> bool:
        turns = [_dot(each, place) for each in self._normals]
        one_side = all(turn >= 0 for turn in turns) or all(turn <= 0 for turn in turns)
        return one_side and _dot(self.middle, place) > 0


class Region(Protocol):
    """A part of the sky that is searched."""

    @property
    def cone(self) -> Cone:
        """A circle that holds it."""
        ...

    def meets(self, outline: Outline) -> bool:
        """Whether they have a place in common."""
        ...


@dataclass(frozen=True)
class Circle:
    """Degrees, ICRS. Raises BadRegion."""

    ra: float
    dec: float
    radius: float

    def __post_init__(self) -> None:
        _check_place(self.ra, self.dec)
        if not 0 <= self.radius <= 180:
            raise BadRegion(f"a radius of {self.radius:g} degrees is not between 0 and 180")

    @property
    def cone(self) -> Cone:
        return Cone(self.ra % 360.0, self.dec, self.radius)

    def meets(self, outline: Outline) -> bool:
        centre = to_vector(self.ra, self.dec)
        return outline.holds(centre) or any(
            _from_side(centre, *side) <= self.radius for side in outline.sides
        )


@dataclass(frozen=True)
class Range:
    """Between two meridians, eastwards from the first, and two parallels. Raises BadRegion."""

    west: float
    east: float
    south: float
    north: float

    def __post_init__(self) -> None:
        if not 0 <= self.west <= self.east <= 360:
            raise BadRegion(
                "right ascensions of a RANGE are from 0 to 360 degrees, the smaller one first: "
                "give one that goes over 0 in two"
            )
        if not -90 <= self.south <= self.north <= 90:
            raise BadRegion("declinations of a RANGE are from -90 to 90, the smaller one first")

    @property
    def cone(self) -> Cone:
        ra, dec = (self.west + self.east) / 2, (self.south + self.north) / 2
        if self.east - self.west > 180:
            pole = math.copysign(90.0, dec)
            return Cone(0.0, pole, 90.0 - self.south if pole > 0 else 90.0 + self.north)
        centre = to_vector(ra, dec)
        radius = max(
            _apart(centre, to_vector(self.west, each)) for each in (self.south, self.north)
        )
        return Cone(ra, dec, min(180.0, radius + 1e-6))

    def meets(self, outline: Outline) -> bool:
        if any(self._holds(*each) for each in outline.corners):
            return True
        corners = [
            to_vector(ra, dec) for ra in (self.west, self.east) for dec in (self.south, self.north)
        ]
        if any(outline.holds(each) for each in corners):
            return True
        meridians = (
            ((to_vector(ra, one), to_vector(ra, two)) for one, two in self._arcs())
            for ra in (self.west, self.east)
        )
        sides = [each for meridian in meridians for each in meridian]
        return any(
            any(_cross_each_other(side, each) for each in sides)
            or any(self._crosses(side, dec) for dec in (self.south, self.north))
            for side in outline.sides
        )

    def _arcs(self) -> list[tuple[float, float]]:
        """A meridian in parts that are shorter than half a circle."""
        middle = (self.south + self.north) / 2
        return [(self.south, middle), (middle, self.north)]

    def _holds(self, ra: float, dec: float) -> bool:
        return self.south <= dec <= self.north and (
            self.west <= ra % 360.0 <= self.east or (ra % 360.0 == 0 and self.east == 360)
        )

    def _crosses(self, side: tuple[Vector, Vector], dec: float) -> bool:
        """Whether a side goes through the parallel within the range."""
        start, end = side
        along = _unit(_less(end, start, _dot(start, end)))
        length = math.radians(_apart(start, end))
        reach, height = math.hypot(start[2], along[2]), math.sin(math.radians(dec))
        if reach < abs(height) or reach == 0:
            return False
        turn, half = math.atan2(along[2], start[2]), math.acos(height / reach)
        for angle in (turn - half, turn + half):
            way = angle % (2 * math.pi)
            if way <= length:
                x, y = (math.cos(way) * start[n] + math.sin(way) * along[n] for n in (0, 1))
                ra = math.degrees(math.atan2(y, x)) % 360.0
                if self.west <= ra <= self.east:
                    return True
        return False


@dataclass(frozen=True)
class Polygon:
    """Its corners one after the other, in either direction. Raises BadRegion.

    It is the smaller part of the sky within its sides, which may be bent inwards.
    """

    corners: tuple[Place, ...]

    def __post_init__(self) -> None:
        if not 3 <= len(self.corners) <= MOST_CORNERS:
            raise BadRegion(f"a polygon has 3 to {MOST_CORNERS} corners")
        for each in self.corners:
            _check_place(*each)
        total = _sum(self._vectors)
        if math.hypot(*total) < 1e-9 or self.cone.radius > _WIDEST_POLYGON:
            raise BadRegion(
                f"a polygon's corners are within {_WIDEST_POLYGON:g} degrees of its middle: "
                "divide it into smaller ones"
            )

    @cached_property
    def _vectors(self) -> tuple[Vector, ...]:
        return tuple(to_vector(*each) for each in self.corners)

    @cached_property
    def _middle(self) -> Vector:
        return _unit(_sum(self._vectors))

    @cached_property
    def cone(self) -> Cone:
        radius = max(_apart(self._middle, each) for each in self._vectors)
        return Cone(*to_place(self._middle), radius)

    def meets(self, outline: Outline) -> bool:
        own = list(pairwise((*self._vectors, self._vectors[0])))
        return (
            any(self._holds(each) for each in outline.vectors)
            or any(outline.holds(each) for each in self._vectors)
            or any(_cross_each_other(one, two) for one in own for two in outline.sides)
        )

    @cached_property
    def _axes(self) -> tuple[Vector, Vector]:
        pole = (0.0, 0.0, 1.0) if abs(self._middle[2]) < 0.9 else (1.0, 0.0, 0.0)
        east = _unit(_cross(pole, self._middle))
        return east, _cross(self._middle, east)

    def _on_plane(self, place: Vector) -> tuple[float, float]:
        """On the plane that touches the sky in the middle, great circles are straight."""
        depth = _dot(place, self._middle)
        return _dot(place, self._axes[0]) / depth, _dot(place, self._axes[1]) / depth

    @cached_property
    def _flat(self) -> list[tuple[float, float]]:
        return [self._on_plane(each) for each in (*self._vectors, self._vectors[0])]

    def _holds(self, place: Vector) -> bool:
        if _dot(place, self._middle) <= 1e-6:
            return False
        x, y = self._on_plane(place)
        inside = False
        for (x1, y1), (x2, y2) in pairwise(self._flat):
            if (y1 > y) != (y2 > y) and x < x1 + (y - y1) / (y2 - y1) * (x2 - x1):
                inside = not inside
        return inside


def around(ra: float, dec: float, radius: float) -> Outline:
    """Eight corners at `radius` degrees from a place."""
    middle = to_vector(ra, dec)
    pole = (0.0, 0.0, 1.0) if abs(middle[2]) < 0.9 else (1.0, 0.0, 0.0)
    east = _unit(_cross(pole, middle))
    north = _cross(middle, east)
    depth, reach = math.cos(math.radians(radius)), math.sin(math.radians(radius))
    corners = []
    for step in range(8):
        along, up = reach * math.cos(step * math.pi / 4), reach * math.sin(step * math.pi / 4)
        x, y, z = (depth * middle[n] + along * east[n] + up * north[n] for n in range(3))
        corners.append(to_place((x, y, z)))
    return Outline(tuple(corners))


def to_vector(ra: float, dec: float) -> Vector:
    """The unit vector of a place."""
    a, d = math.radians(ra), math.radians(dec)
    return math.cos(d) * math.cos(a), math.cos(d) * math.sin(a), math.sin(d)


def to_place(vector: Vector) -> Place:
    """Degrees, ICRS."""
    x, y, z = vector
    return math.degrees(math.atan2(y, x)) % 360.0, math.degrees(math.atan2(z, math.hypot(x, y)))


def _check_place(ra: float, dec: float) -> None:
    if not (0 <= ra <= 360 and -90 <= dec <= 90):
        raise BadRegion(
            f"{ra:g} {dec:g} is no place of the sky: right ascension is from 0 to 360 degrees, "
            "declination from -90 to 90"
        )


def _from_side(place: Vector, start: Vector, end: Vector) -> float:
    """Degrees between a place and the nearest one of a side."""
    normal = _cross(start, end)
    size = math.hypot(*normal)
    if size > 0 and _dot(_cross(normal, start), place) >= 0 >= _dot(_cross(normal, end), place):
        return math.degrees(math.asin(min(1.0, abs(_dot(normal, place)) / size)))
    return min(_apart(place, start), _apart(place, end))


def _cross_each_other(one: tuple[Vector, Vector], two: tuple[Vector, Vector]) -> bool:
    first, second = _cross(*one), _cross(*two)
    a, b = _dot(first, two[0]), _dot(first, two[1])
    c, d = _dot(second, one[0]), _dot(second, one[1])
    # Both have their ends on two sides of the other, and the ends are not opposite ones.
    return a * b <= 0 and c * d <= 0 and _dot(_sum(one), _sum(two)) > 0


def _apart(one: Vector, two: Vector) -> float:
    return math.degrees(math.atan2(math.hypot(*_cross(one, two)), _dot(one, two)))


def _dot(one: Vector, two: Vector) -> float:
    return one[0] * two[0] + one[1] * two[1] + one[2] * two[2]


def _cross(one: Vector, two: Vector) -> Vector:
    return (
        one[1] * two[2] - one[2] * two[1],
        one[2] * two[0] - one[0] * two[2],
        one[0] * two[1] - one[1] * two[0],
    )


def _sum(vectors: Sequence[Vector]) -> Vector:
    return sum(v[0] for v in vectors), sum(v[1] for v in vectors), sum(v[2] for v in vectors)


def _less(one: Vector, two: Vector, share: float) -> Vector:
    return one[0] - share * two[0], one[1] - share * two[1], one[2] - share * two[2]


def _unit(vector: Vector) -> Vector:
    size = math.hypot(*vector) or 1.0
    return vector[0] / size, vector[1] / size, vector[2] / size
