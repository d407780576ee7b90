"""FITS headers as units write them, in both generations of keywords.

``old`` is POCS 0.1 with a Canon camera (eight-letter keywords, what cr2_to_fits copies from
the raw); ``new`` is POCS 0.7 and later, which adds HIERARCH names and long strings.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, TypeAlias

from panoptes.network.fits.plain import CardTuple
from panoptes.network.names import SIMULATED
from panoptes.network.simulator.canon_writer import Settings

Generation: TypeAlias = Literal["old", "new"]


@dataclass(frozen=True)
class Site:
    """Where a unit stands; degrees, east positive, and metres."""

    latitude: float
    longitude: float
    elevation: float


@dataclass(frozen=True)
class Target:
    """What an observation points at; degrees."""

    name: str
    ra: float
    dec: float


SITES = (
    Site(19.54, -155.58, 3400.0),
    Site(34.22, -118.06, 1740.0),
    Site(-31.27, 149.07, 1165.0),
    Site(28.3, -16.51, 2390.0),
    Site(-30.17, -70.8, 2200.0),
)
TARGETS = (
    Target("KIC 8462852", 301.56439, 44.456875),
    Target("HD 189733", 300.18213, 22.71085),
    Target("WASP-12", 97.63663, 29.67229),
    Target("Kepler-7", 288.58446, 41.08981),
    Target("HAT-P-20", 111.91642, 24.33647),
    Target("WASP-43", 154.90814, -9.80644),
    Target("WASP-107", 188.38642, -10.14621),
    Target("WASP-39", 217.32667, -3.4445),
    Target("WASP-103", 249.31487, 7.18335),
    Target("WASP-69", 315.02596, -5.09486),
    Target("HD 209458", 330.79489, 18.88432),
    Target("WASP-77 A", 37.1555, -7.06061),
)
LOWEST = 30.0
"""Degrees above the horizon where a unit still begins to observe."""

_J2000 = datetime(2000, 1, 1, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Moment:
    """Where a target and the Moon are, as a unit's mount would say."""

    hour_angle: float
    """Hours."""
    airmass: float
    moon_fraction: float
    moon_separation: float
    """Degrees."""


def target_up(site: Site, began: datetime, ended: datetime, *, turn: int = 0) -> Target:
    """A target that stands at least `LOWEST` degrees high at both times.

    Where there are several, `turn` counts through them; where there is none, it is the one that
    stands highest.
    """
    low = {
        target: min(height(site, target, began), height(site, target, ended)) for target in TARGETS
    }
    up = [target for target in TARGETS if low[target] >= LOWEST]
    return up[turn % len(up)] if up else max(TARGETS, key=lambda target: low[target])


def height(site: Site, target: Target, when: datetime) -> float:
    """Degrees above the horizon."""
    return math.degrees(math.asin(_position(site, target, when)[1]))


def _position(site: Site, target: Target, when: datetime) -> tuple[float, float]:
    """The hour angle in degrees, and the sine of the height."""
    days = (when - _J2000).total_seconds() / 86400
    sidereal = (280.46062 + 360.98564737 * days + site.longitude) % 360
    angle = (sidereal - target.ra + 180) % 360 - 180
    lat, dec, turn = (math.radians(v) for v in (site.latitude, target.dec, angle))
    sine = math.sin(lat) * math.sin(dec) + math.cos(lat) * math.cos(dec) * math.cos(turn)
    return angle, max(-1.0, min(1.0, sine))


