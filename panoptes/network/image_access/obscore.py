"""A row of ObsCore 1.1 of an archived image (tables 1 and 6 of the standard)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TypeAlias
from urllib.parse import quote, unquote

from panoptes.network.catalog.catalog import Fields, Stored
from panoptes.network.catalog.values import number
from panoptes.network.image_access.regions import Outline, Place, around, to_place

Cell: TypeAlias = str | float | int | None

COLLECTION = "PANOPTES"
PUBLISHER = "ivo://projectpanoptes.org/images"
IMAGE_FORMAT = "application/fits"
BAND = (4.0e-7, 7.0e-7)
"""Metres: what a camera with a Bayer mask and its infrared filter sees."""
UNSOLVED_REACH = 5.0
"""Degrees. Where nothing but the mount says where an image looks, it is taken to reach so far:
the short side of a full frame is twice as long."""
FIELDS = (
    *("image_id", "sequence_id", "unit_id", "camera_id", "image_type", "bucket_path", "size"),
    *("time", "exposure_end", "exptime", "solution", "measured"),
    *("ra_image", "dec_image", "ra_mnt", "dec_mnt"),
)
"""Of an image's document: what a row is made of."""
_MJD_0 = datetime(1858, 11, 17, tzinfo=UTC)


@dataclass(frozen=True)
class Column:
    """A column of the table."""

    name: str
    datatype: str
    ucd: str
    utype: str
    unit: str = ""
    xtype: str = ""


_AXIS = "Char.SpatialAxis."
_TIME = "Char.TimeAxis."
_SPECTRAL = "Char.SpectralAxis."
COLUMNS = (
    Column("dataproduct_type", "char", "meta.code.class", "ObsDataset.dataProductType"),
    Column("dataproduct_subtype", "char", "meta.code.class", "ObsDataset.dataProductSubtype"),
    Column("calib_level", "int", "meta.code;obs.calib", "ObsDataset.calibLevel"),
    Column("obs_collection", "char", "meta.id", "DataID.collection"),
    Column("obs_id", "char", "meta.id", "DataID.observationID"),
    Column("obs_publisher_did", "char", "meta.ref.ivoid", "Curation.publisherDID"),
    Column("access_url", "char", "meta.ref.url", "Access.reference"),
    Column("access_format", "char", "meta.code.mime", "Access.format"),
    Column("access_estsize", "long", "phys.size;meta.file", "Access.size", "kbyte"),
    Column("target_name", "char", "meta.id;src", "Target.name"),
    Column(
        "s_ra", "double", "pos.eq.ra", f"{_AXIS}Coverage.Location.Coord.Position2D.Value2.C1", "deg"
    ),
    Column(
        "s_dec",
        "double",
        "pos.eq.dec",
        f"{_AXIS}Coverage.Location.Coord.Position2D.Value2.C2",
        "deg",
    ),
    Column(
        "s_fov",
        "double",
        "phys.angSize;instr.fov",
        f"{_AXIS}Coverage.Bounds.Extent.diameter",
        "deg",
    ),
    Column(
        "s_region",
        "char",
        "pos.outline;obs.field",
        f"{_AXIS}Coverage.Support.Area",
        "",
        "adql:REGION",
    ),
    Column(
        "s_resolution", "double", "pos.angResolution", f"{_AXIS}Resolution.Refval.value", "arcsec"
    ),
    Column("s_xel1", "long", "meta.number", f"{_AXIS}numBins1"),
    Column("s_xel2", "long", "meta.number", f"{_AXIS}numBins2"),
    Column(
        "s_pixel_scale",
        "double",
        "phys.angSize;instr.pixel",
        f"{_AXIS}Sampling.RefVal.SamplingPeriod",
        "arcsec",
    ),
    Column(
        "t_min",
        "double",
        "time.start;obs.exposure",
        f"{_TIME}Coverage.Bounds.Limits.StartTime",
        "d",
    ),
    Column(
        "t_max", "double", "time.end;obs.exposure", f"{_TIME}Coverage.Bounds.Limits.StopTime", "d"
    ),
    Column(
        "t_exptime", "double", "time.duration;obs.exposure", f"{_TIME}Coverage.Support.Extent", "s"
    ),
    Column("t_resolution", "double", "time.resolution", f"{_TIME}Resolution.Refval.value", "s"),
    Column("t_xel", "long", "meta.number", f"{_TIME}numBins"),
    Column("em_min", "double", "em.wl;stat.min", f"{_SPECTRAL}Coverage.Bounds.Limits.LoLimit", "m"),
    Column("em_max", "double", "em.wl;stat.max", f"{_SPECTRAL}Coverage.Bounds.Limits.HiLimit", "m"),
    Column(
        "em_res_power", "double", "spect.resolution", f"{_SPECTRAL}Resolution.ResolPower.refVal"
    ),
    Column("em_xel", "long", "meta.number", f"{_SPECTRAL}numBins"),
    Column("o_ucd", "char", "meta.ucd", "Char.ObservableAxis.ucd"),
    Column("pol_states", "char", "meta.code;phys.polarization", "Char.PolarizationAxis.stateList"),
    Column("pol_xel", "long", "meta.number", "Char.PolarizationAxis.numBins"),
    Column("facility_name", "char", "meta.id;instr.tel", "Provenance.ObsConfig.Facility.name"),
    Column("instrument_name", "char", "meta.id;instr", "Provenance.ObsConfig.Instrument.name"),
)


