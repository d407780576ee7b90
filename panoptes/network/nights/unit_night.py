"""A unit's night: what is reported of it, and the same as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from typing import Any

from panoptes.network.document_json import to_json
from panoptes.network.documents import GeoPoint
from panoptes.network.errors import published
from panoptes.network.fits.header_json import Json


@dataclass(frozen=True)
class Span:
    """From one moment to a later one, UTC."""

    start: datetime
    end: datetime

    @property
    def seconds(self) -> float:
        return (self.end - self.start).total_seconds()


@dataclass(frozen=True)
class Percentiles:
    """Seconds that half, 95 % and 99 % of the files did not exceed."""

    p50: float
    p95: float
    p99: float
    files: int


@dataclass(frozen=True)
class Exposure:
    """An image of the catalogue, as the plots need it."""

    image_id: str
    camera_id: str
    time: datetime
    exptime: float | None
    """Seconds."""
    image_type: str
    airmass: float | None = None
    moonsep: float | None = None
    """Degrees."""
    moonfrac: float | None = None


@dataclass(frozen=True)
class Gap(Span):
    """No shutter of this camera was open, between two of its exposures."""

    camera_id: str


@dataclass(frozen=True)
class NightObservation:
    """An observation of the night, and how many of its images came and went where."""

    sequence_id: str
    camera_id: str
    field_name: str | None
    time: datetime
    image_type: str
    images: int
    """In the catalogue, whatever they are for."""
    exptime: float
    """Seconds that these were exposed for, in all."""
    quarantined: int
    """Files."""


@dataclass(frozen=True)
class NightCase:
    """A file of the night that went to quarantine."""

    case_id: str | None
    name: str
    camera_id: str
    code: str | None
    reason: str | None
    next_step: str | None
    arrived: datetime
    time: datetime | None
    """When it was exposed, as its name says."""


@dataclass(frozen=True)
class Said:
    """What a unit said of itself in this night, and when it said so first and last."""

    what: str
    first: datetime
    last: datetime
    times: int


@dataclass(frozen=True)
class Measured:
    """Of a quantity over the night's lights: how many say it, least, median and most."""

    images: int
    least: float
    median: float
    most: float


@dataclass(frozen=True)
class Sky:
    """What is known of the sky, from headers and from the unit's own weather. None: nothing."""

    airmass: Measured | None = None
    moonfrac: Measured | None = None
    """Illuminated share of the Moon, 0 to 1."""
    moonsep: Measured | None = None
    """Degrees from the field to the Moon."""
    measev: Measured | None = None
    """Brightness that the camera measured, EV."""
    level: Measured | None = None
    """Of the sky, in the camera's units above nothing, its zero included: the green pixels, or all
    where the mask is not known."""
    seeing: Measured | None = None
    """FWHM of the median star, arcseconds."""
    lost: Measured | None = None
    """Magnitudes of light that images lack beside the best of their observation: cloud, for the
    most."""
    cloud: str | None = None
    """In words, as the unit's weather station says it, the most frequent first."""


@dataclass(frozen=True)
class Instrument:
    """What headers say of cameras and mount. None: nothing."""

    focpos: Measured | None = None
    """Position of the focuser."""
    pointing: Measured | None = None
    """Degrees between where the mount said it pointed and where the solved image lies; of an image
    that was solved here, if it is a full frame."""
    camtemp: Measured | None = None
    """Degrees Celsius."""
    bad: int = 0
    """Lights that the unit itself calls bad (card QUALITY)."""