def moment(site: Site, target: Target, when: datetime) -> Moment:
    """Low-precision positions (sidereal time to seconds, the Moon to a few degrees)."""
    days = (when - _J2000).total_seconds() / 86400
    angle, sine = _position(site, target, when)
    # Below 10 degrees units do not observe; a simulated one shall stay plausible.
    airmass = 1 / max(sine, math.sin(math.radians(10)))
    sun = (280.46 + 0.9856474 * days) % 360
    moon = (218.316 + 13.176396 * days) % 360
    tilt, longitude, dec = math.radians(23.44), math.radians(moon), math.radians(target.dec)
    moon_ra = math.atan2(math.cos(tilt) * math.sin(longitude), math.cos(longitude))
    moon_dec = math.asin(math.sin(tilt) * math.sin(longitude))
    apart = math.sin(dec) * math.sin(moon_dec) + math.cos(dec) * math.cos(moon_dec) * math.cos(
        math.radians(target.ra) - moon_ra
    )
    return Moment(
        hour_angle=angle / 15,
        airmass=airmass,
        moon_fraction=(1 - math.cos(math.radians(moon - sun))) / 2,
        moon_separation=math.degrees(math.acos(max(-1.0, min(1.0, apart)))),
    )


@dataclass(frozen=True, kw_only=True)
class Exposure:
    """One image of one camera, as its header tells it."""

    unit_id: str
    camera_id: str
    sequence_time: str
    image_time: str
    index: int
    count: int
    site: Site
    target: Target
    settings: Settings
    has_mask: bool = True
    """Whether the camera has a Bayer mask."""

    @property
    def sequence_id(self) -> str:
        return f"{self.unit_id}_{self.camera_id}_{self.sequence_time}"

    @property
    def folder(self) -> str:
        return f"{self.unit_id}/{self.camera_id}/{self.sequence_time}"

    @property
    def older_name(self) -> str:
        """Below a folder of the field's name, as older software filed images."""
        field = "".join(part for part in self.target.name.title() if part.isalnum())
        camera = f"{self.unit_id}/{field}/{self.camera_id}"
        return f"{camera}/{self.sequence_time}/{self.image_time}"

    @property
    def image_id(self) -> str:
        return f"{self.unit_id}_{self.camera_id}_{self.image_time}"


def header_cards(exposure: Exposure, generation: Generation) -> list[CardTuple]:
    """The cards of a unit's FITS file but for the structural ones."""
    sky = moment(exposure.site, exposure.target, exposure.settings.taken.replace(tzinfo=UTC))
    return _old(exposure, sky) if generation == "old" else _new(exposure, sky)


def _camera(exposure: Exposure) -> list[CardTuple]:
    """What cr2_to_fits takes over from the raw, units within the text as it writes them."""
    settings = exposure.settings
    said = "From CR2"
    rggb = settings.measured_rggb
    green = (settings.wb_rggb[1] + settings.wb_rggb[2]) / 2
    temperature = "" if settings.temperature is None else f"{settings.temperature} C"
    return [
        ("FILTER", "RGGB" if exposure.has_mask else "M", ""),
        ("ISO", settings.iso, ""),
        ("EXPTIME", settings.exposure, ""),
        ("CAMTEMP", temperature, f"Celsius - {said}"),
        ("CIRCCONF", "0.019 mm", said),
        ("COLORTMP", settings.color_temperature, said),
        ("FILENAME", f"{exposure.image_time}.cr2", said),
        ("INTSN", settings.internal_serial, said),
        ("CAMSN", settings.serial, said),
        ("MEASEV", "" if settings.measured_ev is None else round(settings.measured_ev, 2), said),
        ("MEASEV2", "" if settings.measured_ev is None else settings.measured_ev, said),
        ("MEASRGGB", "" if rggb is None else " ".join(map(str, rggb)), said),
        ("WHTLVLN", settings.normal_white, said),
        ("WHTLVLS", settings.specular_white, said),
        ("REDBAL", round(settings.wb_rggb[0] / green, 6), said),
        ("BLUEBAL", round(settings.wb_rggb[3] / green, 6), said),
        ("WBRGGB", "", said),
        ("DATE-OBS", settings.taken.isoformat(timespec="seconds"), ""),
    ]


