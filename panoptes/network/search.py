"""Searches over the catalog: observations, their images, and units.

Every query asks only for what `catalog.queries` declares, and narrows down the rest while
it reads, so that the same search runs on SQLite and on Firestore. One page looks at no
more than `MAX_LOOKED_AT` documents, whatever was asked."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from functools import cached_property
from heapq import nlargest
from itertools import islice, pairwise
from typing import Literal

from panoptes.network.catalog.catalog import Catalog, Condition, Fields, Order, Query, Stored
from panoptes.network.catalog.values import check_key
from panoptes.network.documents import HEALPIX_NSIDE, NAMES_FOLDED, folded
from panoptes.network.stars.separation import separation

MAX_RANGES = 24
"""Queries a search may cost; nearer ranges of cells are joined until they are this few."""


WIDE_DEGREES = 20.0
"""Three hundredths of the sky."""


@dataclass(frozen=True)
class Cone:
    """Everything within `radius` of a place; degrees, ICRS."""

    ra: float
    dec: float
    radius: float

    def holds(self, ra: float, dec: float) -> bool:
        return separation(self.ra, self.dec, ra, dec) <= self.radius + 1e-9

    @property
    def is_wide(self) -> bool:
        """Whether so much lies within that it is sooner found among all, by time."""
        return self.radius >= WIDE_DEGREES

    def cells(self) -> list[tuple[int, int]]:
        """Ranges of nested HEALPix cells, the last of each excluded, that hold the circle.

        They may hold more. HEALPix has no seam at RA 0 and no singular poles.
        """
        import hpgeom

        if self.radius >= 90:
            # hpgeom 1.6.1 leaves out cells opposite to the centre of such circles.
            return [(0, 12 * HEALPIX_NSIDE**2)]
        found = hpgeom.query_circle(
            HEALPIX_NSIDE,
            self.ra % 360.0,
            self.dec,
            max(self.radius, 1e-6),
            inclusive=True,
            nest=True,
            return_pixel_ranges=True,
        )
        ranges = [(int(low), int(high)) for low, high in found]
        gaps = sorted(b[0] - a[1] for a, b in pairwise(ranges))
        closed = gaps[len(ranges) - MAX_RANGES - 1] if len(ranges) > MAX_RANGES else 0
        joined: list[tuple[int, int]] = []
        for low, high in ranges:
            if joined and low - joined[-1][1] <= closed:
                joined[-1] = (joined[-1][0], high)
            else:
                joined.append((low, high))
        return joined


MAX_LOOKED_AT = 4_000
MAX_IN_CONE = 100_000
MAX_SORTED = 4_000
"""Documents that are in memory to be put in order; of more, all are read by time."""
_BATCH = 500

Direction = Literal["asc", "desc"]


class BadCursor(ValueError):
    """The text is no place to go on from."""


class TooMany(ValueError):
    """The search must be narrowed down."""


_BEFORE_ALL = datetime(1, 1, 2, tzinfo=UTC)
"""Where a document whose time is no time of ours stands."""


LIGHTS = frozenset({"light"})
"""What a search finds unless it asks for other exposures, or all."""


@dataclass(frozen=True)
class Wanted:
    """Which observations: all that is given must hold."""

    unit_ids: frozenset[str] = field(default=frozenset())
    camera_ids: frozenset[str] = field(default=frozenset())
    statuses: frozenset[str] = field(default=frozenset())
    """In any case: earlier software writes capitals."""
    tags: frozenset[str] = field(default=frozenset())
    """All of them, in any case."""
    image_types: frozenset[str] | None = LIGHTS
    """What their exposures are for; None for any."""
    field_name: str | None = None
    """In any case; ``*`` stands for any text."""
    start: datetime | None = None
    end: datetime | None = None
    """Both included; aware."""
    min_num_images: int | None = None
    max_num_images: int | None = None
    cone: Cone | None = None

    @cached_property
    def _tags(self) -> set[str]:
        return _plain_tags(self.tags)

    def holds(self, fields: Fields) -> bool:
        """Whether an observation's document is meant."""
        time, images = fields.get("time"), fields.get("num_images")
        if not isinstance(images, int | float):  # absent, or another program's word
            images = 0
        status = fields.get("status")
        return (
            isinstance(time, datetime)
            and (not self.unit_ids or _is_among(fields.get("unit_id"), self.unit_ids))
            and (not self.camera_ids or _is_among(fields.get("camera_id"), self.camera_ids))
            and (
                not self.statuses
                or (
                    isinstance(status, str)
                    and status.casefold() in map(str.casefold, self.statuses)
                )
            )
            and (not self.tags or self._tags <= _plain_tags(fields.get("tags")))
            and _is_for(self.image_types, fields)
            and (self.field_name is None or _is_like(fields.get("field_name"), self.field_name))
            and (self.start is None or time >= self.start)
            and (self.end is None or time <= self.end)
            and (self.min_num_images is None or images >= self.min_num_images)
            and (self.max_num_images is None or images <= self.max_num_images)
            and (self.cone is None or _is_in(self.cone, fields))
        )


