"""A unit's night, found in the catalogue and reckoned up."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from statistics import fmean, median
from typing import Any

from pydantic import ValidationError

from panoptes.network.audit.scope import Scope, is_unit_id, read_night
from panoptes.network.catalog.catalog import Fields, Stored
from panoptes.network.catalog.values import number, text
from panoptes.network.documents import File, GeoPoint
from panoptes.network.file_types import IMAGES
from panoptes.network.ingest.lag import IN_ALL, STAGES, lag_of, percentile
from panoptes.network.ingest.measuring import pointing_error
from panoptes.network.names import FIRST_YEAR, LAST_YEAR, parse_time
from panoptes.network.nights import found
from panoptes.network.nights.expecting import expect, exposure_of
from panoptes.network.nights.sun import ASTRONOMICAL, HORIZON, NAUTICAL, below
from panoptes.network.nights.telling import Telling, telling
from panoptes.network.nights.unit_night import (
    Exposure,
    Gap,
    Instrument,
    Measured,
    NightCase,
    NightObservation,
    Percentiles,
    Sky,
    Span,
    UnitNight,
)
from panoptes.network.nighttime import night_bounds, night_of
from panoptes.network.quality import lost_light
from panoptes.network.search import all_units
from panoptes.network.site import Site
from panoptes.network.storage.store import NotFound
from panoptes.network.units.registry import RESTING

LONG_GAP = 2.0
"""Cadences; a longer time without an exposure is one of the `gaps`."""
NOT_KNOWN = "not known"

_LAG = ("arrived", "run_made", "run_begun", "opened", "derived", "closed")
_ENTRY = ("name", "generation", "size", "history", *_LAG)
_HOLDS_IMAGE = frozenset(each.value for each in IMAGES)
_DAY = timedelta(days=1)


def unit_night(site: Site, unit_id: str, night: str, *, now: datetime | None = None) -> UnitNight:
    """What is known of a unit's night (YYYY-MM-DD, the date of its evening).

    Raises ValueError, with a sentence, for what is no night or no unit's id, and NotFound
    for a unit that the catalogue does not know.
    """
    day = checked_night(night)
    Scope.of(day, unit_id)
    catalog, moment = site.catalog, now or datetime.now(UTC)
    unit = catalog.get("units", unit_id)
    if unit is None:
        raise NotFound(f"there is no unit {unit_id}")
    place = _place(unit)
    start, end = night_bounds(day, place.longitude if place else None)
    up, nautical, dark = (
        below(altitude, place, start, end) if place else None
        for altitude in (HORIZON, NAUTICAL, ASTRONOMICAL)
    )
    images = found.images_between(catalog, unit_id, start, end)
    exposures = tuple(map(exposure_of, images))
    lights = [each for each in exposures if each.image_type == "light"]
    files = list(found.files_of_night(catalog, unit_id, day, place.longitude if place else None))
    expected = expect(catalog, unit_id, start=start, place=place, dark=dark, lights=lights)
    told = telling(catalog, unit_id, unit.fields, dark or nautical or Span(start, end), now=moment)
    exposed = {each.image_id for each in exposures}
    arrived = exposed | set(_exposures_of(files))
    others = len(exposures) - len(lights)
    missing = None
    if expected.expected is not None and moment >= (dark.end if dark else end):
        missing = max(0, expected.expected - (len(arrived) - others))
    cases = cases_of(files)
    gaps = list(_gaps(lights))
    first = lights[0].time if lights else None
    darkens = dark.start if dark and dark.start > start else None
    return UnitNight(
        unit_id=unit_id,
        unit_name=text(unit.fields, "name"),
        night=day.isoformat(),
        start=start,
        end=end,
        location=place,
        is_over=moment >= end,
        sunset=up.start if up and up.start > start else None,
        nautical=nautical,
        dark=dark,
        sunrise=up.end if up and up.end < end else None,
        cadence=expected.cadence,
        cadence_from=expected.cadence_from,
        possible=expected.possible,
        usual_share=expected.usual_share,
        expected=expected.expected,
        arrived=len(arrived),
        catalogued=len(exposures),
        lights=len(lights),
        quarantined=len(cases),
        waiting=sum(each.get("outcome") is None for each in files),
        failed=sum(each.get("outcome") == "failed" for each in files),
        files=len(files),
        missing=missing,
        reasons=() if lights else _reasons(unit, place, nautical, dark, told, files, end, moment),
        said=told.said,
        open_shutter=_open_shutter(lights, dark),
        exptime=round(sum(each.exptime or 0.0 for each in lights), 3),
        mean_gap=fmean(each.seconds for each in gaps) if gaps else None,
        median_gap=median(each.seconds for each in gaps) if gaps else None,
        gaps=tuple(_long(gaps, expected.cadence)),
        first_exposure=first,
        last_exposure=max((_end(each) for each in lights), default=None),
        minutes_to_first=(first - darkens).total_seconds() / 60 if first and darkens else None,
        lag=_lags(files),
        sky=_sky(images, told),
        instrument=_instrument(images),
        observations=tuple(
            _observations(found.observations_between(catalog, unit_id, start, end), images, files)
        ),
        cases=cases,
        unrouted=cases_of(found.unrouted(catalog, unit_id, start, end)),
        exposures=exposures,
    )


def checked_night(text: str) -> date:
    """A night of a telescope, YYYY-MM-DD or YYYYMMDD. Raises ValueError, with a sentence."""
    night = read_night(text)
    if not FIRST_YEAR <= night.year <= LAST_YEAR:
        raise ValueError(f"{text!r} is no night of a telescope: {FIRST_YEAR} to {LAST_YEAR}")
    return night


def unit_ids(site: Site) -> list[str]:
    """Every unit that can have nights, by its id; what other software keeps there is left out."""
    return [stored.key for stored in all_units(site.catalog) if is_unit_id(stored.key)]


def last_whole_night(site: Site, unit_id: str, *, now: datetime | None = None) -> str:
    """The last night of this unit that is over, YYYY-MM-DD."""
    moment = now or datetime.now(UTC)
    return night_of(moment - _DAY, site.longitude(unit_id))


def _place(unit: Stored) -> GeoPoint | None:
    place = unit.fields.get("location")
    return place if isinstance(place, GeoPoint) else None


def _exposures_of(files: Iterable[Fields]) -> Iterator[str]:
    for each in files:
        image_id = text(each, "image_id")
        if image_id and text(each, "file_type") in _HOLDS_IMAGE:
            yield image_id


def cases_of(files: Iterable[Fields]) -> tuple[NightCase, ...]:
    """Those of the ledger's entries that are in quarantine, by their names."""
    cases = [
        NightCase(
            case_id=text(each, "case_id"),
            name=text(each, "name") or "",
            camera_id=text(each, "camera_id") or "",
            code=text(each, "code"),
            reason=text(each, "reason"),
            next_step=text(each, "next_step"),
            arrived=each["arrived"],
            time=_time_of(text(each, "image_id")),
        )
        for each in files
        if each.get("outcome") == "quarantined" and isinstance(each.get("arrived"), datetime)
    ]
    return tuple(sorted(cases, key=lambda case: case.name))