@dataclass(frozen=True, kw_only=True)
class UnitNight:
    """One unit's night, from its local noon to the next.

    Counts are of exposures (image ids), unless they say that they are of files. None: it is not
    known, or there is nothing of which it could be said.
    """

    unit_id: str
    unit_name: str | None
    night: str
    """The date of the evening, YYYY-MM-DD."""
    start: datetime
    """The unit's noon, mean solar time, UTC."""
    end: datetime
    location: GeoPoint | None
    is_over: bool
    """False: the night is still going on, and everything below may grow."""

    # The Sun, by the unit's place; None where the place is not known.
    sunset: datetime | None = None
    nautical: Span | None = None
    """While the Sun is more than 12 degrees below the horizon; None: never in this night."""
    dark: Span | None = None
    """While it is more than 18 degrees below: the astronomical night; None: never."""
    sunrise: datetime | None = None

    cadence: float | None = None
    """Seconds from one exposure's start to the next one's, of one camera, at the median."""
    cadence_from: str | None = None
    """``this night`` or ``earlier nights``."""
    possible: int | None = None
    """Lights that fit into the astronomical night at this cadence, on all cameras; what is assumed
    stands at `panoptes.network.nights.expecting.expect`."""
    usual_share: float | None = None
    """Of what was possible, the share that the unit's last nights brought, at the median."""
    expected: int | None = None
    """`possible` times `usual_share`."""
    arrived: int = 0
    """Exposures of which at least one file arrived."""
    catalogued: int = 0
    """Of these, in the catalogue."""
    lights: int = 0
    """Of the catalogued, those that are images of the sky for science."""
    quarantined: int = 0
    """Files in quarantine."""
    waiting: int = 0
    """Files that the ledger knows and of which nothing has become yet."""
    failed: int = 0
    """Files that could not be taken through no fault of their own."""
    files: int = 0
    """Files that arrived, of every type."""
    missing: int | None = None
    """`expected` less the exposures that arrived, calibrations aside; never below 0. Whether they
    were ever taken nobody here knows. None while it is still dark."""

    reasons: tuple[str, ...] = ()
    """Why nothing was observed, in words; empty where something was."""
    said: tuple[Said, ...] = ()
    """Why it could not observe, by the unit's own word while it was dark."""

    open_shutter: float | None = None
    """Share of the astronomical night in which a shutter was open, mean over the cameras."""
    exptime: float = 0.0
    """Seconds that lights were exposed for, in all."""
    mean_gap: float | None = None
    """Seconds between the end of a light and the start of the camera's next."""
    median_gap: float | None = None
    gaps: tuple[Gap, ...] = ()
    """The long ones, those of more than two cadences, in the order of time."""
    first_exposure: datetime | None = None
    last_exposure: datetime | None = None
    """The end of the last light."""
    minutes_to_first: float | None = None
    """From the end of astronomical twilight to the first light; negative: before it."""

    lag: Mapping[str, Percentiles] = field(default_factory=dict)
    """By stage (`panoptes.network.ingest.lag`), and ``in all``: from arrival to the catalogue."""
    sky: Sky = Sky()
    instrument: Instrument = Instrument()
    observations: tuple[NightObservation, ...] = ()
    """In the order of time."""
    cases: tuple[NightCase, ...] = ()
    """The files in quarantine, in the order of their names."""
    unrouted: tuple[NightCase, ...] = ()
    """Files in quarantine that arrived in this night below the unit's folder, under names that say
    no more than that."""
    exposures: tuple[Exposure, ...] = ()
    """In the order of time; not part of the JSON, the search has them."""


def for_everybody(night: UnitNight) -> UnitNight:
    """The report without what was seen in files that are in quarantine, nor names that say
    anything."""

    def told(case: NightCase) -> NightCase:
        advice = published(case.code)
        return replace(case, case_id=None, reason=advice.sentence, next_step=advice.next_step)

    return replace(
        night,
        cases=tuple(map(told, night.cases)),
        unrouted=tuple(replace(told(each), name="") for each in night.unrouted),
    )


def night_json(night: UnitNight) -> dict[str, Json]:
    """The report as JSON: times are ISO 8601 in UTC, what is not known is null."""
    fields: dict[str, Any] = {
        name: value for name, value in asdict(night).items() if name != "exposures"
    }
    fields["location"] = night.location
    return {name: to_json(value) for name, value in fields.items()}