@dataclass(frozen=True)
class Page:
    """Some of what was found. `following` goes on behind it, None at the end.

    A page may be short, or empty, while more follows.
    """

    documents: list[Stored]
    following: str | None


def find_observations(
    catalog: Catalog, wanted: Wanted, *, limit: int = 100, cursor: str | None = None
) -> Page:
    """The newest first. Raises BadCursor and TooMany."""
    after = read_cursor(cursor, "observations") if cursor else None
    if wanted.cone is not None and not wanted.cone.is_wide:
        behind = (
            each
            for each in _in_cone(catalog, wanted)
            if after is None or _moment(each) < _moment(after)
        )
        found = nlargest(limit + 1, behind, key=_moment)  # others are not held
        following = write_cursor(found[limit - 1]) if len(found) > limit else None
        return Page(found[:limit], following)
    page: list[Stored] = []
    last: Stored | None = None
    for looked_at, stored in enumerate(_by_time(catalog, wanted, "desc", after)):
        if len(page) == limit or looked_at == MAX_LOOKED_AT:
            assert last is not None
            return Page(page, write_cursor(last))
        if wanted.holds(stored.fields):
            page.append(stored)
        last = stored
    return Page(page, None)


def all_observations(catalog: Catalog, wanted: Wanted) -> Iterator[Stored]:
    """Every one, the oldest first, read in batches: no more than `MAX_SORTED` are held.

    Raises TooMany.
    """
    if wanted.cone is not None and not wanted.cone.is_wide:
        held = list(islice(_in_cone(catalog, wanted), MAX_SORTED + 1))
        if len(held) <= MAX_SORTED:
            yield from sorted(held, key=_moment)
            return
        held.clear()
    for stored in _by_time(catalog, wanted, "asc", None):
        if wanted.holds(stored.fields):
            yield stored


def find_images(
    catalog: Catalog,
    sequence_id: str,
    *,
    image_types: frozenset[str] | None = LIGHTS,
    limit: int = 1000,
    cursor: str | None = None,
) -> Page:
    """The images of an observation, the oldest first. Raises BadCursor.

    A page may be short while more follows: what is for something else was on it.
    """
    query = Query(
        "images",
        where=[("sequence_id", "==", sequence_id)],
        order_by=[("time", "asc")],
        limit=limit + 1,
        start_after=read_cursor(cursor, "images") if cursor else None,
    )
    found = list(catalog.query(query))
    page = [each for each in found[:limit] if _is_for(image_types, each.fields)]
    return Page(page, write_cursor(found[limit - 1]) if len(found) > limit else None)


def all_images(
    catalog: Catalog,
    sequence_id: str,
    *,
    image_types: frozenset[str] | None = LIGHTS,
    only: Sequence[str] = (),
) -> Iterator[Stored]:
    """The images of an observation, the oldest first, read in batches; of these fields `only`,
    if any are named."""
    fields = (*only, "image_type") if only else ()
    query = Query("images", [("sequence_id", "==", sequence_id)], [("time", "asc")], only=fields)
    found = _in_batches(catalog, query)
    yield from (each for each in found if _is_for(image_types, each.fields))


