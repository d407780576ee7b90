"""The archive's images that a query asks for, as rows of ObsCore.

Observations are found by the catalogue's indices; their images are then looked at one by one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from panoptes.network.catalog.catalog import Catalog, Stored
from panoptes.network.documents import folded
from panoptes.network.image_access.obscore import (
    BAND,
    COLLECTION,
    FIELDS,
    IMAGE_FORMAT,
    Cell,
    Exposure,
    Footprint,
    exposure_of,
    footprint_of,
    image_id_of,
    middle_of,
    obscore_row,
)
from panoptes.network.image_access.parameters import ImageQuery, Interval
from panoptes.network.image_access.regions import Place
from panoptes.network.search import Cone, Wanted, all_images, all_observations
from panoptes.network.stars.separation import separation

MOST_LOOKED_AT = 200_000
"""Images of a query; what it finds is then cut off, and says so."""
_REACH = 16.0
"""Degrees. So far may the corner of an image be from its observation's place: half the diagonal
of a full frame, and what a mount may be off by."""
_HALF_DIAGONAL = 12.0
"""Degrees, of the largest image."""
_LONGEST = timedelta(days=1)
"""Of an observation."""

Row: TypeAlias = Mapping[str, Cell]


class CutOff(Exception):
    """There may be more, which was not looked for."""


def find_rows(
    catalog: Catalog, query: ImageQuery, *, access_url: Callable[[str], str | None]
) -> Iterator[Row]:
    """Rows, those of one observation by time. `access_url` is given a path in `images`.

    Raises CutOff behind the last row where not everything was looked at, and
    `search.TooMany` before the first.
    """
    if not _is_ours(query):
        return
    looked_at = 0
    for image, target in _candidates(catalog, query):
        looked_at += 1
        if looked_at > MOST_LOOKED_AT:
            raise CutOff
        path = image.fields.get("bucket_path")
        if not isinstance(path, str) or not path:
            continue
        if not _is_exposed(query, exposure_of(image.fields)):
            continue
        footprint = _placed(image, query)
        if query.regions and footprint is None:
            continue
        row = obscore_row(image, footprint, target=target, access_url=access_url(path))
        if _holds(query, row):
            yield row


def _is_ours(query: ImageQuery) -> bool:
    """Whether the network has any such image, by what all of its images have in common."""
    common = {
        "DPTYPE": "image",
        "CALIB": "1",
        "COLLECTION": COLLECTION.casefold(),
        "FORMAT": IMAGE_FORMAT,
    }
    return (
        all(value in query.words.get(name, {value}) for name, value in common.items())
        and "POL" not in query.words
        and "SPECRP" not in query.intervals
        and _meets(query, "BAND", *BAND)
    )


def _candidates(catalog: Catalog, query: ImageQuery) -> Iterator[tuple[Stored, str | None]]:
    """Images that may be asked for, and what their observations call their field."""
    if "ID" in query.words:
        for image in _by_id(catalog, query):
            sequence_id = image.fields.get("sequence_id")
            observation = None
            if isinstance(sequence_id, str):
                observation = catalog.get("observations", sequence_id)
            if _is_target(query, _name(observation)):
                yield image, _name(observation)
        return
    wanted = _wanted(query)
    seen: set[str] = set()
    for cone in _cones(query):
        for observation in all_observations(catalog, wanted(cone)):
            name = _name(observation)
            if observation.key in seen or not _is_target(query, name):
                continue
            seen.add(observation.key)
            for image in all_images(catalog, observation.key, only=FIELDS):
                yield image, name


def _is_target(query: ImageQuery, name: str | None) -> bool:
    targets = query.words.get("TARGET")
    return targets is None or folded(name or "") in map(folded, targets)


def _by_id(catalog: Catalog, query: ImageQuery) -> Iterator[Stored]:
    for did in sorted(query.words["ID"]):
        image_id = image_id_of(did)
        if image_id is None:
            continue
        try:
            found = catalog.get("images", image_id)
        except ValueError:
            continue  # no key of a document
        if found is not None and found.fields.get("image_type", "light") == "light":
            yield found


def _cones(query: ImageQuery) -> list[Cone | None]:
    """Where observations may lie; None: anywhere, which takes no longer than a wide circle."""
    near = [each.cone for each in query.regions]
    cones = [Cone(each.ra, each.dec, min(180.0, each.radius + _REACH)) for each in near]
    if not cones or any(each.is_wide for each in cones):
        return [None]
    return [*cones]


def _wanted(query: ImageQuery) -> Callable[[Cone | None], Wanted]:
    times = query.intervals.get("TIME", ())
    start = _moment(min((low for low, _ in times), default=-math.inf))
    end = _moment(max((high for _, high in times), default=math.inf))
    targets = query.words.get("TARGET", frozenset())
    only = next(iter(targets), None) if len(targets) == 1 else None

    def wanted(cone: Cone | None) -> Wanted:
        return Wanted(
            unit_ids=query.words.get("FACILITY", frozenset()),
            camera_ids=query.words.get("INSTRUMENT", frozenset()),
            field_name=None if only is None or "*" in only else only,
            start=None if start is None else start - _LONGEST,
            end=end,
            cone=cone,
        )

    return wanted


def _moment(mjd: float) -> datetime | None:
    """None for what is far from any observation."""
    if not 15_000 < mjd < 88_000:  # 1900 and 2100
        return (
            None if math.isinf(mjd) else datetime(1900 if mjd < 50_000 else 2100, 1, 2, tzinfo=UTC)
        )
    return datetime(1858, 11, 17, tzinfo=UTC) + timedelta(days=mjd)


def _placed(image: Stored, query: ImageQuery) -> Footprint | None:
    """None where the image is in none of the regions, or nothing says where it is."""
    if not query.regions:
        return footprint_of(image.fields)
    middle = middle_of(image.fields)
    if middle is None or not any(_is_near(each.cone, middle) for each in query.regions):
        return None
    footprint = footprint_of(image.fields)
    if footprint is None:
        return None
    is_in = any(region.meets(footprint.outline) for region in query.regions)
    return footprint if is_in else None


def _is_near(cone: Cone, middle: Place) -> bool:
    return separation(cone.ra, cone.dec, *middle) <= cone.radius + _HALF_DIAGONAL


def _is_exposed(query: ImageQuery, exposure: Exposure) -> bool:
    seconds = exposure.seconds
    return (
        _meets(query, "TIME", exposure.begun, exposure.ended)
        and _meets(query, "EXPTIME", seconds, seconds)
        and _meets(query, "TIMERES", seconds, seconds)
    )


def _holds(query: ImageQuery, row: Row) -> bool:
    return (
        _meets(query, "FOV", row["s_fov"], row["s_fov"])
        and _meets(query, "SPATRES", row["s_resolution"], row["s_resolution"])
        and _is_among(query, "FACILITY", row["facility_name"])
        and _is_among(query, "INSTRUMENT", row["instrument_name"])
    )


def _meets(query: ImageQuery, name: str, low: Cell, high: Cell) -> bool:
    """Whether what is known has something in common with what is asked for."""
    wanted: tuple[Interval, ...] | None = query.intervals.get(name)
    if wanted is None:
        return True
    if not isinstance(low, float):
        return False
    top = high if isinstance(high, float) else low
    return any(one <= top and low <= two for one, two in wanted)


def _is_among(query: ImageQuery, name: str, value: Cell) -> bool:
    return name not in query.words or value in query.words[name]


def _name(observation: Stored | None) -> str | None:
    name = observation.fields.get("field_name") if observation else None
    return name if isinstance(name, str) and name else None