def _time_of(image_id: str | None) -> datetime | None:
    try:
        return parse_time((image_id or "").rpartition("_")[2])
    except ValueError:
        return None


def _reasons(
    unit: Stored,
    place: GeoPoint | None,
    nautical: Span | None,
    dark: Span | None,
    told: Telling,
    files: Sequence[Fields],
    end: datetime,
    now: datetime,
) -> tuple[str, ...]:
    """Why there is no light of this night in the catalogue; "not known" where nothing says it."""
    reasons = []
    if now < (dark.start if dark else end):
        reasons.append("the night has not begun" if dark else "the night is not over")
    elif now < end:
        reasons.append("the night is not over")
    if place is not None and dark is None:
        height = NAUTICAL if nautical is None else ASTRONOMICAL
        reasons.append(f"it does not get dark: the Sun stays above {height:.0f} degrees")
    for each in told.said:
        between = f"{each.first:%H:%M}"
        if each.last > each.first:
            between += f" to {each.last:%H:%M}"
        reasons.append(f"{each.what} ({between} UTC, by its own word)")
    if files:
        aside = sum(each.get("outcome") == "quarantined" for each in files)
        left = sum(each.get("outcome") in (None, "failed") for each in files)
        counted = [f"{aside} are in quarantine"] if aside else []
        counted += [f"{left} are not taken yet"] if left else []
        if counted:
            reasons.append(f"of its {len(files)} files {' and '.join(counted)}")
    if unit.fields.get("status") == RESTING:
        reasons.append("it is entered as resting")
    if not reasons and told.is_kept and not told.records:
        reasons.append("not known: it sent no file and said nothing of itself in the dark")
    return tuple(reasons) or (NOT_KNOWN,)


def _end(exposure: Exposure) -> datetime:
    return exposure.time + timedelta(seconds=max(0.0, min(exposure.exptime or 0.0, 86400.0)))


def _by_camera(lights: Iterable[Exposure]) -> dict[str, list[Exposure]]:
    cameras: dict[str, list[Exposure]] = defaultdict(list)
    for each in lights:
        cameras[each.camera_id].append(each)
    return cameras


def _open_shutter(lights: Sequence[Exposure], dark: Span | None) -> float | None:
    """Mean over the cameras; what two exposures of one camera claim counts once."""
    if dark is None or not lights:
        return None
    shares = []
    for exposures in _by_camera(lights).values():
        opened, until = 0.0, dark.start
        for each in exposures:
            begin, end = max(each.time, until), min(_end(each), dark.end)
            if end > begin:
                opened += (end - begin).total_seconds()
                until = end
        shares.append(opened / dark.seconds)
    return fmean(shares)