def _is_for(image_types: frozenset[str] | None, fields: Fields) -> bool:
    """Where nothing says what exposures are for, they are lights."""
    said = fields.get("image_type")
    return image_types is None or (said if isinstance(said, str) else "light") in image_types


def every_image(catalog: Catalog) -> Iterator[Stored]:
    """Every image of the network, by its id, read in batches."""
    yield from _in_batches(catalog, Query("images"))


def all_units(catalog: Catalog) -> list[Stored]:
    """Every unit, by its id."""
    return list(catalog.query(Query("units")))


def _by_time(
    catalog: Catalog, wanted: Wanted, direction: Direction, after: Stored | None
) -> Iterator[Stored]:
    """What the best index finds: by field, by camera, by unit, or by time alone."""
    where: list[Condition] = []
    name = wanted.field_name
    if name is not None and "*" not in name and catalog.get(*NAMES_FOLDED) is not None:
        where.append(("field_folded", "==", folded(name)))
    for name, values in (("camera_id", wanted.camera_ids), ("unit_id", wanted.unit_ids)):
        if len(values) == 1 and not where:
            where.append((name, "==", next(iter(values))))
    if wanted.start is not None:
        where.append(("time", ">=", wanted.start))
    if wanted.end is not None:
        where.append(("time", "<=", wanted.end))
    order: list[Order] = [("time", direction)]
    yield from _in_batches(catalog, Query("observations", where, order, start_after=after))


def _in_batches(catalog: Catalog, query: Query) -> Iterator[Stored]:
    after = query.start_after
    while True:
        batch = list(catalog.query(replace(query, limit=_BATCH, start_after=after)))
        yield from batch
        if len(batch) < _BATCH:
            return
        after = batch[-1]


def _in_cone(catalog: Catalog, wanted: Wanted) -> Iterator[Stored]:
    assert wanted.cone is not None
    looked_at = 0
    for low, high in wanted.cone.cells():
        query = Query("observations", [("healpix", ">=", low), ("healpix", "<", high)])
        for stored in catalog.query(query):
            looked_at += 1
            if looked_at > MAX_IN_CONE:
                raise TooMany(
                    f"more than {MAX_IN_CONE:,} observations lie near the circle: choose a "
                    "smaller radius, or search by time instead"
                )
            if wanted.holds(stored.fields):
                yield stored


def _moment(stored: Stored) -> tuple[datetime, str]:
    time = stored.fields.get("time")
    return time if isinstance(time, datetime) else _BEFORE_ALL, stored.key


def _is_among(value: object, wanted: frozenset[str]) -> bool:
    return isinstance(value, str) and value in wanted


def _is_like(value: object, pattern: str) -> bool:
    return isinstance(value, str) and fnmatchcase(
        folded(value), folded(pattern).replace("[", "[[]")
    )


def _plain_tags(tags: object) -> set[str]:
    words = tags if isinstance(tags, frozenset | list) else ()
    return {folded(word) for word in words if isinstance(word, str)}


def _is_in(cone: Cone, fields: Fields) -> bool:
    ra, dec = fields.get("ra"), fields.get("dec")
    return isinstance(ra, int | float) and isinstance(dec, int | float) and cone.holds(ra, dec)


def write_cursor(stored: Stored) -> str:
    """A text that names the place behind a document in the order of time."""
    time, key = _moment(stored)
    text = json.dumps([time.isoformat(), key], separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def read_cursor(cursor: str, collection: str) -> Stored:
    """What `write_cursor` wrote. Raises BadCursor for anything else."""
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        moment, key = json.loads(base64.b64decode(padded, altchars=b"-_", validate=True))
        time = datetime.fromisoformat(moment)
        if time.utcoffset() is None or not isinstance(key, str) or not key:
            raise ValueError
        time = time.astimezone(UTC)
        check_key(collection, key)
    except (ValueError, TypeError, RecursionError, OverflowError):
        raise BadCursor("the cursor is none that a search gave: leave it out to begin") from None
    return Stored(collection, key, {"time": time}, "")
