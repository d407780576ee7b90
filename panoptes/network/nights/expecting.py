"""How many images a unit should bring in a night, by its own record."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime
from itertools import pairwise
from statistics import median

from panoptes.network.catalog.catalog import Catalog, Stored
from panoptes.network.catalog.values import number, text
from panoptes.network.documents import GeoPoint
from panoptes.network.nights import found
from panoptes.network.nights.sun import ASTRONOMICAL, below
from panoptes.network.nights.unit_night import Exposure, Span
from panoptes.network.nighttime import night_bounds

LEAST_INTERVALS = 3
"""Of fewer intervals between exposures nothing is taken for a cadence."""
EARLIER_NIGHTS = "earlier nights"
THIS_NIGHT = "this night"


@dataclass(frozen=True)
class Expected:
    """See the fields of these names of `UnitNight`."""

    cadence: float | None = None
    cadence_from: str | None = None
    possible: int | None = None
    usual_share: float | None = None
    expected: int | None = None


def expect(
    catalog: Catalog,
    unit_id: str,
    *,
    start: datetime,
    place: GeoPoint | None,
    dark: Span | None,
    lights: Iterable[Exposure],
) -> Expected:
    """What was to be expected of a night that began at `start`.

    A unit is taken to expose all through the astronomical night, one image after the other at
    its own cadence, on each camera that brought something in this night or in the last one
    before: so much is possible. Of this it is expected to bring the share that it brought, at
    the median, in its last nights (`found.EARLIER_NIGHTS` with observations, no older than
    `found.RECORD_DAYS`): what moving between fields, weather and a low horizon usually cost it.
    Nights without any image are not among these. Without a place, a cadence or a record, what
    rests on it is None.
    """
    mine = list(lights)
    cadence, source = cadence_of(mine), THIS_NIGHT
    if cadence is None:
        earlier = found.images_before(catalog, unit_id, start)
        cadence, source = cadence_of(_exposures(earlier)), EARLIER_NIGHTS
    if cadence is None:
        return Expected()
    if place is None:
        return Expected(cadence, source)
    nights = found.nights_before(catalog, unit_id, start, place.longitude)
    cameras = {each.camera_id for each in mine}
    cameras |= _cameras(nights[0][1]) if nights else set()
    possible = _possible(dark, cadence, len(cameras))
    shares = list(_shares(nights, place, cadence))
    if not shares:
        return Expected(cadence, source, possible)
    share = median(shares)
    return Expected(cadence, source, possible, share, round(possible * share))


def cadence_of(exposures: Iterable[Exposure]) -> float | None:
    """Seconds from one start to the next of the same camera, at the median."""
    starts: dict[str, list[datetime]] = defaultdict(list)
    for each in exposures:
        starts[each.camera_id].append(each.time)
    intervals = [
        seconds
        for moments in starts.values()
        for one, other in pairwise(sorted(moments))
        if (seconds := (other - one).total_seconds()) > 0
    ]
    return median(intervals) if len(intervals) >= LEAST_INTERVALS else None


def _possible(dark: Span | None, cadence: float, cameras: int) -> int:
    return int(dark.seconds / cadence) * cameras if dark else 0


def _shares(
    nights: list[tuple[date, list[Stored]]], place: GeoPoint, cadence: float
) -> Iterator[float]:
    """What each night brought of what was possible, at most all of it."""
    for night, observations in nights:
        dark = below(ASTRONOMICAL, place, *night_bounds(night, place.longitude))
        possible = _possible(dark, cadence, len(_cameras(observations)))
        images = sum(number(each.fields, "num_images") or 0.0 for each in observations)
        if possible and images:
            yield min(1.0, images / possible)


def _cameras(observations: list[Stored]) -> set[str]:
    names = (text(each.fields, "camera_id") for each in observations)
    return {name for name in names if name}


def _exposures(images: Iterable[Stored]) -> Iterator[Exposure]:
    return (each for each in map(exposure_of, images) if each.image_type == "light")


def exposure_of(stored: Stored) -> Exposure:
    """An image's document, which may be other software's, as the report needs it."""
    fields = stored.fields
    return Exposure(
        image_id=stored.key,
        camera_id=text(fields, "camera_id") or "",
        time=fields["time"],
        exptime=number(fields, "exptime"),
        image_type=text(fields, "image_type") or "light",
        airmass=number(fields, "airmass"),
        moonsep=number(fields, "moonsep"),
        moonfrac=number(fields, "moonfrac"),
    )