def _gaps(lights: Iterable[Exposure]) -> Iterator[Gap]:
    """Between successive lights of each camera; none where they touch or overlap."""
    for camera_id, exposures in _by_camera(lights).items():
        for one, other in pairwise(exposures):
            yield Gap(min(_end(one), other.time), other.time, camera_id)


def _long(gaps: Iterable[Gap], cadence: float | None) -> list[Gap]:
    if cadence is None:
        return []
    long = (each for each in gaps if each.seconds > LONG_GAP * cadence)
    return sorted(long, key=lambda gap: (gap.start, gap.camera_id))


def _lags(files: Iterable[Fields]) -> dict[str, Percentiles]:
    """By stage, of the files that were archived or filed; what was adopted never arrived."""
    seconds: dict[str, list[float]] = defaultdict(list)
    for each in files:
        if each.get("outcome") not in ("archived", "filed") or each.get("adopted"):
            continue
        known: dict[str, Any] = {name: each[name] for name in _ENTRY if name in each}
        try:
            entry = File.model_validate(known)
        except ValidationError:
            continue  # another program's
        for stage, lag in lag_of(entry).items():
            seconds[stage].append(lag)
    return {stage: _percentiles(seconds[stage]) for stage in (*STAGES, IN_ALL) if seconds[stage]}


def _percentiles(seconds: list[float]) -> Percentiles:
    p50, p95, p99 = (percentile(seconds, share) for share in (0.5, 0.95, 0.99))
    return Percentiles(p50, p95, p99, files=len(seconds))


def _measured(images: Iterable[Stored], name: str) -> Measured | None:
    return _of_values(number(each.fields, name) for each in images)


def _of_values(values: Iterable[float | None]) -> Measured | None:
    known = [each for each in values if each is not None]
    if not known:
        return None
    return Measured(len(known), min(known), median(known), max(known))


def _lights(images: Iterable[Stored]) -> list[Stored]:
    return [each for each in images if (text(each.fields, "image_type") or "light") == "light"]


def _sky(images: Iterable[Stored], told: Telling) -> Sky:
    lights = _lights(images)
    return Sky(
        airmass=_measured(lights, "airmass"),
        moonfrac=_measured(lights, "moonfrac"),
        moonsep=_measured(lights, "moonsep"),
        measev=_measured(lights, "measev"),
        level=_of_values(map(_level, lights)),
        seeing=_of_values(map(_seeing, lights)),
        lost=_of_values(_lost(lights)),
        cloud=told.cloud,
    )


def _instrument(images: Iterable[Stored]) -> Instrument:
    lights = _lights(images)
    return Instrument(
        focpos=_measured(lights, "focpos"),
        pointing=_of_values(pointing_error(each.fields) for each in lights),
        camtemp=_measured(lights, "camtemp"),
        bad=sum(text(each.fields, "quality") == "BAD" for each in lights),
    )


def _part(image: Stored, name: str) -> Fields:
    part = image.fields.get(name)
    return part if isinstance(part, dict) else {}


def _level(image: Stored) -> float | None:
    sky = _part(image, "measured").get("sky")
    if not isinstance(sky, dict):
        return None
    return number(sky, "G" if "G" in sky else "all")


def _seeing(image: Stored) -> float | None:
    fwhm = number(_part(image, "measured"), "fwhm")
    scale = number(_part(image, "solution"), "scale")
    return None if fwhm is None or scale is None else fwhm * scale


def _lost(lights: Iterable[Stored]) -> Iterator[float | None]:
    by_sequence: dict[str, list[float | None]] = defaultdict(list)
    for image in lights:
        sequence_id = text(image.fields, "sequence_id") or ""
        by_sequence[sequence_id].append(number(_part(image, "measured"), "zero_point"))
    for zero_points in by_sequence.values():
        yield from lost_light(zero_points)


def _observations(
    observations: Iterable[Stored], images: Iterable[Stored], files: Iterable[Fields]
) -> Iterator[NightObservation]:
    by_sequence: dict[str, list[float]] = defaultdict(list)
    for image in images:
        sequence_id = text(image.fields, "sequence_id") or ""
        by_sequence[sequence_id].append(number(image.fields, "exptime") or 0.0)
    aside: dict[str, int] = defaultdict(int)
    for each in files:
        if each.get("outcome") == "quarantined":
            aside[text(each, "sequence_id") or ""] += 1
    for stored in observations:
        fields = stored.fields
        yield NightObservation(
            sequence_id=stored.key,
            camera_id=text(fields, "camera_id") or "",
            field_name=text(fields, "field_name"),
            time=fields["time"],
            image_type=text(fields, "image_type") or "light",
            images=len(by_sequence[stored.key]),
            exptime=round(sum(by_sequence[stored.key]), 3),
            quarantined=aside[stored.key],
        )