@dataclass(frozen=True)
class Footprint:
    """Where an image looks."""

    place: Place
    outline: Outline
    """What is searched by."""
    solved: bool
    """Whether the image's stars gave the outline; else it is `around` where the mount pointed."""
    shape: tuple[int, int] | None = None
    """Columns and rows."""
    scale: float | None = None
    """Arcseconds a pixel."""


def footprint_of(image: Fields) -> Footprint | None:
    """None where nothing says where an image looks."""
    solution = image.get("solution")
    if isinstance(solution, Mapping) and isinstance(cards := solution.get("wcs"), Mapping):
        found = _solved(cards, solution)
        if found is not None:
            return found
    place = middle_of({**image, "solution": None})
    return None if place is None else Footprint(place, around(*place, UNSOLVED_REACH), False)


def middle_of(image: Fields) -> Place | None:
    """Where the middle of an image is: by its stars, else by its header, else by the mount."""
    solution = image.get("solution")
    solved = solution if isinstance(solution, Mapping) else {}
    for fields, which in ((solved, ""), (image, "_image"), (image, "_mnt")):
        ra, dec = number(fields, f"ra{which}"), number(fields, f"dec{which}")
        if ra is not None and dec is not None and 0 <= ra <= 360 and -90 <= dec <= 90:
            return ra % 360.0, dec
    return None


def _solved(cards: Mapping[str, Any], solution: Mapping[str, Any]) -> Footprint | None:
    import numpy as np

    from panoptes.network.plate_solving.wcs import Wcs

    try:
        wcs = Wcs.from_cards(cards)
    except (KeyError, ValueError, TypeError):
        return None  # another program's
    rows, columns = wcs.shape
    x, y = np.array([0, columns, columns, 0]) - 0.5, np.array([0, 0, rows, rows]) - 0.5
    ras, decs = wcs.to_sky(x, y)
    outline = Outline(tuple(zip(ras.tolist(), decs.tolist(), strict=True)))
    if not all(math.isfinite(value) for corner in outline.corners for value in corner):
        return None
    place = middle_of({"solution": solution}) or to_place(outline.middle)
    return Footprint(place, outline, True, (columns, rows), wcs.scale)


def publisher_did(image_id: str) -> str:
    """The name by which the whole world may ask for an image."""
    return f"{PUBLISHER}?{quote(image_id, safe='')}"


def image_id_of(did: str) -> str | None:
    """What `publisher_did` was given; None for others' names. Case does not count before ``?``."""
    publisher, _, image_id = did.partition("?")
    return unquote(image_id) if publisher.casefold() == PUBLISHER and image_id else None


def to_mjd(moment: datetime) -> float:
    """Modified Julian date, UTC."""
    return (moment - _MJD_0).total_seconds() / 86400.0


@dataclass(frozen=True)
class Exposure:
    """When an image was exposed."""

    begun: float | None
    """MJD (UTC), as `ended`."""
    ended: float | None
    seconds: float | None


def exposure_of(image: Fields) -> Exposure:
    """What its document says."""
    time, end = image.get("time"), image.get("exposure_end")
    seconds = number(image, "exptime")
    begun = to_mjd(time) if isinstance(time, datetime) else None
    ended = to_mjd(end) if isinstance(end, datetime) else None
    if ended is None and begun is not None and seconds is not None:
        ended = begun + seconds / 86400.0
    return Exposure(begun, ended, seconds)


def obscore_row(
    image: Stored, footprint: Footprint | None, *, target: str | None, access_url: str | None
) -> dict[str, Cell]:
    """By `COLUMNS`; None where something is not known."""
    fields = image.fields
    exposure = exposure_of(fields)
    size = fields.get("size")
    row: dict[str, Cell] = dict.fromkeys(each.name for each in COLUMNS)
    row |= {
        "dataproduct_type": "image",
        "calib_level": 1,
        "obs_collection": COLLECTION,
        "obs_id": _text(fields.get("sequence_id")),
        "obs_publisher_did": publisher_did(image.key),
        "access_url": access_url,
        "access_format": IMAGE_FORMAT,
        "access_estsize": -(-size // 1000) if isinstance(size, int) else None,
        "target_name": target,
        "t_min": exposure.begun,
        "t_max": exposure.ended,
        "t_exptime": exposure.seconds,
        "t_resolution": exposure.seconds,
        "t_xel": 1,
        "em_min": BAND[0],
        "em_max": BAND[1],
        "o_ucd": "phot.count",
        "facility_name": _text(fields.get("unit_id")),
        "instrument_name": _text(fields.get("camera_id")),
    }
    if footprint is not None:
        row |= {"s_ra": footprint.place[0], "s_dec": footprint.place[1]}
    if footprint is not None and footprint.solved:
        row |= {
            "s_fov": 2 * footprint.outline.radius,
            "s_region": _region(footprint.outline),
            "s_resolution": _seeing(fields.get("measured"), footprint.scale),
            "s_pixel_scale": footprint.scale,
        }
        if footprint.shape is not None:
            row |= {"s_xel1": footprint.shape[0], "s_xel2": footprint.shape[1]}
    return row


def _region(outline: Outline) -> str:
    """As STC-S, the corners counter-clockwise as seen from inside of the sphere."""
    ordered = outline.corners[::-1] if outline.is_clockwise else outline.corners
    return "Polygon ICRS " + " ".join(f"{ra:.6f} {dec:.6f}" for ra, dec in ordered)


def _seeing(measured: object, scale: float | None) -> float | None:
    fwhm = number(measured, "fwhm") if isinstance(measured, Mapping) else None
    return None if fwhm is None or scale is None else fwhm * scale


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
