"""The documents of the catalog, as they are stored.

The fields are those of the network's original data model, plus provenance. Documents may
exist before us and carry fields that we do not know: they are merged, never replaced, so
every model allows extra fields, and a field that is not known is absent, never 0 or ''.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

SCHEMA_VERSION = 2
"""Of the documents' form, raised by `panoptes.network.adoption`. Without it they are earlier
software's; 1 is the first release; since 2 images and observations have an `image_type`."""
HEALPIX_NSIDE = 64
"""Nested HEALPix with 49,152 cells of 0.92 degrees, https://healpix.sourceforge.io."""


class GeoPoint(NamedTuple):
    """A place on Earth, stored as a geographical point; degrees, east positive."""

    latitude: float
    longitude: float


RightAscension = Annotated[float, Field(ge=0, le=360, description="degrees, ICRS")]
Declination = Annotated[float, Field(ge=-90, le=90, description="degrees, ICRS")]

OBSERVATION_STATUS = ("metadata_received", "receiving_files", "received")
IMAGE_STATUS = ("metadata_received", "received", "uploaded")


def forward(order: tuple[str, ...], stored: object, wanted: str) -> str:
    """The later of two statuses: a status never moves back.

    A status of other software that `order` does not know is kept.
    """
    if not isinstance(stored, str):
        return wanted
    if stored not in order:
        return stored  # another program's word
    return max(stored, wanted, key=order.index)


def healpix_of(ra: float, dec: float) -> int:
    """The nested HEALPix cell (`HEALPIX_NSIDE`) of a position in degrees."""
    import hpgeom

    return int(hpgeom.angle_to_pixel(HEALPIX_NSIDE, ra % 360.0, dec, nest=True))


def folded(text: str) -> str:
    """A name as it is compared: in any case, with any white space."""
    return " ".join(text.casefold().split())


NAMES_FOLDED = ("upgrades", "names-folded")
"""Collection and key of the document that says that every observation with a `field_name` has its
`field_folded`. Before `adopt` has been over a catalogue in Firestore it is not there."""


def version_of(fields: Mapping[str, Any]) -> int | None:
    """The release whose document it is; None for other programs', whatever they write there."""
    version = fields.get("schema_version")
    is_ours = isinstance(version, int) and not isinstance(version, bool) and version > 0
    return version if is_ours else None


class Document(BaseModel):
    """A document of the catalogue."""

    model_config = ConfigDict(extra="allow")
    schema_version: int = SCHEMA_VERSION

    def fields(self) -> dict[str, Any]:
        """The fields to store: those that are known."""
        return {
            name: _plain(value)
            for name in (*type(self).model_fields, *(self.model_extra or ()))
            if (value := getattr(self, name)) is not None
        }