def _mount(exposure: Exposure, sky: Moment) -> list[CardTuple]:
    site, target = exposure.site, exposure.target
    return [
        ("FIELD", target.name, ""),
        ("RA-MNT", target.ra, "Degrees"),
        ("HA-MNT", sky.hour_angle, "Degrees"),
        ("DEC-MNT", target.dec, "Degrees"),
        ("EQUINOX", 2000.0, ""),
        ("AIRMASS", sky.airmass, "Sec(z)"),
        ("LAT-OBS", site.latitude, "Degrees"),
        ("LONG-OBS", site.longitude, "Degrees"),
        ("ELEV-OBS", site.elevation, "Meters"),
        ("MOONSEP", sky.moon_separation, "Degrees"),
        ("MOONFRAC", sky.moon_fraction, ""),
    ]


def _old(exposure: Exposure, sky: Moment) -> list[CardTuple]:
    return [
        *_camera(exposure),
        ("IMAGEID", exposure.image_id, ""),
        ("SEQID", exposure.sequence_id, ""),
        *_mount(exposure, sky),
        ("CREATOR", "POCSv0.1.1", "POCS Software version"),
        ("INSTRUME", exposure.camera_id, "Camera ID"),
        ("OBSERVER", exposure.unit_id, "PANOPTES Unit ID"),
        ("ORIGIN", SIMULATED, ""),
    ]


def _new(exposure: Exposure, sky: Moment) -> list[CardTuple]:
    site, target = exposure.site, exposure.target
    seconds = exposure.settings.exposure
    return [
        *_camera(exposure),
        ("IMAGETYP", "Light Frame", ""),
        ("EGAIN", 1.0, "Electrons/ADU"),
        ("BITDEPTH", 14, "ADC bit depth"),
        ("CAM-ID", exposure.camera_id, "Camera serial number"),
        ("CAM-NAME", "dslr.00", "Camera name"),
        ("CAM-MOD", "panoptes.pocs.camera.canon_gphoto2.Camera", "Camera model"),
        ("camera_name", "dslr.00", ""),
        ("camera_uid", exposure.camera_id, ""),
        ("current_exp", exposure.index, ""),
        ("exp_set_size", exposure.count, ""),
        ("field_name", target.name, ""),
        ("FIELD_RA", target.ra, ""),
        ("FIELD_DEC", target.dec, ""),
        ("FILEPATH", f"/var/panoptes/images/{exposure.folder}/{exposure.image_time}.cr2", ""),
        ("IMAGE_ID", exposure.image_id, ""),
        ("sequence_id", exposure.sequence_id, ""),
        ("SEQ_TIME", exposure.sequence_time, ""),
        ("start_time", exposure.image_time, ""),
        ("is_primary", True, ""),
        ("set_duration", exposure.count * seconds, ""),
        ("minimum_duration", exposure.count * seconds, ""),
        ("MIN_NEXP", exposure.count, ""),
        ("PRIORITY", 100.0, ""),
        ("DARK", False, ""),
        ("RA_MNT", target.ra, ""),
        ("HA_MNT", sky.hour_angle, ""),
        ("DEC_MNT", target.dec, ""),
        ("LATITUDE", site.latitude, ""),
        ("longitude", site.longitude, ""),
        ("elevation", site.elevation, ""),
        ("moon_fraction", sky.moon_fraction, ""),
        ("moon_separation", sky.moon_separation, ""),
        ("tracking_rate_ra", 1.0, ""),
        *_mount(exposure, sky),
        ("IMAGEID", exposure.image_id, ""),
        ("SEQID", exposure.sequence_id, ""),
        ("CREATOR", "POCSv0.7.8", "POCS Software version"),
        ("INSTRUME", exposure.camera_id, "Camera ID"),
        ("OBSERVER", f"PANOPTES {exposure.unit_id}", "PANOPTES Unit ID"),
        ("ORIGIN", SIMULATED, ""),
        ("TAGS", "", "Comma-separated tags"),
    ]