def _plain(value: Any) -> Any:
    """Nested models as plain values, datetimes and places kept as such."""
    if isinstance(value, BaseModel):
        return {k: _plain(v) for k, v in dict(value).items() if v is not None}
    if isinstance(value, dict):
        return {k: _plain(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_plain(v) for v in value]
    return value


class Adopted(BaseModel):
    """Where a document of ours was taken over from, see `panoptes.network.adoption`."""

    document: str = Field(description="its path: this very document, or a nested one")
    said: dict[str, Any] = Field(description="fields of ours that it gave, as it gave them")


class Unit(Document):
    """A telescope, by ``unit_id``; other software keeps its telemetry here, too."""

    name: str
    elevation: float | None = Field(None, description="metres above sea level")
    location: GeoPoint | None = None
    status: str = "active"
    registered: AwareDatetime | None = Field(None, description="when an operator entered it")
    daily_bytes: int | None = Field(None, description="that it may send a day; 0: no limit")
    num_observations: int | None = None
    num_images: int | None = None
    total_exptime: float | None = Field(None, description="seconds, to the millisecond")
    described_by: dict[str, str] | None = None
    adopted: Adopted | None = None


class Camera(Document):
    """A camera of a unit, by ``UNIT_CAMERA``."""

    unit_id: str
    camera_id: str
    name: str | None = Field(None, description="what the unit calls it, such as Cam00")
    model: str | None = None
    serial_number: str | None = None
    internal_serial_number: str | None = None
    firmware: str | None = None
    instrument: str | None = Field(None, description="its id, as its unit wrote it")
    is_primary: bool | None = Field(None, description="whether the unit points by it")
    described_by: dict[str, str] | None = None


class Observation(Document):
    """A camera's images during one continuous tracking movement, by ``sequence_id``.

    Where its images differ, the earliest that says a thing describes the observation:
    `described_by` holds, for each such field, the rank of the image that it came from: its time,
    and what makes lights come before others, and FITS files before raws.
    """

    sequence_id: str
    unit_id: str
    camera_id: str
    time: AwareDatetime
    night: str
    status: str = "receiving_files"
    software_version: str | None = None
    ra: RightAscension | None = None
    dec: Declination | None = None
    healpix: int | None = None
    exptime: float | None = Field(None, description="seconds, of one image")
    field_name: str | None = None
    field_folded: str | None = Field(None, description="field_name, `folded`")
    tags: list[str] | None = None
    camera_filter: str | None = None
    iso: int | None = None
    project: str | None = None
    image_type: str | None = Field(
        None, description="light if it has a light, else what its first exposure is for"
    )
    timelapse_path: str | None = Field(None, description="the unit's own film, in timelapse")
    num_images: int | None = None
    total_exptime: float | None = Field(None, description="seconds, to the millisecond")
    night_is_rough: bool | None = Field(None, description="the unit's longitude was not known")
    described_by: dict[str, str] | None = None
    last_arrival: AwareDatetime | None = None
    announced: bool | None = Field(
        None, description="whether Prefect has been told that it is complete, with these images"
    )
    processed: AwareDatetime | None = Field(None, description="when its light curves were made")
    measurements_path: str | None = Field(None, description="of its light curves, in measurements")
    processing_lost: int | None = Field(
        None, description="runs that died while they made its light curves, since the last that did"
    )
    adopted: Adopted | None = None


class Provenance(BaseModel):
    """Which generation of which upload a part of an image came from."""

    model_config = ConfigDict(extra="allow")
    name: str
    generation: int
    crc32c: str
    size: int = Field(description="bytes")
    arrived: AwareDatetime
    recorded: AwareDatetime
    code_version: str
    said: dict[str, Any] = Field(default_factory=dict, description="fields that its header gave")
    notes: list[str] = Field(default_factory=list, description="what of it was not understood")


class Image(Document):
    """A single exposure of a single camera, by ``image_id``.

    Only lights (`image_type`) count as images of their observation and unit.
    """

    image_id: str
    sequence_id: str
    unit_id: str
    camera_id: str
    uid: str = Field(description="UNIT_CAMERA_SEQUENCETIME_IMAGETIME")
    image_type: str = "light"
    time: AwareDatetime
    exposure_end: AwareDatetime | None = None
    night: str
    night_is_rough: bool | None = Field(None, description="the unit's longitude was not known")
    status: str = "received"
    bucket_path: str | None = Field(None, description="the archived .fits.fz, in images")
    size: int | None = Field(None, description="bytes of the archived file")
    crc32c: str | None = Field(None, description="of the archived file, base64")
    original_path: str | None = Field(None, description="the camera raw, in originals")
    rgb_paths: dict[str, str] | None = Field(None, description="colour planes, in rgb")
    preview_path: str | None = Field(None, description="the picture to look at, in previews")
    picture_path: str | None = Field(None, description="the unit's own picture, in previews")
    measured: dict[str, Any] | None = Field(
        None, description="see `panoptes.network.quality.Quality`"
    )
    solution: dict[str, Any] | None = Field(
        None,
        description="where its stars say that it looks, with its WCS as FITS cards; or the reason "
        "why that is not known",
    )
    header_checksums: str | None = Field(None, description="absent, hold or stale")
    sources: dict[str, Provenance] | None = Field(None, description="by file type")
    adopted: Adopted | None = None
    notes: list[str] | None = None
    healpix: int | None = None
    exptime: float | None = Field(None, description="seconds")
    ha_mnt: float | None = Field(None, description="hours")
    ra_mnt: RightAscension | None = None
    dec_mnt: Declination | None = None
    ra_image: RightAscension | None = None
    dec_image: Declination | None = None
    moonfrac: float | None = None
    moonsep: float | None = Field(None, description="degrees")
    airmass: float | None = None
    measev: float | None = None
    measev2: float | None = None
    measr: int | None = None
    measg: int | None = None
    measg2: int | None = None
    measb: int | None = None
    camtemp: float | None = Field(None, description="degrees Celsius")
    circconf: float | None = Field(None, description="millimetres")
    colortmp: float | None = Field(None, description="kelvin")
    bluebal: float | None = None
    redbal: float | None = None
    whtlvln: int | None = None
    whtlvls: int | None = None
    dateobs: str | None = Field(None, description="the camera's clock, as it says it")
    imagetyp: str | None = Field(None, description="what the camera says that it is for")
    quality: str | None = None
    settemp: float | None = Field(None, description="degrees Celsius")
    coolpow: float | None = Field(None, description="per cent")
    egain: float | None = Field(None, description="electrons per ADU")
    gain: float | None = Field(None, description="as the camera counts it")
    bitdepth: int | None = None
    xpixsz: float | None = Field(None, description="micrometres")
    ypixsz: float | None = Field(None, description="micrometres")
    focpos: float | None = None
    fwpos: int | None = None


class Star(Document):
    """A star that was measured, by its `picid`, else ``gaia_dr3:SOURCE_ID``."""

    star_id: str = Field(description="Gaia DR3's source_id; HIP and a number for what Gaia lacks")
    picid: str | None = Field(None, description="the TIC's id, where the operator gave it")
    ra: RightAscension
    dec: Declination
    g: float = Field(description="Gaia's G, magnitudes")
    healpix: int


class LightCurveSummary(Document):
    """One star in one observation, as it was processed at one time, by `lcid`.

    The measurements are in the Parquet file of the observation.
    """

    lcid: str = Field(description="the star's key and the time of processing, UTC, microseconds")
    star: str = Field(description="key of the star's document")
    star_id: str
    picid: str | None = None
    sequence_id: str
    unit_id: str
    camera_id: str
    time: AwareDatetime = Field(description="begin of the observation")
    processed: AwareDatetime
    path: str = Field(description="of the Parquet file, in measurements")
    channels: dict[str, Any] = Field(
        description="by channel: good points, and the median magnitude, scatter (1.4826 times the "
        "median absolute deviation) and reported error"
    )


Location = Literal["incoming", "images", "originals", "rgb", "previews", "timelapse", "quarantine"]
"""The places of the network's files, each a store of its own."""

Outcome = Literal["archived", "filed", "quarantined", "failed"]


class Output(BaseModel):
    """An object that an upload was made into."""

    model_config = ConfigDict(frozen=True)
    role: str = Field(description="archive, original, rgb-r, rgb-g, rgb-b, preview, picture, ...")
    location: Location
    path: str
    generation: int
    crc32c: str
    size: int = Field(description="bytes")


class ObjectGeneration(BaseModel):
    """One generation of an object."""

    model_config = ConfigDict(frozen=True)
    location: Location
    path: str
    generation: int


class Rescue(BaseModel):
    """Somebody's word that a file is to be judged again."""

    model_config = ConfigDict(frozen=True)
    at: AwareDatetime
    by: str = Field(description="USER@MACHINE, or what the operator gave")


class Stays(BaseModel):
    """That a file which is done could not be removed from `incoming`."""

    model_config = ConfigDict(frozen=True)
    at: AwareDatetime = Field(description="of the last try")
    why: str


class Removed(BaseModel):
    """That the copy of a quarantined file was removed, being older than it is to be kept."""

    model_config = ConfigDict(frozen=True)
    at: AwareDatetime
    paths: list[str] = Field(description="that are still to be removed from quarantine")


class Case(BaseModel):
    """How a file was judged before, in its history: the oldest comes first."""

    model_config = ConfigDict(frozen=True)
    outcome: Literal["quarantined", "failed"]
    code: str | None = None
    reason: str | None = None
    generation: int
    size: int = Field(description="bytes")
    crc32c: str | None = None
    path: str | None = Field(None, description="of the copy in quarantine")
    arrived: AwareDatetime
    closed: AwareDatetime | None = None
    rescued: Rescue | None = Field(None, description="absent where a new upload replaced it")


class File(Document):
    """The ledger: what became of one uploaded file, by its percent-encoded name.

    It speaks of one generation of the file. `attempts` counts how often work on it began;
    where it is above `returns`, a run ended without a word: killed, or brought down by
    the file. `outcome` is absent while the file is being worked on. `case_id` and `history`
    stay when a file comes again: one file is one case, however often it was judged.
    """

    name: str
    file_type: str | None = None
    unit_id: str | None = None
    camera_id: str | None = None
    sequence_id: str | None = None
    image_id: str | None = None
    generation: int
    crc32c: str | None = None
    size: int = Field(description="bytes")
    arrived: AwareDatetime
    taken_on: str | None = Field(None, description="UTC date of the first attempt, YYYY-MM-DD")
    taken_bytes: int | None = Field(None, description="of all its generations of that day")
    attempts: int = 0
    returns: int = 0
    failures: int = 0
    outcome: Outcome | None = None
    code: str | None = None
    reason: str | None = None
    next_step: str | None = None
    duplicate_of: str | None = None
    conflicts_with: ObjectGeneration | None = None
    location: Location | None = None
    path: str | None = Field(None, description="of the first output, in `location`")
    outputs: list[Output] | None = None
    unfinished: bool | None = Field(None, description="an older generation was never closed")
    adopted: bool | None = Field(
        None, description="entered where it lay before: no upload of its name may replace it"
    )
    case_id: str | None = Field(None, description="of a file that was quarantined: Q and 12 digits")
    announced: bool | None = Field(None, description="whether Prefect has been told of the case")
    rescue: Rescue | None = Field(None, description="asked for, and not taken up yet")
    history: list[Case] | None = Field(None, description="how it was judged before")
    removed: Removed | None = Field(None, description="of copies that are kept no longer")
    stays: Stays | None = Field(None, description="in incoming, though it is done")
    unreadable: dict[str, Any] | None = Field(
        None, description="an earlier entry that could not be read, as it was"
    )
    code_version: str | None = None
    run_made: AwareDatetime | None = Field(
        None, description="when Prefect made the run that took it, on an event or by a sweep"
    )
    run_begun: AwareDatetime | None = None
    opened: AwareDatetime | None = Field(None, description="when the last attempt began")
    derived: AwareDatetime | None = Field(None, description="when all was made of it and verified")
    closed: AwareDatetime | None = Field(None, description="when it was recorded, or judged")
